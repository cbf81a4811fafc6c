"""Who comes when: the patients for whom the proxy looks for earlier studies, the evening before or at their arrival."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, Row, delete, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import schedule
from cami.region import Prefetch
from cami.retrieval.columns import Described

#: How long what was fetched stays after the day of the visit.
AFTER_THE_VISIT = timedelta(days=1)
#: How long visits are remembered.
_REMEMBERED = timedelta(days=30)


class Cause(StrEnum):
    """How the visit is known."""

    ARRIVAL = "arrival"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class Visit:
    """A patient who comes, or has come."""

    number: int
    patient: str
    """Orthanc's id of the patient, the SHA-1 of the Patient ID: enough to find studies, and it names nobody."""
    issuer: str
    study_id: str
    """The study that has come in; empty while the patient is only expected."""
    modality: str
    body_part: str
    cause: Cause
    asked_by: str
    keep_until: datetime


class Schedule:
    """The table ``schedule``."""

    def __init__(self, engine: Engine, clock: Clock, zone: ZoneInfo, rules: Prefetch) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._zone = zone
        self._rules = rules

    def expect(
        self, patient: str, day: date, *, asked_by: str, issuer: str = "", modality: str = "", body_part: str = ""
    ) -> datetime:
        """Expect a patient on a day; return when the earlier studies are looked for: the evening before, or now."""
        evening = datetime.combine(day - timedelta(days=1), time.min, self._zone) + _since_midnight(self._rules.evening)
        due = max(evening, self._clock.now())
        wanted = {"patient": patient, "issuer": issuer, "modality": modality, "body_part": body_part}
        values = {
            "cause": Cause.SCHEDULE.value,
            "asked_by": asked_by,
            "asked_at": self._clock.now(),
            "due_at": due,
            "keep_until": datetime.combine(day, time.max, self._zone) + AFTER_THE_VISIT,
        }
        with self._engine.begin() as connection:
            same = [schedule.c[name] == value for name, value in wanted.items()]
            open_one = (*same, schedule.c.cause == Cause.SCHEDULE.value, schedule.c.done_at.is_(None))
            # A visit that is put off is one visit.
            if not connection.execute(update(schedule).where(*open_one).values(**values)).rowcount:
                connection.execute(insert(schedule).values(**wanted, **values))
        return due

    def arrived(self, studies: Sequence[Described]) -> None:
        """Note that patients are here: their studies have begun to come in."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            for study in studies:
                connection.execute(
                    insert(schedule).values(
                        patient=study.patient,
                        issuer=study.issuer,
                        study_id=study.study_id,
                        modality=study.columns.modalities.partition("\\")[0][:16],
                        body_part=study.body_parts.partition("\\")[0][:64],
                        cause=Cause.ARRIVAL.value,
                        asked_by="arrival",
                        asked_at=now,
                        due_at=now,
                        keep_until=now + AFTER_THE_VISIT,
                    )
                )

    def due(self, limit: int) -> list[Visit]:
        """List visits for which it is time to look, those who are here first."""
        query = (
            select(schedule)
            .where(schedule.c.done_at.is_(None), schedule.c.due_at <= self._clock.now())
            .order_by(schedule.c.cause, schedule.c.due_at)
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [_visit(row) for row in connection.execute(query)]

    def done(self, visit: Visit, found: int) -> None:
        """Note that it was looked, and how many studies are fetched."""
        with self._engine.begin() as connection:
            connection.execute(
                update(schedule).where(schedule.c.id == visit.number).values(done_at=self._clock.now(), found=found)
            )
            connection.execute(delete(schedule).where(schedule.c.done_at < self._clock.now() - _REMEMBERED))


def _since_midnight(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _visit(row: Row[Any]) -> Visit:
    return Visit(
        number=row.id,
        patient=row.patient,
        issuer=row.issuer,
        study_id=row.study_id,
        modality=row.modality,
        body_part=row.body_part,
        cause=Cause(row.cause),
        asked_by=row.asked_by,
        keep_until=row.keep_until,
    )
