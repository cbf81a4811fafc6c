"""The proxy's queue: one row an instance, from "seen in the change log" to "confirmed by the centre"."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, exists, func, insert, select, update

from cami.archive import InstanceIdentity
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import change_cursor, delivery_item
from cami.delivery.states import Command, State, after, states_before

#: Name of the row of ``change_cursor`` that delivery moves.
READER = "delivery"


@dataclass(frozen=True, slots=True)
class Item:
    """An instance that a sender has taken."""

    instance_id: str
    study_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the proxy believes the centre holds of one study."""

    study_id: str
    study_uid: str
    instances: Mapping[str, str]
    """Orthanc instance id → SHA-256 of the file as delivered."""


class DeliveryQueue:
    """The table ``delivery_item``, changed only along `cami.delivery.states.TRANSITIONS`."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def cursor(self) -> int:
        """Return how far the change log has been read (0 at first)."""
        with self._reader.connect() as connection:
            found = connection.scalar(select(change_cursor.c.seq).where(change_cursor.c.reader == READER))
        return found or 0

    def record(self, arrivals: Iterable[tuple[int, InstanceIdentity]], cursor: int) -> int:
        """Enter instances and move the cursor, in one transaction; what is there already stays as it is.

        Parameters
        ----------
        arrivals
            Pairs of the change's sequence number and the instance.
        cursor
            Where to go on reading the change log.

        Returns
        -------
        int
            How many instances were new.
        """
        now = self._clock.now()
        rows = [
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
            }
            for seq, identity in arrivals
        ]
        with self._engine.begin() as connection:
            new = _enter(connection, rows)
            moved = connection.execute(
                update(change_cursor).where(change_cursor.c.reader == READER).values(seq=cursor)
            ).rowcount
            if not moved:
                connection.execute(insert(change_cursor).values(reader=READER, seq=cursor))
        return new

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
                .values(state=after(State.SENDING, Command.RETURN))
            ).rowcount

    def take(self) -> Item | None:
        """Take the instance that has waited longest and may be tried now, or None."""
        with self._engine.begin() as connection:
            row = connection.execute(
                select(delivery_item.c.instance_id, delivery_item.c.study_id, delivery_item.c.attempts)
                .where(
                    delivery_item.c.state == State.QUEUED,
                    (delivery_item.c.not_before.is_(None)) | (delivery_item.c.not_before <= self._clock.now()),
                )
                .order_by(delivery_item.c.seq)
                .limit(1)
            ).first()
            if row is None:
                return None
            self._change(connection, Command.SEND, [row.instance_id])
        return Item(row.instance_id, row.study_id, row.attempts)

    def give_back(self, item: Item, reason: str, delay: timedelta) -> None:
        """Return an instance to the queue, to be tried again after `delay`."""
        with self._engine.begin() as connection:
            self._change(
                connection,
                Command.RETURN,
                [item.instance_id],
                attempts=item.attempts + 1,
                not_before=self._clock.now() + delay,
                reason=reason,
            )

    def accept(self, item: Item, sha256: str) -> None:
        """Note that the centre has stored exactly the bytes with this digest."""
        with self._engine.begin() as connection:
            self._change(
                connection,
                Command.ACCEPT,
                [item.instance_id],
                sha256=sha256,
                stored_at=self._clock.now(),
                reason=None,
                not_before=None,
            )

    def quarantine(self, instance_ids: Sequence[str], reason: str) -> None:
        """Note that the centre does not take these instances into the archive, and why."""
        with self._engine.begin() as connection:
            self._change(connection, Command.QUARANTINE, instance_ids, reason=reason)

    def due_manifests(self, quiet: timedelta) -> list[str]:
        """List studies (Orthanc ids) of which all is stored, something is unconfirmed, and nothing came for `quiet`."""
        waiting = delivery_item.alias()
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
                    .having(func.max(delivery_item.c.stored_at) <= self._clock.now() - quiet)
                    .order_by(func.min(delivery_item.c.seq))
                )
            )

    def manifest(self, study_id: str) -> Manifest:
        """Return what the centre should hold of a study, by what it answered."""
        with self._reader.connect() as connection:
            rows = connection.execute(
                select(delivery_item.c.instance_id, delivery_item.c.study_uid, delivery_item.c.sha256).where(
                    delivery_item.c.study_id == study_id,
                    delivery_item.c.state.in_([State.STORED, State.CONFIRMED]),
                )
            ).all()
        return Manifest(study_id, rows[0].study_uid if rows else "", {row.instance_id: row.sha256 for row in rows})

    def confirm(self, manifest: Manifest) -> None:
        """Note that the centre holds all of `manifest`."""
        with self._engine.begin() as connection:
            self._change(
                connection, Command.CONFIRM, list(manifest.instances), confirmed_at=self._clock.now(), reason=None
            )

    def resend(self, instance_ids: Sequence[str]) -> None:
        """Queue again what the centre said it does not hold."""
        with self._engine.begin() as connection:
            self._change(connection, Command.MISS, instance_ids, stored_at=None, confirmed_at=None, sha256=None)

    def _change(
        self,
        connection: Connection,
        command: Command,
        instance_ids: Sequence[str],
        **values: datetime | str | int | None,
    ) -> None:
        for state in states_before(command):
            for part in _parts(instance_ids):
                connection.execute(
                    update(delivery_item)
                    .where(delivery_item.c.instance_id.in_(part), delivery_item.c.state == state)
                    .values(state=after(state, command), **values)
                )


def _enter(connection: Connection, rows: Sequence[Mapping[str, object]]) -> int:
    new: dict[object, Mapping[str, object]] = {row["instance_id"]: row for row in rows}
    for part in _parts([str(key) for key in new]):
        for known in connection.scalars(
            select(delivery_item.c.instance_id).where(delivery_item.c.instance_id.in_(part))
        ).all():
            del new[known]
    if new:
        connection.execute(insert(delivery_item), list(new.values()))
    return len(new)


def _parts(items: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
