"""Images first: what open requests are about is sent before everything else, until they end (F-04, class P1).

Rows say what is wanted; a step of a thread brings the waits of `cami.retrieval` in line with them, after each change
and now and then, so a crash in between is made good.
"""

import math
import time

from sqlalchemy import Engine, select

from cami.consultations.catalogue import StudyCatalogue
from cami.consultations.request import ChosenStudy
from cami.consultations.states import OPEN
from cami.db import reading
from cami.db.tables import awaited_study, consultation, consultation_study
from cami.retrieval import Awaiting
from cami.retrieval.awaiting import Cause

#: Studies that one step looks for: a look takes four questions to the database.
_AT_ONCE = 50
#: Seconds after which a study that nobody has announced yet is looked for again.
_AGAIN = 60.0


class Images:
    """Has the studies of open requests brought."""

    def __init__(self, engine: Engine, catalogue: StudyCatalogue, awaiting: Awaiting) -> None:
        self._reader = reading(engine)
        self._catalogue = catalogue
        self._awaiting = awaiting
        self._settled: dict[tuple[str, str], float] = {}
        """What need not be looked for: until when, by the process's own clock."""
        self.more = False
        """Whether the last step has left something to look for."""

    def step(self) -> int:
        """Begin and end waits as the requests want it; return how many changed."""
        wanted, waited = self._wanted(), self._waited()
        over = waited - wanted.keys()
        for study_id, number in over:
            self._awaiting.end(study_id, Cause.CONSULTATION, waiting=number)
        now = time.monotonic()
        self._settled = {key: until for key, until in self._settled.items() if key in wanted and until > now}
        sought = [key for key in wanted if key not in waited and key not in self._settled]
        self.more = len(sought) > _AT_ONCE
        begun = 0
        # The newest first: an emergency does not stand behind a thousand that were looked for before a restart.
        for key in sorted(sought, key=lambda each: -int(each[1]))[:_AT_ONCE]:
            study, asker = wanted[key]
            place = self._catalogue.whereabouts(study)
            if place is None or place.whole:
                self._settled[key] = math.inf if place is not None else now + _AGAIN
                continue
            self._awaiting.begin(place, Cause.CONSULTATION, waiting=key[1], asked_by=asker)
            begun += 1
        return len(over) + begun

    def _wanted(self) -> dict[tuple[str, str], tuple[ChosenStudy, str]]:
        """Return what open requests are about, with who asks: by Orthanc id and number."""
        studies = consultation_study.c
        query = (
            select(studies.number, studies.study_uid, studies.study_id, studies.owner, consultation.c.asker)
            .join(consultation, consultation.c.number == studies.number)
            .where(consultation.c.ended_at.is_(None), consultation.c.state.in_([state.value for state in OPEN]))
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return {
            (row.study_id, str(row.number)): (ChosenStudy(row.study_uid, row.study_id, row.owner), row.asker)
            for row in rows
        }

    def _waited(self) -> set[tuple[str, str]]:
        query = select(awaited_study.c.study_id, awaited_study.c.waiting)
        with self._reader.connect() as connection:
            rows = connection.execute(query.where(awaited_study.c.cause == Cause.CONSULTATION.value))
            return {(row.study_id, row.waiting) for row in rows}
