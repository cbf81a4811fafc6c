"""The proxy's queue: one row an instance, from "seen in the change log" to "confirmed by the centre"."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select, update

from cami.clock import Clock
from cami.db.tables import delivery_item, delivery_study
from cami.delivery.closing import Closing
from cami.delivery.entrance import Entrance
from cami.delivery.items import Item
from cami.delivery.order import ALL, URGENT, Priority, Rank, rank
from cami.delivery.reasons import Cause
from cami.delivery.sent import Sent, note_sent
from cami.delivery.statements import ANY_BEGUN, NEXT, NEXT_BUT, moments
from cami.delivery.states import Command, State, after
from cami.delivery.steps import move, reclassify


class DeliveryQueue(Entrance, Closing):
    """The table ``delivery_item``, changed only along `cami.delivery.states.TRANSITIONS`.

    How instances come in and how studies are closed stands in its bases; here is what senders do with it.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__(engine, clock)
        self._on_reclassified: Callable[[str, Priority], None] = lambda _study_id, _priority: None

    def tell_reclassified(self, listener: Callable[[str, Priority], None]) -> None:
        """Let `listener` know when a study (Orthanc id) has been put into another class."""
        self._on_reclassified = listener

    def set_priority(self, study_id: str, priority: Priority) -> bool:
        """Put a study into another class; what waits of it moves at once. Return whether the study is known."""
        with self._engine.begin() as connection:
            known = reclassify(connection, study_id, priority)
        if known:
            self._on_reclassified(study_id, priority)
        return known

    def priority(self, study_id: str) -> Priority | None:
        """Return the class of a study, or None if it is not known."""
        with self._reader.connect() as connection:
            found = connection.scalar(select(delivery_study.c.priority).where(delivery_study.c.study_id == study_id))
        return None if found is None else Priority(found)

    def recover(self) -> int:
        """Put back what was being sent when this server stopped; return how many."""
        with self._engine.begin() as connection:
            return connection.execute(
                update(delivery_item)
                .where(delivery_item.c.state == State.SENDING)
                .values(
                    state=after(State.SENDING, Command.RETURN),
                    reason=func.coalesce(delivery_item.c.reason, Cause.RESTART),
                )
            ).rowcount

    def take(self, classes: Collection[Priority] = ALL, passed_over: Collection[str] = ()) -> Item | None:
        """Take the instance whose turn it is (`cami.delivery.order`) and that may be tried now, or None.

        Parameters
        ----------
        classes
            What may go now.
        passed_over
            Studies (Orthanc ids) of which nothing is to be taken.
        """
        with self._engine.begin() as connection:
            row = self._head(connection, classes, passed_over)
            if row is None:
                return None
            first = not connection.scalar(ANY_BEGUN, {"study_id": row.study_id})
            move(connection, Command.SEND, [row.instance_id])
        return Item(
            instance_id=row.instance_id,
            study_id=row.study_id,
            attempts=row.attempts,
            priority=Priority(row.lane),
            modality=row.modality,
            begun=row.reason is not None,
            first=first,
            size=row.size,
            received_at=row.received_at,
            turn=row.turn,
        )

    def head(self, classes: Collection[Priority], passed_over: Collection[str] = ()) -> Rank | None:
        """Return where that stands which `take` would take now, without the lock on the database that taking needs."""
        with self._reader.connect() as connection:
            row = self._head(connection, classes, passed_over)
        return None if row is None else rank(row.lane, row.turn)

    def _head(
        self, connection: Connection, classes: Collection[Priority], passed_over: Collection[str]
    ) -> Row[*tuple[Any, ...]] | None:
        if urgent := [priority for priority in classes if priority in URGENT]:
            row = self._next(connection, urgent, passed_over)
            if row is not None:
                return row
        heads = [self._next(connection, [it], passed_over) for it in classes if it not in URGENT]
        return min((head for head in heads if head is not None), key=lambda head: float(head.turn), default=None)

    def _next(
        self, connection: Connection, lanes: Collection[Priority], passed_over: Collection[str]
    ) -> Row[*tuple[Any, ...]] | None:
        query = NEXT_BUT if passed_over else NEXT
        values: dict[str, Any] = {"low": min(lanes), "high": max(lanes), **moments(self._clock.now())}
        if passed_over:
            values["passed_over"] = list(passed_over)
        return connection.execute(query, values).first()

    def stand_back(self, item: Item) -> None:
        """Return an instance to the queue that was broken off for what is urgent: no failure, and it keeps its turn."""
        with self._engine.begin() as connection:
            move(connection, Command.RETURN, [item.instance_id], reason=Cause.STOOD_BACK)

    def give_back(self, item: Item, reason: str, delay: timedelta) -> None:
        """Return an instance to the queue, to be tried again after `delay`."""
        with self._engine.begin() as connection:
            move(
                connection,
                Command.RETURN,
                [item.instance_id],
                attempts=item.attempts + 1,
                not_before=self._clock.now() + delay,
                reason=reason,
            )

    def accept(self, item: Item, sha256: str, source_sha256: str, sent: Sent | None = None) -> None:
        """Note that the centre has stored exactly the bytes with this digest, and what they were made of."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            move(
                connection,
                Command.ACCEPT,
                [item.instance_id],
                sha256=sha256,
                source_sha256=source_sha256,
                stored_at=now,
                lag_seconds=(now - item.received_at).total_seconds() if item.received_at else None,
                reason=None,
                not_before=None,
            )
            if sent is not None:
                note_sent(connection, item.instance_id, sent)
