"""The studies that an МО may ask about: its own, those still to come included, and the patient's earlier ones."""

from dataclasses import dataclass

from sqlalchemy import Engine, select

from cami.archive import Archive, orthanc_id
from cami.consultations.request import ChosenStudy
from cami.db import reading
from cami.db.tables import indexed_study
from cami.errors import NotFound
from cami.retrieval import Announcements, StudyRegister, Whereabouts
from cami.retrieval.columns import Columns, describe

#: Earlier studies that are offered.
MOST_PRIORS = 50


@dataclass(frozen=True, slots=True)
class Found:
    """A study with whose it is."""

    study: ChosenStudy
    columns: Columns


class StudyCatalogue:
    """Finds studies of one МО."""

    def __init__(self, engine: Engine, archive: Archive, register: StudyRegister, announcements: Announcements) -> None:
        self._reader = reading(engine)
        self._archive = archive
        self._register = register
        self._announcements = announcements

    def find(self, mo: str, study_uid: str) -> Found | None:
        """Return a study of an МО, or None: it does not exist, or is another's."""
        for place in self._register.of_uid(study_uid, mo) if mo else ():
            columns = self._columns(place)
            if columns is not None:
                return Found(_chosen(place, columns), columns)
        return None

    def whereabouts(self, study: ChosenStudy) -> Whereabouts | None:
        """Return how much of a chosen study is here."""
        found = self._register.of_uid(study.study_uid, study.owner)
        return next((place for place in found if place.study_id == study.study_id), None)

    def of_patient(self, mo: str, columns: Columns) -> list[ChosenStudy]:
        """List what an МО has of the patient of a study, the newest first: here, or at its proxy and announced."""
        if not columns.patient_id:
            return []
        query = (
            select(indexed_study.c.study_uid)
            .where(indexed_study.c.owner == mo, indexed_study.c.patient_key == orthanc_id(columns.patient_id))
            .order_by(indexed_study.c.study_date.desc(), indexed_study.c.study_time.desc())
            .limit(MOST_PRIORS)
        )
        with self._reader.connect() as connection:
            uids = list(connection.scalars(query))
        found = [each.study for each in (self.find(mo, uid) for uid in uids) if each is not None]
        known = {study.study_id for study in found}
        for told in self._announcements.of_patient(mo, columns.patient_id, MOST_PRIORS):
            said = told.announcement
            if said.study_id not in known:
                found.append(_as_chosen(said.study_uid, said.study_id, mo, said.columns))
        found.sort(key=lambda study: (study.study_date, study.study_time), reverse=True)
        return found[:MOST_PRIORS]

    def _columns(self, place: Whereabouts) -> Columns | None:
        if place.received:
            try:
                return describe(self._archive, place.study_id).columns
            except NotFound:
                return None
        told = self._announcements.named(place.mo, study_id=place.study_id)
        return told[0].announcement.columns if told else None


def _chosen(place: Whereabouts, columns: Columns) -> ChosenStudy:
    return _as_chosen(place.study_uid, place.study_id, place.mo, columns)


def _as_chosen(study_uid: str, study_id: str, owner: str, columns: Columns) -> ChosenStudy:
    return ChosenStudy(
        study_uid=study_uid,
        study_id=study_id,
        owner=owner,
        study_date=columns.study_date,
        study_time=columns.study_time,
        modalities=columns.modalities,
        description=columns.description,
        accession=columns.accession,
    )
