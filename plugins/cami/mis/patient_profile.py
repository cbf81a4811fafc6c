"""Patients between FHIR and the index (docs/mis-contract.md, *Patient*)."""

import re
from collections.abc import Mapping
from typing import Any

from cami.mis import fhir
from cami.mis.fhir import Json
from cami.mis.problems import Problem
from cami.orders import Kind, Patient, Person, canonical

_SEXES = {"male": "M", "female": "F", "other": "O", "unknown": ""}
_GENDERS = {"M": "male", "F": "female", "O": "other", "": "unknown"}
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
_WARNINGS = {
    "snils-checksum": "CAMI-0021",
    "enp-checksum": "CAMI-0022",
    "snils-contradicts": "CAMI-0023",
    "enp-contradicts": "CAMI-0023",
}


def read(resource: Mapping[str, Any], place: str) -> tuple[Person, list[Problem]]:
    """Read a Patient; `place` is where it stands, as FHIRPath."""
    problems: list[Problem] = []
    numbers = tuple(dict.fromkeys(canonical(system, value) for system, value, _ in fhir.identifiers(resource)))
    if not any(each.kind is Kind.MIS for each in numbers):
        problems.append(Problem("CAMI-0012", f"{place}.identifier"))
    if any(len(each.system) > 200 or len(each.value) > 64 for each in numbers):
        problems.append(Problem("CAMI-0024", f"{place}.identifier"))
    names = [fhir.mapping(each) for each in fhir.entries(resource.get("name"))]
    name = next((each for each in names if each.get("use") == "official"), next(iter(names), {}))
    given = [fhir.text(each) for each in fhir.entries(name.get("given"))]
    birth, gender = fhir.text(resource.get("birthDate")), fhir.text(resource.get("gender"))
    family = fhir.text(name.get("family"))
    if not family or not _DATE.fullmatch(birth) or gender not in _SEXES:
        problems.append(Problem("CAMI-0013", place))
    parts = [family, *given]
    if any(len(part) > 64 or any(letter in "\\^=" or ord(letter) < 32 for letter in part) for part in parts):
        problems.append(Problem("CAMI-0024", f"{place}.name"))
    person = Person(
        family=family,
        given=given[0] if given else "",
        middle=" ".join(given[1:]),
        birth_date=birth,
        sex=_SEXES.get(gender, ""),
        identifiers=numbers,
    )
    return person, problems


def warnings(codes: tuple[str, ...], place: str) -> list[Problem]:
    """Return what the index found odd about a patient, as problems that do not refuse."""
    return [Problem(_WARNINGS[code], f"{place}.identifier", "warning") for code in dict.fromkeys(codes)]


def shown(patient: Patient, moment: str) -> Json:
    """Return a patient of the index as a Patient."""
    person = patient.person
    resource: Json = {
        "resourceType": "Patient",
        "id": patient.key,
        "meta": {"versionId": str(patient.version), "lastUpdated": moment},
        "identifier": [{"system": each.system, "value": each.value} for each in person.identifiers],
        "active": not patient.merged_into,
        "name": [{"family": person.family, "given": [part for part in (person.given, person.middle) if part]}],
        "gender": _GENDERS[person.sex],
    }
    if not resource["name"][0]["given"]:
        del resource["name"][0]["given"]
    if person.birth_date:
        resource["birthDate"] = person.birth_date
    if patient.merged_into:
        resource["link"] = [{"other": {"reference": f"Patient/{patient.merged_into}"}, "type": "replaced-by"}]
    return resource
