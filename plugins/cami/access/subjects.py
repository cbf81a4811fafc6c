"""Whose a study is that somebody asks for, in the journal's terms: Study Instance UID, key of the patient, owner."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Engine

from cami.access.owners import Reach, StudyOwners, who_asks
from cami.access.seen import subject_named, subject_of
from cami.archive import Archive, Level
from cami.clock import Clock
from cami.db import Quicks, reading
from cami.errors import CamiError
from cami.people import Identity

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
#: What is asked for instead of what cannot be: it takes as long.
_ABSENT = "-".join(["00000000"] * 5)


@dataclass(frozen=True, slots=True)
class Subject:
    """A study, as the journal names it."""

    study_uid: str = ""
    patient: str = ""
    """Orthanc's id of the patient."""
    owner: str = ""
    """Code of the МО; empty if nobody owns it, or if it does not exist."""


class Subjects(Protocol):
    """Finds out what an event is about. It costs the same whether a study is foreign or does not exist."""

    def of_study(self, study_id: str) -> Subject:
        """Return what is known of a study by its Orthanc id; of one that is not here nothing."""
        ...

    def of_seen(self, study_id: str) -> Subject:
        """Return the same of a study that somebody sees: whatever it takes to find out."""
        ...

    def of_resource(self, level: Level, resource: str) -> Subject:
        """Return what is known of the study that holds a resource that somebody was refused."""
        ...

    def of_uid(self, identity: Identity, study_uid: str) -> tuple[Subject, bool]:
        """Return what is known of a study by its UID, and whether somebody sees it."""
        ...


class ArchiveSubjects:
    """Asks the archive and the table of owners: at a proxy, where nothing is hidden from its people."""

    def __init__(self, archive: Archive, owners: StudyOwners) -> None:
        self._archive = archive
        self._owners = owners

    def of_study(self, study_id: str) -> Subject:
        """Return what is known of a study by its Orthanc id; of one that is not here nothing."""
        # What comes out of a body may be anything: it must not become another address of the core.
        name = study_id if _ID.fullmatch(study_id) else _ABSENT
        found = self._get(name)
        uid = str(found.get("MainDicomTags", {}).get("StudyInstanceUID", ""))
        return Subject(uid, str(found.get("ParentPatient", "")), self._owners.owner(name))

    def of_seen(self, study_id: str) -> Subject:
        """Return the same of a study that somebody sees."""
        return self.of_study(study_id)

    def of_resource(self, level: Level, resource: str) -> Subject:
        """Return what is known of the study that holds a resource."""
        return self.of_study(self._archive.study_of(level, resource) or resource)

    def of_uid(self, identity: Identity, study_uid: str) -> tuple[Subject, bool]:
        """Return what is known of a study by its UID, and whether somebody sees it."""
        query = {"Level": "Study", "Query": {"StudyInstanceUID": study_uid}, "Expand": False}
        ids = [str(found) for found in self._archive.find(query)] if study_uid.replace(".", "").isdigit() else []
        seen = self._owners.visible(identity, ids)
        chosen = next(iter(seen or ids), "")
        subject = self.of_study(chosen or study_uid)
        return Subject(study_uid, subject.patient, subject.owner), bool(seen)

    def _get(self, study_id: str) -> Mapping[str, Any]:
        try:
            found = self._archive.get(f"/studies/{study_id}")
        except CamiError:
            return {}
        return found if isinstance(found, Mapping) else {}


class CentralSubjects:
    """Asks the tables of the centre alone, one question each; Orthanc only where somebody sees what they lack.

    Orthanc takes its time to describe what it has, and none to say that it has nothing: asking it would betray which of
    the two is refused.
    """

    def __init__(self, archive: Archive, owners: StudyOwners, engine: Engine, clock: Clock) -> None:
        self._owners = owners
        self._archive = ArchiveSubjects(archive, owners)
        self._reader = reading(engine)
        self._clock = clock
        self._questions = Quicks(self._reader)

    def of_study(self, study_id: str) -> Subject:
        """Return what is known of a study by its Orthanc id; of one that is not here nothing."""
        return self.of_resource("studies", study_id)

    def of_seen(self, study_id: str) -> Subject:
        """Return the same of a study that somebody sees: of one that has just come in, Orthanc knows more."""
        subject = self.of_study(study_id)
        return subject if subject.patient else self._archive.of_study(study_id)

    def of_resource(self, level: Level, resource: str) -> Subject:
        """Return what is known of the study that holds a resource that somebody was refused."""
        # What comes out of a body may be anything, text among it that no database takes.
        if level == "patients" or not _ID.fullmatch(resource):
            return Subject()
        found = self._questions.of(subject_of(level)).row({"key": resource})
        return Subject() if found is None else Subject(found[0], found[2] or "", found[1])

    def of_uid(self, identity: Identity, study_uid: str) -> tuple[Subject, bool]:
        """Return what is known of a study by its UID, and whether somebody sees it."""
        if self._owners.reach(identity) is Reach.TECHNICAL:
            return self._archive.of_uid(identity, study_uid)
        question = self._questions.of(subject_named(bool(identity.mo), bool(identity.login)))
        found = question.row({**who_asks(identity, self._clock.now()), "key": study_uid})
        if found is None:
            return Subject(study_uid), False
        owner, patient, seen = found
        if seen and patient is None:  # it has just come in
            return self._archive.of_uid(identity, study_uid)
        return Subject(study_uid, patient or "", owner), bool(seen)
