"""Whose a study is that somebody asks for, in the journal's terms: Study Instance UID, key of the patient, owner."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cami.access.owners import StudyOwners
from cami.archive import Archive
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
    """Finds out what an event is about."""

    def of_study(self, study_id: str) -> Subject:
        """Return what is known of a study by its Orthanc id; of one that is not here nothing."""
        ...

    def of_uid(self, identity: Identity, study_uid: str) -> tuple[Subject, bool]:
        """Return what is known of a study by its UID, and whether somebody sees it."""
        ...


class ArchiveSubjects:
    """Asks the archive and the table of owners. It costs the same whether or not a study exists."""

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
