"""The centre's book of errands: what it wants of which proxy, and how that ended."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, delete, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import errand
from cami.delivery.order import Priority
from cami.errands.bell import Bell, Pending
from cami.errands.errand import NO_STUDY, Errand, Kind, Report, Study, written
from cami.errors import NotFound

#: Errands handed over in one answer.
MOST = 50
#: How long errands that ended are kept: who asked for what.
KEPT = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Entry:
    """An errand with its history, for those who asked."""

    errand: Errand
    mo: str
    asked_by: str
    asked_at: datetime
    taken_at: datetime | None
    done_at: datetime | None
    outcome: str
    """Of `Outcome`; empty while it is open."""
    reason: str


class ErrandBook:
    """The table ``errand``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, bell: Bell) -> None:
        """Make a book that rings `bell` when somebody asks for something."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._bell = bell

    def ask(
        self,
        mo: str,
        kind: Kind,
        *,
        asked_by: str,
        cause: str,
        study: Study = NO_STUDY,
        priority: Priority = Priority.AWAITED,
        details: Mapping[str, Any] | None = None,
    ) -> int:
        """Want something of the proxy of `mo`; return the errand's number.

        If the newest errand that is open about the same study is the very same, that one is enough.
        """
        values = {
            "mo": mo,
            "kind": kind.value,
            "study_id": study.study_id,
            "study_uid": study.study_uid,
            "priority": int(priority),
            "details": written(details or {}),
        }
        about = (errand.c.mo == mo, errand.c.study_id == study.study_id, errand.c.done_at.is_(None))
        newest = select(errand).where(*about).order_by(errand.c.id.desc()).limit(1)
        with self._engine.begin() as connection:
            # Only the newest counts: an earlier "raise" must not swallow one that comes after a "lower".
            before = connection.execute(newest).mappings().first()
            if before is not None and all(before[name] == value for name, value in values.items()):
                number = int(before["id"])
            else:
                made = connection.execute(
                    insert(errand).values(**values, cause=cause, asked_by=asked_by, asked_at=self._clock.now())
                )
                number = int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0
        self._bell.ring(mo)
        return number

    def hand_over(self, mo: str, put_off: Collection[int] = ()) -> Sequence[Errand]:
        """Return the open errands of `mo`, oldest first, and note that they were taken.

        Parameters
        ----------
        mo
            The МО that asks.
        put_off
            Errands that its proxy has and will try again later.
        """
        waiting = (errand.c.done_at.is_(None), errand.c.mo == mo, errand.c.id.not_in(put_off))
        with self._reader.connect() as connection:
            rows = connection.execute(select(errand).where(*waiting).order_by(errand.c.id).limit(MOST)).all()
        fresh = [row.id for row in rows if row.taken_at is None]
        if fresh:
            with self._engine.begin() as connection:
                connection.execute(
                    update(errand)
                    .where(errand.c.id.in_(fresh), errand.c.taken_at.is_(None))
                    .values(taken_at=self._clock.now())
                )
        return [_errand(row) for row in rows]

    def settle(self, mo: str, number: int, report: Report) -> None:
        """Note how an errand of `mo` ended; what was answered before stays.

        Raises
        ------
        cami.errors.NotFound
            There is no such errand, or it is another МО's.
        """
        here = (errand.c.id == number, errand.c.mo == mo)
        with self._engine.begin() as connection:
            if connection.scalar(select(func.count()).where(*here)) == 0:
                raise NotFound("no such errand")
            connection.execute(
                update(errand)
                .where(*here, errand.c.done_at.is_(None))
                .values(done_at=self._clock.now(), outcome=report.outcome.value, reason=report.reason or None)
            )

    def entry(self, number: int) -> Entry | None:
        """Return one errand with its history."""
        with self._reader.connect() as connection:
            row = connection.execute(select(errand).where(errand.c.id == number)).first()
        return None if row is None else _entry(row)

    def latest(self, kind: Kind, study_ids: Sequence[str]) -> dict[str, Entry]:
        """Return the newest errand of a kind for each of these studies, by Orthanc id."""
        newest = (
            select(func.max(errand.c.id))
            .where(errand.c.kind == kind.value, errand.c.study_id.in_(study_ids))
            .group_by(errand.c.study_id)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(select(errand).where(errand.c.id.in_(newest))).all()
        return {row.study_id: _entry(row) for row in rows}

    def history(self, mo: str | None, limit: int) -> list[Entry]:
        """List errands of an МО (None: of all), the newest first."""
        query = select(errand).order_by(errand.c.id.desc()).limit(limit)
        if mo is not None:
            query = query.where(errand.c.mo == mo)
        with self._reader.connect() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def tidy(self) -> int:
        """Forget what ended long ago; return how many errands."""
        with self._engine.begin() as connection:
            return connection.execute(delete(errand).where(errand.c.done_at < self._clock.now() - KEPT)).rowcount


def open_errands(engine: Engine) -> dict[str, Pending]:
    """Return what is open, by МО; an МО with nothing is left out."""
    query = select(errand.c.mo, func.count().label("count"), func.max(errand.c.id).label("newest"))
    query = query.where(errand.c.done_at.is_(None)).group_by(errand.c.mo)
    with reading(engine).connect() as connection:
        return {row.mo: Pending(row[1], row.newest) for row in connection.execute(query)}


def _errand(row: Row[Any]) -> Errand:
    return Errand(
        number=row.id,
        kind=row.kind,
        study=Study(row.study_id, row.study_uid),
        priority=Priority(row.priority),
        cause=row.cause,
        details=json.loads(row.details),
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        errand=_errand(row),
        mo=row.mo,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        taken_at=row.taken_at,
        done_at=row.done_at,
        outcome=row.outcome or "",
        reason=row.reason or "",
    )
