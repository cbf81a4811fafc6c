"""What the proxy knows of the studies that it holds, and the record of letting go of one.

The order is what makes it safe: the rows say *evicted*, and the table ``eviction`` that it is under way, before the
first file is deleted; an image that comes in again after that is taken for a new arrival.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Exists,
    Select,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import delivery_item, eviction, kept_study, known_series, study_read
from cami.delivery.kept_series import KeptSeries
from cami.delivery.sent import Sent, sent_of_study
from cami.delivery.states import Command, State
from cami.delivery.steps import move

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


@dataclass(frozen=True, slots=True)
class Evicted:
    """An instance that was let go of here, and what the centre has of it."""

    instance_id: str
    sha256: str
    size: int
    """Bytes of the file that was here; the centre's may be smaller."""


class Holdings:
    """Reads and changes ``delivery_item`` study by study."""

    def __init__(self, engine: Engine, clock: Clock, needed: Sequence[Select[Any]] = ()) -> None:
        """Make it; `needed` are queries for studies that others still need here, one column of Orthanc ids each."""
        self._needed = needed
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
            .where(*(delivery_item.c.study_id.not_in(query) for query in self._needed))
            .group_by(delivery_item.c.study_id)
            .having(
                func.sum(case((delivery_item.c.state.in_(_HELD), 1), else_=0)) == 0,
                func.sum(case((delivery_item.c.state == State.CONFIRMED, 1), else_=0)) > 0,
                (last_read.is_(None)) | (last_read <= self._clock.now() - unread_for),
            )
            .where(~_kept(delivery_item.c.study_id, self._clock.now()))
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

    def evicted(self, study_id: str) -> list[Evicted]:
        """List what was let go of of a study, in the order in which it had come in."""
        query = (
            select(delivery_item.c.instance_id, delivery_item.c.sha256, delivery_item.c.size)
            .where(delivery_item.c.study_id == study_id, delivery_item.c.state == State.EVICTED)
            .order_by(delivery_item.c.seq, delivery_item.c.instance_id)
        )
        with self._reader.connect() as connection:
            return [Evicted(row.instance_id, row.sha256 or "", row.size) for row in connection.execute(query)]

    def keep(self, study_id: str, until: datetime) -> None:
        """Let retention leave a study alone until then, whatever was said before."""
        with self._engine.begin() as connection:
            known = update(kept_study).where(kept_study.c.study_id == study_id).values(until=until)
            if not connection.execute(known).rowcount:
                connection.execute(insert(kept_study).values(study_id=study_id, until=until))
            connection.execute(delete(kept_study).where(kept_study.c.until <= self._clock.now()))

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

    def begin_eviction(self, study_id: str, instance_ids: Sequence[str], series: Sequence[KeptSeries] = ()) -> bool:
        """Note that these instances are let go of; False, and nothing noted, if the study has changed meanwhile.

        Of its series is kept what devices look for.
        """
        with self._engine.begin() as connection:
            if connection.scalar(select(_kept(study_id, self._clock.now()))):
                return False
            known = _instances(connection, study_id)
            if any(item.state in _HELD for item in known.values()):
                return False
            if any(_is_in(connection, study_id, query) for query in self._needed):
                return False
            if any(known[instance_id].state is not State.CONFIRMED for instance_id in instance_ids):
                return False
            move(connection, Command.EVICT, instance_ids)
            connection.execute(insert(eviction).values(study_id=study_id, began_at=self._clock.now()))
            for each in series:
                connection.execute(delete(known_series).where(known_series.c.series_id == each.series_id))
                values = {
                    "series_id": each.series_id,
                    "study_id": study_id,
                    "attributes": json.dumps(dict(each.attributes), ensure_ascii=False),
                }
                connection.execute(insert(known_series).values(values))
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


def _kept(study_id: ColumnElement[str] | str, now: datetime) -> Exists:
    return exists().where(kept_study.c.study_id == study_id, kept_study.c.until > now)


def _is_in(connection: Connection, study_id: str, query: Select[Any]) -> bool:
    (column,) = query.selected_columns
    return connection.execute(query.where(column == study_id).limit(1)).first() is not None


def _instances(connection: Connection, study_id: str) -> dict[str, Held]:
    rows = connection.execute(
        select(delivery_item.c.instance_id, delivery_item.c.state, delivery_item.c.size, delivery_item.c.sha256).where(
            delivery_item.c.study_id == study_id
        )
    )
    return {row.instance_id: Held(State(row.state), row.size, row.sha256 or "") for row in rows}
