"""Patients as Orthanc Explorer wants them, put together from visible studies.

Orthanc's own patient is the hash of PatientID alone: its name is that of whoever came first, its list of studies that
of all МО (reference/orthanc.md §2.3). Explorer cannot show a study without it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cami.access.listing import formats, paging
from cami.access.visibility import Visibility
from cami.errors import NotFound
from cami.people.identity import Identity

_PAGE = 500


class Patients:
    """Answers the patient routes for people."""

    def __init__(self, visibility: Visibility) -> None:
        self._visibility = visibility

    def studies(self, identity: Identity, patient: str, query: Mapping[str, str]) -> list[Any]:
        """Return the visible studies of a patient.

        Raises
        ------
        cami.errors.NotFound
            There is none.
        """
        studies = self._visibility.find(
            identity,
            {"Level": "Study", "Query": {}, "ParentPatient": patient, **formats(query, expand=True)},
        )
        if not studies:
            raise NotFound
        return studies

    def patient(self, identity: Identity, patient: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return a patient, with the names that the newest visible study has.

        Raises
        ------
        cami.errors.NotFound
            The patient has no visible study.
        """
        return _patient(self.studies(identity, patient, query))

    def listing(self, identity: Identity, query: Mapping[str, str]) -> list[Any]:
        """Return the patients of visible studies, as ``GET /patients``."""
        page = paging(query)
        wanted = page["Since"] + page["Limit"] if page.get("Limit") else 0
        known = self._visibility.patients(identity)
        seen: dict[str, None] = {}
        for patient in self._one_by_one(identity) if known is None else known:
            seen[patient] = None
            if len(seen) == wanted:
                break
        ids = list(seen)[page.get("Since", 0) : wanted or None]
        if not formats(query)["Expand"]:
            return ids
        return [_patient(self.studies(identity, patient, query)) for patient in ids]

    def _one_by_one(self, identity: Identity) -> Iterator[str]:
        """Yield the patient of each visible study, as the core lists them."""
        since = 0
        while studies := self._visibility.find(
            identity, {"Level": "Study", "Query": {}, "Since": since, "Limit": _PAGE, "Expand": True}
        ):
            yield from (study["ParentPatient"] for study in studies)
            since += _PAGE


def _patient(studies: list[Any]) -> dict[str, Any]:
    newest = max(studies, key=lambda study: str(study.get("LastUpdate", "")))
    return {
        "ID": newest["ParentPatient"],
        "IsProtected": False,
        "IsStable": all(study.get("IsStable", False) for study in studies),
        "Labels": [],
        "LastUpdate": newest.get("LastUpdate", ""),
        "MainDicomTags": newest.get("PatientMainDicomTags", {}),
        "Studies": [study["ID"] for study in studies],
        "Type": "Patient",
    }
