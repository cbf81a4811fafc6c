"""Where a study is, asked at the centre: how much of it is here, and whose proxy has it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, func, select

from cami.db import reading
from cami.db.tables import received_instance, study
from cami.retrieval.announcements import Announcements


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A study that the centre has, or knows an МО's proxy to have."""

    study_id: str
    study_uid: str
    mo: str
    received: int
    expected: int | None
    """By the proxy's last manifest or announcement; None: it has not said."""
    whole: bool
    """All of it is here, by both sides' manifest."""
    to_come: int = 0
    """Bytes that are still to come, as far as can be told."""


class StudyRegister:
    """Finds studies of the centre, those of which nothing has come included."""

    def __init__(self, engine: Engine, announcements: Announcements) -> None:
        self._reader = reading(engine)
        self._announcements = announcements

    def of_uid(self, study_uid: str, mo: str | None) -> list[Whereabouts]:
        """Return the studies with a Study Instance UID, of one МО or (None) of all; mostly one."""
        found = self._here(study.c.study_uid == study_uid, mo)
        return found + self._there(mo, found, study_uid=study_uid)

    def of_id(self, study_id: str, mo: str | None) -> list[Whereabouts]:
        """Return the study with an Orthanc id, of one МО or (None) of any; at most one here, or one for each МО."""
        found = self._here(study.c.study_id == study_id, mo)
        return found + self._there(mo, found, study_id=study_id)

    def of_ids(self, study_ids: Sequence[str]) -> dict[str, Whereabouts]:
        """Return those of these studies that have begun to come, by Orthanc id."""
        return {found.study_id: found for found in self._here(study.c.study_id.in_(study_ids), None)}

    def _here(self, condition: ColumnElement[bool], mo: str | None) -> list[Whereabouts]:
        of_it = (received_instance.c.study_id == study.c.study_id, received_instance.c.stored_at.is_not(None))
        stored = select(func.count()).where(*of_it).scalar_subquery()
        size = select(func.coalesce(func.sum(received_instance.c.size), 0)).where(*of_it).scalar_subquery()
        query = select(
            study.c.study_id,
            study.c.study_uid,
            study.c.owner,
            study.c.expected,
            study.c.confirmed_at,
            stored.label("received"),
            size.label("size"),
        ).where(condition, study.c.first_stored_at.is_not(None))
        if mo is not None:
            query = query.where(study.c.owner == mo)
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return [
            Whereabouts(
                study_id=row.study_id,
                study_uid=row.study_uid,
                mo=row.owner,
                received=row.received,
                expected=row.expected,
                whole=row.confirmed_at is not None and row.expected is not None and row.received >= row.expected,
                to_come=int(row.size) * max((row.expected or 0) - row.received, 0) // max(row.received, 1),
            )
            for row in rows
        ]

    def _there(self, mo: str | None, here: Sequence[Whereabouts], **name: str) -> list[Whereabouts]:
        known = {(found.study_id, found.mo) for found in here}
        return [
            Whereabouts(told.study_id, told.study_uid, owner, 0, told.instances, whole=False, to_come=told.size)
            for owner, told in ((found.owner, found.announcement) for found in self._announcements.named(mo, **name))
            if (told.study_id, owner) not in known
        ]
