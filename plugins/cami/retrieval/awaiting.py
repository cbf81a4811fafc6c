"""Who waits at the centre for a study that is not whole there (F-04: class P1), and what that asks of the proxy.

The first who waits has the study raised, the last one's end puts it back. A wait ends when it is taken back (a
consultation is closed), by time, or when the study is whole. A viewer of ours tells that it is open (`Awaiting.beat`),
and only that prolongs its wait; of another one nobody says that it was closed.
"""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Engine, delete, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import awaited_study
from cami.delivery.order import Priority
from cami.errands import ErrandBook, Kind, Outcome, Study
from cami.retrieval.whereabouts import StudyRegister, Whereabouts

#: How long an opened viewer counts that does not tell when it is closed, after it has last asked for something.
VIEWER_LASTS = timedelta(minutes=15)
#: The same for one that tells that it is open: browsers let a page that is in the background speak once a minute.
BEAT_LASTS = timedelta(seconds=75)
#: The same after it has said that it is being closed: the person may have the study open in another tab.
CLOSED_LASTS = timedelta(seconds=25)
#: How long a request stands: a proxy may be without its line for a weekend.
REQUEST_LASTS = timedelta(days=7)


class Cause(StrEnum):
    """Why somebody waits."""

    CONSULTATION = "consultation"
    """A consultation about the study is open; it lasts until it is closed."""
    REQUEST = "request"
    """«Запросить из МО»."""
    VIEWER = "viewer"
    """Somebody has opened the study here."""


_LASTS = {Cause.REQUEST: REQUEST_LASTS, Cause.VIEWER: VIEWER_LASTS}
_KINDS = {Cause.CONSULTATION: Kind.SEND, Cause.REQUEST: Kind.SEND, Cause.VIEWER: Kind.RAISE}


class Awaiting:
    """The table ``awaited_study``, and the errands that follow from it."""

    def __init__(self, engine: Engine, clock: Clock, errands: ErrandBook, register: StudyRegister) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._errands = errands
        self._register = register
        # Raising and lowering must reach the book in the order in which they were decided.
        self._one_after_the_other = threading.Lock()

    def begin(self, study: Whereabouts, cause: Cause, *, waiting: str, asked_by: str) -> int | None:
        """Note that somebody waits for a study; return the errand that brings it, or None if it is whole.

        Parameters
        ----------
        study
            Where it is.
        cause
            Why it is wanted.
        waiting
            Who or what waits: a login, or the number of a consultation. The same one waits once.
        asked_by
            Login of who has asked.
        """
        if study.whole:
            return None
        with self._one_after_the_other:
            number = self._renewed(study.study_id, cause, waiting)
            if number is not None and cause is Cause.VIEWER:
                return number
            errand = self._errands.ask(
                study.mo,
                _KINDS[cause],
                study=Study(study.study_id, study.study_uid),
                priority=Priority.AWAITED,
                cause=cause.value,
                asked_by=asked_by,
            )
            self._write(study, cause, waiting, errand)
        return errand

    def _renewed(self, study_id: str, cause: Cause, waiting: str) -> int | None:
        """Let a wait last from now on; return its errand, or None if there is none."""
        here = _key(study_id, cause, waiting)
        with self._engine.begin() as connection:
            silent = awaited_study.c.beats.is_(False)
            connection.execute(update(awaited_study).where(*here, silent).values(until=self._until(cause)))
            return connection.scalar(select(awaited_study.c.errand).where(*here))

    def _write(self, study: Whereabouts, cause: Cause, waiting: str, errand: int) -> None:
        here = _key(study.study_id, cause, waiting)
        with self._engine.begin() as connection:
            if connection.execute(update(awaited_study).where(*here).values(errand=errand)).rowcount:
                return
            connection.execute(
                insert(awaited_study).values(
                    study_id=study.study_id,
                    cause=cause.value,
                    waiting=waiting,
                    mo=study.mo,
                    study_uid=study.study_uid,
                    errand=errand,
                    began_at=self._clock.now(),
                    until=self._until(cause),
                )
            )

    def _until(self, cause: Cause) -> datetime | None:
        lasts = _LASTS.get(cause)
        return None if lasts is None else self._clock.now() + lasts

    def beat(self, study: Whereabouts, *, waiting: str) -> None:
        """Note that a viewer of ours is open; from now on only this prolongs the wait."""
        if self.begin(study, Cause.VIEWER, waiting=waiting, asked_by=waiting) is not None:
            self._last(study.study_id, waiting, BEAT_LASTS)

    def closing(self, study: Whereabouts, *, waiting: str) -> None:
        """Note that a viewer of ours is being closed."""
        self._last(study.study_id, waiting, CLOSED_LASTS)

    def _last(self, study_id: str, waiting: str, lasts: timedelta) -> None:
        here = _key(study_id, Cause.VIEWER, waiting)
        with self._engine.begin() as connection:
            until = self._clock.now() + lasts
            connection.execute(update(awaited_study).where(*here).values(until=until, beats=True))

    def end(self, study_id: str, cause: Cause, *, waiting: str) -> None:
        """Note that somebody waits no more; without anybody left the study goes back to its class."""
        here = _key(study_id, cause, waiting)
        with self._one_after_the_other:
            with self._reader.connect() as connection:
                row = connection.execute(select(awaited_study).where(*here)).first()
                all_of_it = select(func.count()).where(awaited_study.c.study_id == study_id)
                last = connection.scalar(all_of_it) == 1
            if row is None:
                return
            if last:
                # Before the row goes: what a crash leaves is ended once more.
                self._errands.ask(
                    row.mo,
                    Kind.LOWER,
                    study=Study(study_id, row.study_uid),
                    priority=Priority.PLANNED,
                    cause=cause.value,
                    asked_by="centre",
                )
            with self._engine.begin() as connection:
                connection.execute(delete(awaited_study).where(*here))

    def awaited(self, study_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these studies that somebody waits for."""
        query = select(awaited_study.c.study_id).where(awaited_study.c.study_id.in_(study_ids)).distinct()
        with self._reader.connect() as connection:
            return frozenset(connection.scalars(query))

    def look(self) -> int:
        """End what is over: the study is whole, the time is out, or the proxy cannot bring it; return how many."""
        with self._reader.connect() as connection:
            rows = connection.execute(select(awaited_study)).all()
        now = self._clock.now()
        ended = 0
        register = self._register.of_ids([row.study_id for row in rows]) if rows else {}
        for row in rows:
            here = register.get(row.study_id)
            over = (here is not None and here.whole) or (row.until is not None and row.until <= now)
            if over or self._hopeless(row.errand, Cause(row.cause)):
                self.end(row.study_id, Cause(row.cause), waiting=row.waiting)
                ended += 1
        return ended

    def _hopeless(self, number: int | None, cause: Cause) -> bool:
        entry = None if number is None or cause is Cause.CONSULTATION else self._errands.entry(number)
        return entry is not None and entry.outcome in (Outcome.UNKNOWN, Outcome.REFUSED, Outcome.UNSUPPORTED)


def _key(study_id: str, cause: Cause, waiting: str) -> tuple[ColumnElement[bool], ...]:
    return (
        awaited_study.c.study_id == study_id,
        awaited_study.c.cause == cause.value,
        awaited_study.c.waiting == waiting,
    )
