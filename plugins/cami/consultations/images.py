"""Images first: what open requests are about is sent before everything else, until they end (F-04, class P1).

Rows say what is wanted; a step of a thread brings the waits of `cami.retrieval` in line with them, after each change
and now and then, so a crash in between is made good.
"""

from sqlalchemy import Engine, select

from cami.consultations.catalogue import StudyCatalogue
from cami.consultations.request import ChosenStudy
from cami.consultations.states import OPEN
from cami.db import reading
from cami.db.tables import awaited_study, consultation, consultation_study
from cami.retrieval import Awaiting
from cami.retrieval.awaiting import Cause


class Images:
    """Has the studies of open requests brought."""

    def __init__(self, engine: Engine, catalogue: StudyCatalogue, awaiting: Awaiting) -> None:
        self._reader = reading(engine)
        self._catalogue = catalogue
        self._awaiting = awaiting
        self._whole: set[tuple[str, str]] = set()

    def step(self) -> int:
        """Begin and end waits as the requests want it; return how many changed."""
        wanted, waited = self._wanted(), self._waited()
        over = waited - wanted.keys()
        for study_id, number in over:
            self._awaiting.end(study_id, Cause.CONSULTATION, waiting=number)
        self._whole &= wanted.keys()
        begun = 0
        for (study_id, number), (study, asker) in wanted.items():
            if (study_id, number) in waited or (study_id, number) in self._whole:
                continue
            place = self._catalogue.whereabouts(study)
            if place is not None and place.whole:
                self._whole.add((study_id, number))
            if place is None or place.whole:
                continue
            self._awaiting.begin(place, Cause.CONSULTATION, waiting=number, asked_by=asker)
            begun += 1
        return len(over) + begun

    def _wanted(self) -> dict[tuple[str, str], tuple[ChosenStudy, str]]:
        """Return what open requests are about, with who asks: by Orthanc id and number."""
        studies = consultation_study.c
        query = (
            select(studies.number, studies.study_uid, studies.study_id, studies.owner, consultation.c.asker)
            .join(consultation, consultation.c.number == studies.number)
            .where(consultation.c.state.in_([state.value for state in OPEN]))
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
