"""The proxy's queue: one row an instance, from "seen in the change log" to "confirmed by the centre"."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, exists, func, insert, or_, select, update

from cami.archive import InstanceIdentity
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import change_cursor, delivery_item, delivery_study
from cami.delivery.journal import Arrivals
from cami.delivery.order import ALL, PATIENCE, URGENT, Priority, Rank, rank
from cami.delivery.reasons import Cause
from cami.delivery.sent import Sent, note_sent, note_verified, pixels_of, sent_of_study, series_of
from cami.delivery.statements import ANY_BEGUN, NEXT, NEXT_BUT, STUDY_TOTAL, moments, named_state, step
from cami.delivery.states import Command, State, after, states_before
from cami.delivery.turns import Turns

log = logging.getLogger(__name__)

#: Name of the row of ``change_cursor`` that delivery moves.
READER = "delivery"


@dataclass(frozen=True, slots=True)
class Item:
    """An instance that a sender has taken."""

    instance_id: str
    study_id: str
    attempts: int
    priority: Priority = Priority.PLANNED
    modality: str = ""
    begun: bool = False
    """Whether the centre may have a part of it from an earlier try."""
    first: bool = False
    """Whether it is the first of its study that is sent."""
    size: int = 0
    """Bytes of the file as it is stored here."""
    received_at: datetime | None = None
    turn: float = 0.0

    @property
    def rank(self) -> Rank:
        """Where it stands among all that is sent."""
        return rank(self.priority, self.turn)

    @property
    def urgent(self) -> bool:
        """Whether it is of class P0 or P1."""
        return self.priority in URGENT


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the proxy believes the centre holds of one study."""

    study_id: str
    study_uid: str
    instances: Mapping[str, str]
    """Orthanc instance id → SHA-256 of the file as delivered."""
    pixels: Mapping[str, str] = field(default_factory=dict)
    """Orthanc instance id → digest of its pixels before it was made ready for the line, where that is known."""
    series: Mapping[str, int] | None = None
    """Orthanc series id → how many of the instances it has; None if that is not known of all."""
    lag: float | None = None
    """Seconds that the slowest of them took from the device to the centre."""


class DeliveryQueue:
    """The table ``delivery_item``, changed only along `cami.delivery.states.TRANSITIONS`."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._on_reclassified: Callable[[str, Priority], None] = lambda _study_id, _priority: None
        self._arrivals: Arrivals | None = None

    def tell_reclassified(self, listener: Callable[[str, Priority], None]) -> None:
        """Let `listener` know when a study (Orthanc id) has been put into another class."""
        self._on_reclassified = listener

    def tell_arrivals(self, arrivals: Arrivals) -> None:
        """Let the journal know what was not known before."""
        self._arrivals = arrivals

    def cursor(self) -> int:
        """Return how far the change log has been read (0 at first)."""
        with self._reader.connect() as connection:
            return read_cursor(connection, READER) or 0

    def evicted(self, instance_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """Return which of these instances were let go of here, each with the digests that need not be sent again.

        These are of what the centre has, and of the file that it was made from; none for one that the centre has lost.
        """
        found: dict[str, frozenset[str]] = {}
        asked = select(
            delivery_item.c.instance_id, delivery_item.c.state, delivery_item.c.sha256, delivery_item.c.source_sha256
        )
        with self._reader.connect() as connection:
            for part in parts(instance_ids):
                rows = connection.execute(
                    asked.where(
                        delivery_item.c.instance_id.in_(part),
                        named_state.in_(states_before(Command.RECEIVE)),
                    )
                )
                for row in rows:
                    known = (row.sha256, row.source_sha256) if row.state == State.EVICTED else ()
                    found[row.instance_id] = frozenset(filter(None, known))
        return found

    def record(
        self,
        arrivals: Iterable[tuple[int, InstanceIdentity]],
        cursor: int | None,
        *,
        restored: Sequence[str] = (),
        received: Sequence[str] = (),
    ) -> int:
        """Enter instances and move the cursor, in one transaction; what is there already stays as it is.

        Parameters
        ----------
        arrivals
            Pairs of the change's sequence number and the instance.
        cursor
            Where to go on reading the change log; None: it was not read.
        restored, received
            Instances that were evicted and are here again: as bytes that need not be sent again, or not.

        Returns
        -------
        int
            How many instances are to be sent that were not.
        """
        found = list(arrivals)
        if self._arrivals:
            self._arrivals.look([identity for _, identity in found])
        try:
            return self._record(found, cursor, restored, received)
        except BaseException:
            if self._arrivals:
                self._arrivals.failed()
            raise

    def _record(
        self,
        arrivals: Sequence[tuple[int, InstanceIdentity]],
        cursor: int | None,
        restored: Sequence[str],
        received: Sequence[str],
    ) -> int:
        now = self._clock.now()
        with self._engine.begin() as connection:
            move(connection, Command.RESTORE, restored, received_at=now, stored_at=now, reason=None)
            again = {
                "received_at": now,
                "sha256": None,
                "source_sha256": None,
                "stored_at": None,
                "confirmed_at": None,
                "not_before": None,
            }
            new = move(connection, Command.RECEIVE, received, **again, attempts=0, reason=None)
            new += self._enter(connection, {identity.instance_id: (seq, identity) for seq, identity in arrivals})
            if cursor is not None:
                move_cursor(connection, READER, cursor)
        return new

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

    def forget(self, instance_id: str) -> None:
        """Drop an instance that the local archive no longer holds and that was never delivered."""
        with self._engine.begin() as connection:
            connection.execute(
                delete(delivery_item).where(
                    delivery_item.c.instance_id == instance_id,
                    delivery_item.c.state.in_([State.QUEUED, State.SENDING]),
                )
            )

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

    def quarantine(self, instance_ids: Sequence[str], reason: str) -> None:
        """Note that the centre does not take these instances into the archive, and why."""
        with self._engine.begin() as connection:
            move(connection, Command.QUARANTINE, instance_ids, reason=reason)
            _lose(connection, instance_ids)

    def due_manifests(self, quiet: timedelta) -> list[str]:
        """List studies (Orthanc ids) of which all is stored, something is unconfirmed, and nothing came for `quiet`."""
        waiting = delivery_item.alias()
        # Stored later than now: the clock was set back, and would have to come that far again.
        now, latest = self._clock.now(), func.max(delivery_item.c.stored_at)
        with self._reader.connect() as connection:
            return list(
                connection.scalars(
                    select(delivery_item.c.study_id)
                    .where(
                        delivery_item.c.state == State.STORED,
                        ~exists().where(
                            waiting.c.study_id == delivery_item.c.study_id,
                            waiting.c.state.in_([State.QUEUED, State.SENDING]),
                        ),
                    )
                    .group_by(delivery_item.c.study_id)
                    .having(or_(latest <= now - quiet, latest > now + quiet))
                    .order_by(func.min(delivery_item.c.seq))
                )
            )

    def manifest(self, study_id: str) -> Manifest:
        """Return what the centre should hold of a study, by what it answered."""
        with self._reader.connect() as connection:
            rows = connection.execute(
                select(
                    delivery_item.c.instance_id,
                    delivery_item.c.study_uid,
                    delivery_item.c.sha256,
                    delivery_item.c.lag_seconds,
                ).where(
                    delivery_item.c.study_id == study_id,
                    delivery_item.c.state.in_([State.STORED, State.CONFIRMED, State.EVICTED]),
                )
            ).all()
            sent = sent_of_study(connection, study_id)
        instances = {row.instance_id: row.sha256 for row in rows}
        names = list(instances)
        study_uid = rows[0].study_uid if rows else ""
        lag = max((row.lag_seconds for row in rows if row.lag_seconds is not None), default=None)
        return Manifest(study_id, study_uid, instances, pixels_of(names, sent), series_of(names, sent), lag)

    def study_total(self, study_id: str) -> int:
        """Count what the centre will have of a study when all is sent that is here now."""
        with self._reader.connect() as connection:
            return connection.scalar(STUDY_TOTAL, {"study_id": study_id}) or 0

    def confirm(self, manifest: Manifest, *, pixels_compared: bool = False) -> None:
        """Note that the centre holds all of `manifest`, and whether it has compared the pixels."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            move(connection, Command.CONFIRM, list(manifest.instances), confirmed_at=now, reason=None)
            if pixels_compared:
                note_verified(connection, list(manifest.pixels), now)

    def resend(self, instance_ids: Sequence[str]) -> None:
        """Queue again what the centre said it does not hold."""
        with self._engine.begin() as connection:
            move(connection, Command.MISS, instance_ids, stored_at=None, confirmed_at=None, sha256=None)
            _lose(connection, instance_ids)

    def lose(self, instance_ids: Sequence[str]) -> None:
        """Note what neither the local archive nor the centre holds any more."""
        with self._engine.begin() as connection:
            _lose(connection, instance_ids)

    def _enter(self, connection: Connection, arrivals: dict[str, tuple[int, InstanceIdentity]]) -> int:
        for part in parts(list(arrivals)):
            for known in connection.scalars(
                select(delivery_item.c.instance_id).where(delivery_item.c.instance_id.in_(part))
            ).all():
                del arrivals[known]
        if not arrivals:
            return 0
        now = self._clock.now()
        turns = Turns(connection, now.timestamp())
        rows = []
        for seq, identity in arrivals.values():
            place = turns.place(identity)
            rows.append(
                {
                    "instance_id": identity.instance_id,
                    "study_id": identity.study_id,
                    "study_uid": identity.study_uid,
                    "sop_uid": identity.sop_uid,
                    "modality": identity.modality,
                    "description": identity.study_description,
                    "size": identity.size,
                    "seq": seq,
                    "state": State.QUEUED,
                    "received_at": now,
                    "lane": place.lane,
                    "turn": place.turn,
                }
            )
        connection.execute(insert(delivery_item), rows)
        turns.save()
        if self._arrivals:
            self._arrivals.came(connection, [identity for _, identity in arrivals.values()])
        return len(rows)


def reclassify(connection: Connection, study_id: str, priority: Priority) -> bool:
    """Put a study into another class in the caller's transaction; return whether the study is known."""
    known = connection.scalar(select(delivery_study.c.priority).where(delivery_study.c.study_id == study_id))
    if known is None:
        return False
    shift = (PATIENCE[priority] - PATIENCE[Priority(known)]).total_seconds()
    connection.execute(update(delivery_study).where(delivery_study.c.study_id == study_id).values(priority=priority))
    connection.execute(
        update(delivery_item)
        .where(delivery_item.c.study_id == study_id, delivery_item.c.state.in_([State.QUEUED, State.SENDING]))
        .values(lane=priority, turn=delivery_item.c.turn + shift)
    )
    return True


def read_cursor(connection: Connection, reader: str) -> int | None:
    """Return how far a reader of the change log has come; None before its beginning."""
    return connection.scalar(select(change_cursor.c.seq).where(change_cursor.c.reader == reader))


def move_cursor(connection: Connection, reader: str, seq: int) -> None:
    """Note, in the transaction that writes what was read, how far a reader of the change log has come."""
    statement = update(change_cursor).where(change_cursor.c.reader == reader).values(seq=seq)
    if not connection.execute(statement).rowcount:
        connection.execute(insert(change_cursor).values(reader=reader, seq=seq))


def _lose(connection: Connection, instance_ids: Sequence[str]) -> None:
    """Note what was evicted here and is not at the centre any more: nothing can be sent again."""
    if lost := move(connection, Command.LOSE, instance_ids, reason=Cause.LOST):
        log.critical("%d instances are neither here nor at the centre any more: restore them from a backup", lost)


def move(
    connection: Connection,
    command: Command,
    instance_ids: Sequence[str],
    **values: datetime | str | float | None,
) -> int:
    """Take instances one step along `cami.delivery.states.TRANSITIONS`; return how many were in a state for it."""
    moved = 0
    # What stays in its state first: what comes into that state by this step must not be counted twice.
    for state in sorted(states_before(command), key=lambda before: after(before, command) != before):
        for part in parts(instance_ids):
            moved += connection.execute(
                step(tuple(values)),
                {"ids": list(part), "before": state, "after": after(state, command)}
                | {f"new_{name}": value for name, value in values.items()},
            ).rowcount
    return moved


def parts(items: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    """Cut a list of identifiers into pieces that a statement may hold."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
