"""What the proxy knows of the studies that it holds, and the record of letting go of one.

The order is what makes it safe: the rows say *evicted*, and the table ``eviction`` that it is under way, before the
first file is deleted; an image that comes in again after that is taken for a new arrival.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, case, delete, func, insert, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import delivery_item, eviction, study_read
from cami.delivery.queue import move
from cami.delivery.sent import Sent, sent_of_study
from cami.delivery.states import Command, State

#: States of which something still has to be done, or of which the only copy may be here.
_HELD = [State.QUEUED, State.SENDING, State.STORED, State.QUARANTINED, State.LOST]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A study that might be let go of."""

    study_id: str
    size: int
    """Bytes of its files here."""
    last_used: datetime
    """When it was last opened here, or its last image came in."""


@dataclass(frozen=True, slots=True)
class Held:
    """An instance that the queue knows."""

    state: State
    size: int
    sha256: str
    """Of what the centre answered that it has stored; empty before that."""


class Holdings:
    """Reads and changes ``delivery_item`` study by study."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def candidates(self, limit: int, *, unread_for: timedelta) -> list[Candidate]:
        """List studies of which all is confirmed, the longest unused first.

        Parameters
        ----------
        limit
            How many at most.
        unread_for
            What was opened more recently is left alone: somebody may be looking at it.
        """
        here = case((delivery_item.c.state == State.CONFIRMED, delivery_item.c.size), else_=0)
        last_received = func.max(delivery_item.c.received_at)
        last_read = func.max(study_read.c.read_at)
        query = (
            select(
                delivery_item.c.study_id,
                func.sum(here).label("size"),
                last_received.label("received_at"),
                last_read.label("read_at"),
            )
            .join_from(delivery_item, study_read, delivery_item.c.study_id == study_read.c.study_id, isouter=True)
            .group_by(delivery_item.c.study_id)
            .having(
                func.sum(case((delivery_item.c.state.in_(_HELD), 1), else_=0)) == 0,
                func.sum(case((delivery_item.c.state == State.CONFIRMED, 1), else_=0)) > 0,
                (last_read.is_(None)) | (last_read <= self._clock.now() - unread_for),
            )
            .order_by(case((last_read > last_received, last_read), else_=last_received))
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [
                Candidate(row.study_id, row.size, max(row.received_at, row.read_at or row.received_at))
                for row in connection.execute(query)
            ]

    def instances(self, study_id: str) -> dict[str, Held]:
        """Return each known instance of a study by its Orthanc id."""
        with self._reader.connect() as connection:
            return _instances(connection, study_id)

    def sent(self, study_id: str) -> dict[str, Sent]:
        """Return what each instance of a study held when it was sent, by its Orthanc id."""
        with self._reader.connect() as connection:
            return sent_of_study(connection, study_id)

    def held_studies(self) -> list[str]:
        """List studies of which something delivered should still be here."""
        query = (
            select(delivery_item.c.study_id)
            .where(delivery_item.c.state.in_([State.STORED, State.CONFIRMED]))
            .group_by(delivery_item.c.study_id)
        )
        with self._reader.connect() as connection:
            return list(connection.scalars(query))

    def states_of_sop(self, sop_uid: str) -> dict[str, State]:
        """Return the state of each known instance with a SOP Instance UID, by its Orthanc id."""
        query = select(delivery_item.c.instance_id, delivery_item.c.state).where(delivery_item.c.sop_uid == sop_uid)
        with self._reader.connect() as connection:
            return {row.instance_id: State(row.state) for row in connection.execute(query)}

    def begin_eviction(self, study_id: str, instance_ids: Sequence[str]) -> bool:
        """Note that these instances are let go of; False, and nothing noted, if the study has changed meanwhile."""
        with self._engine.begin() as connection:
            known = _instances(connection, study_id)
            if any(item.state in _HELD for item in known.values()):
                return False
            if any(known[instance_id].state is not State.CONFIRMED for instance_id in instance_ids):
                return False
            move(connection, Command.EVICT, instance_ids)
            connection.execute(insert(eviction).values(study_id=study_id, began_at=self._clock.now()))
        return True

    def end_eviction(self, study_id: str) -> None:
        """Note that nothing of the study is left to delete."""
        with self._engine.begin() as connection:
            connection.execute(delete(eviction).where(eviction.c.study_id == study_id))

    def evicting(self, study_id: str) -> bool:
        """Return whether the study is being let go of just now."""
        with self._reader.connect() as connection:
            return bool(connection.scalar(select(func.count()).where(eviction.c.study_id == study_id)))

    def unfinished(self) -> str | None:
        """Return a study whose eviction was cut short, if there is one."""
        with self._reader.connect() as connection:
            return connection.scalar(select(eviction.c.study_id).order_by(eviction.c.began_at).limit(1))


def _instances(connection: Connection, study_id: str) -> dict[str, Held]:
    rows = connection.execute(
        select(delivery_item.c.instance_id, delivery_item.c.state, delivery_item.c.size, delivery_item.c.sha256).where(
            delivery_item.c.study_id == study_id
        )
    )
    return {row.instance_id: Held(State(row.state), row.size, row.sha256 or "") for row in rows}
