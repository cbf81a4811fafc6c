"""The proxy's list of studies that come back from the centre: asked for, under way, ended.

What is still to come of a study is not written here: it is its rows in ``delivery_item`` that say *evicted*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, case, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import delivery_item, fetch
from cami.delivery import Holdings
from cami.delivery.order import Priority
from cami.delivery.states import State

#: How long retention leaves a study alone that somebody has asked for, once it is here.
KEPT = timedelta(days=1)
#: While it comes it stays anyway; this is only so that a forgotten row does not hold a study for ever.
_WHILE_IT_COMES = timedelta(days=30)
_HERE = [State.QUEUED, State.SENDING, State.STORED, State.CONFIRMED]


class Cause(StrEnum):
    """Why a study comes back."""

    ARRIVAL = "arrival"
    """An earlier study of a patient who has come."""
    ASKED = "asked"
    """«Вернуть из ЦАМИ»."""
    SCHEDULE = "schedule"
    """An earlier study of a patient who is expected."""
    VIEWER = "viewer"
    """Somebody has opened it."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """A study that comes back, or has."""

    number: int
    study_id: str
    priority: Priority
    cause: str
    asked_by: str
    asked_at: datetime
    total: int | None
    attempts: int
    ended_at: datetime | None
    reason: str
    keep_until: datetime

    @property
    def urgent(self) -> bool:
        """Whether somebody is waiting for it."""
        return self.priority <= Priority.AWAITED


@dataclass(frozen=True, slots=True)
class Presence:
    """How much of a study is here, in instances."""

    here: int
    evicted: int


class Fetches:
    """The table ``fetch``."""

    def __init__(self, engine: Engine, clock: Clock, holdings: Holdings) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._holdings = holdings

    def ask(self, study_id: str, priority: Priority, cause: Cause, *, asked_by: str, keep: timedelta = KEPT) -> int:
        """Want a study back; return the number. One that is under way becomes as urgent as the most urgent wish."""
        now = self._clock.now()
        # First, so that retention does not take away the part that is still here.
        self._holdings.keep(study_id, now + _WHILE_IT_COMES)
        with self._engine.begin() as connection:
            under_way = connection.execute(
                select(fetch).where(fetch.c.study_id == study_id, fetch.c.ended_at.is_(None))
            ).first()
            if under_way is not None:
                connection.execute(
                    update(fetch)
                    .where(fetch.c.id == under_way.id)
                    .values(
                        priority=min(under_way.priority, int(priority)),
                        keep_until=max(under_way.keep_until, now + keep),
                        not_before=None if priority < under_way.priority else under_way.not_before,
                    )
                )
                return int(under_way.id)
            made = connection.execute(
                insert(fetch).values(
                    study_id=study_id,
                    priority=int(priority),
                    cause=cause.value,
                    asked_by=asked_by,
                    asked_at=now,
                    keep_until=now + keep,
                )
            )
        return int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0

    def due(self) -> list[Fetch]:
        """List what is under way and may be gone on with now, the most urgent first."""
        query = (
            select(fetch)
            .where(
                fetch.c.ended_at.is_(None),
                (fetch.c.not_before.is_(None)) | (fetch.c.not_before <= self._clock.now()),
            )
            .order_by(fetch.c.priority, fetch.c.id)
        )
        with self._reader.connect() as connection:
            return [_fetch(row) for row in connection.execute(query)]

    def count(self, number: int, total: int) -> None:
        """Note how many instances the study has at the centre."""
        with self._engine.begin() as connection:
            connection.execute(update(fetch).where(fetch.c.id == number).values(total=total))

    def get_on(self, number: int) -> None:
        """Note that something has come."""
        with self._engine.begin() as connection:
            connection.execute(update(fetch).where(fetch.c.id == number).values(attempts=0, not_before=None))

    def put_off(self, number: int, pause: timedelta, *, failed: bool) -> None:
        """Leave it alone for a while; `failed` counts as an attempt that came to nothing."""
        with self._engine.begin() as connection:
            connection.execute(
                update(fetch)
                .where(fetch.c.id == number)
                .values(not_before=self._clock.now() + pause, attempts=fetch.c.attempts + int(failed))
            )

    def end(self, done: Fetch, reason: str = "") -> None:
        """Note that all that can come has come, or why it has not."""
        with self._engine.begin() as connection:
            row = connection.execute(select(fetch.c.keep_until).where(fetch.c.id == done.number)).first()
            connection.execute(
                update(fetch).where(fetch.c.id == done.number).values(ended_at=self._clock.now(), reason=reason or None)
            )
        self._holdings.keep(done.study_id, row.keep_until if row is not None else done.keep_until)

    def latest(self, study_ids: Sequence[str]) -> dict[str, Fetch]:
        """Return the newest fetch of each of these studies."""
        newest = select(func.max(fetch.c.id)).where(fetch.c.study_id.in_(study_ids)).group_by(fetch.c.study_id)
        with self._reader.connect() as connection:
            rows = connection.execute(select(fetch).where(fetch.c.id.in_(newest))).all()
        return {row.study_id: _fetch(row) for row in rows}

    def history(self, limit: int) -> list[Fetch]:
        """List fetches, the newest first."""
        with self._reader.connect() as connection:
            return [_fetch(row) for row in connection.execute(select(fetch).order_by(fetch.c.id.desc()).limit(limit))]

    def presence(self, study_ids: Sequence[str]) -> Mapping[str, Presence]:
        """Return how much of these studies is here; a study that the queue does not know is left out."""
        query = (
            select(
                delivery_item.c.study_id,
                func.sum(case((delivery_item.c.state.in_(_HERE), 1), else_=0)).label("here"),
                func.sum(case((delivery_item.c.state == State.EVICTED, 1), else_=0)).label("evicted"),
            )
            .where(delivery_item.c.study_id.in_(study_ids))
            .group_by(delivery_item.c.study_id)
        )
        with self._reader.connect() as connection:
            return {row.study_id: Presence(row.here, row.evicted) for row in connection.execute(query)}


def _fetch(row: Row[Any]) -> Fetch:
    return Fetch(
        number=row.id,
        study_id=row.study_id,
        priority=Priority(row.priority),
        cause=row.cause,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        total=row.total,
        attempts=row.attempts,
        ended_at=row.ended_at,
        reason=row.reason or "",
        keep_until=row.keep_until,
    )
