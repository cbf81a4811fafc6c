"""The proxy's queue: one row an instance, from "seen in the change log" to "confirmed by the centre"."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, delete, exists, func, insert, select, update

from cami.archive import InstanceIdentity
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import change_cursor, delivery_item, delivery_study
from cami.delivery.order import PATIENCE, Part, Priority, lane, offset, part_of
from cami.delivery.states import Command, State, after, states_before

_BYTES = {Part.LEADING: "leading_bytes", Part.MAIN: "main_bytes", Part.THIN: "thin_bytes"}

#: Name of the row of ``change_cursor`` that delivery moves.
READER = "delivery"


@dataclass(frozen=True, slots=True)
class Item:
    """An instance that a sender has taken."""

    instance_id: str
    study_id: str
    attempts: int
    lane: int = 2
    modality: str = ""

    @property
    def urgent(self) -> bool:
        """Whether it is of class P0 or P1 (`cami.delivery.order.lane`)."""
        return self.lane < lane(Priority.PLANNED)


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
        with self._engine.begin() as connection:
            new = self._enter(connection, {identity.instance_id: (seq, identity) for seq, identity in arrivals})
            moved = connection.execute(
                update(change_cursor).where(change_cursor.c.reader == READER).values(seq=cursor)
            ).rowcount
            if not moved:
                connection.execute(insert(change_cursor).values(reader=READER, seq=cursor))
        return new

    def set_priority(self, study_id: str, priority: Priority) -> bool:
        """Put a study into another class; what waits of it moves at once. Return whether the study is known."""
        with self._engine.begin() as connection:
            known = connection.execute(
                select(delivery_study.c.priority).where(delivery_study.c.study_id == study_id)
            ).first()
            if known is None:
                return False
            shift = (PATIENCE[priority] - PATIENCE[Priority(known.priority)]).total_seconds()
            connection.execute(
                update(delivery_study).where(delivery_study.c.study_id == study_id).values(priority=priority)
            )
            connection.execute(
                update(delivery_item)
                .where(
                    delivery_item.c.study_id == study_id,
                    delivery_item.c.state.in_([State.QUEUED, State.SENDING]),
                )
                .values(lane=lane(priority), turn=delivery_item.c.turn + shift)
            )
        return True

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
        """Take the instance whose turn it is (`cami.delivery.order`) and that may be tried now, or None."""
        with self._engine.begin() as connection:
            row = connection.execute(
                select(
                    delivery_item.c.instance_id,
                    delivery_item.c.study_id,
                    delivery_item.c.attempts,
                    delivery_item.c.lane,
                    delivery_item.c.modality,
                )
                .where(
                    delivery_item.c.state == State.QUEUED,
                    (delivery_item.c.not_before.is_(None)) | (delivery_item.c.not_before <= self._clock.now()),
                )
                .order_by(delivery_item.c.lane, delivery_item.c.turn)
                .limit(1)
            ).first()
            if row is None:
                return None
            self._change(connection, Command.SEND, [row.instance_id])
        return Item(row.instance_id, row.study_id, row.attempts, row.lane, row.modality)

    def urgent_waits(self) -> bool:
        """Say whether something of class P0 or P1 waits for a sender."""
        with self._reader.connect() as connection:
            return bool(
                connection.scalar(
                    select(
                        exists().where(
                            delivery_item.c.state == State.QUEUED,
                            delivery_item.c.lane < lane(Priority.PLANNED),
                            (delivery_item.c.not_before.is_(None)) | (delivery_item.c.not_before <= self._clock.now()),
                        )
                    )
                )
            )

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

    def _enter(self, connection: Connection, arrivals: dict[str, tuple[int, InstanceIdentity]]) -> int:
        for part in _parts(list(arrivals)):
            for known in connection.scalars(
                select(delivery_item.c.instance_id).where(delivery_item.c.instance_id.in_(part))
            ).all():
                del arrivals[known]
        if not arrivals:
            return 0
        now = self._clock.now()
        turns = _Turns(connection, now.timestamp())
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
        return len(rows)

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


class _Place(NamedTuple):
    lane: int
    turn: float


class _Turns:
    """Gives instances their places, and keeps the account of each study that they are reckoned from."""

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._now = now
        self._studies: dict[str, dict[str, Any]] = {}
        self._known: set[str] = set()

    def place(self, identity: InstanceIdentity) -> _Place:
        study = self._study(identity.study_id)
        part = part_of(identity.modality, identity.image_type, identity.slice_thickness)
        before = sum(study[_BYTES[earlier]] for earlier in (Part.MAIN, Part.THIN) if earlier <= part)
        study[_BYTES[part]] += identity.size
        priority = Priority(study["priority"])
        turn = study["began_at"] + offset(part, before) + PATIENCE[priority].total_seconds()
        return _Place(lane(priority), turn)

    def save(self) -> None:
        for study_id, study in self._studies.items():
            if study_id in self._known:
                statement = update(delivery_study).where(delivery_study.c.study_id == study_id).values(**study)
                self._connection.execute(statement)
            else:
                self._connection.execute(insert(delivery_study).values(study_id=study_id, **study))

    def _study(self, study_id: str) -> dict[str, Any]:
        if study_id not in self._studies:
            row = (
                self._connection.execute(select(delivery_study).where(delivery_study.c.study_id == study_id))
                .mappings()
                .first()
            )
            if row is None:
                study: dict[str, Any] = dict.fromkeys(_BYTES.values(), 0)
                study |= {"priority": Priority.PLANNED, "began_at": self._now}
            else:
                self._known.add(study_id)
                study = {key: value for key, value in row.items() if key != "study_id"}
            self._studies[study_id] = study
        return self._studies[study_id]


def _parts(items: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
