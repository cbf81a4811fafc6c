"""Consultations that the МИС asks for (I9): what must be said, and what of it goes to the desk of consultations."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cami.mis import fhir, terms
from cami.mis.fhir import Json
from cami.mis.order_profile import full_name
from cami.mis.ports import WantedConsultation
from cami.mis.problems import Problem

_INPUT = "urn:cami:task-input"
_REQUIRED = ("form", "mode", "question", "study")
_URGENCIES = {"emergency": "stat", "stat": "stat", "urgent": "urgent", "planned": "routine", "routine": "routine"}
#: Code of the form → what the МИС is told of it.
REFUSALS: Mapping[str, str] = {
    "studies": "CAMI-0081", "patient": "CAMI-0081", "phone": "CAMI-0082", "consent": "CAMI-0083",
    "profile": "CAMI-0084", "route-profile": "CAMI-0084", "route-limit": "CAMI-0085", "route": "CAMI-0080",
    "route-mo": "CAMI-0080", "route-kind": "CAMI-0080", "route-urgency": "CAMI-0080", "route-modality": "CAMI-0080",
    "route-hours": "CAMI-0080", "state": "CAMI-0043",
}  # fmt: skip

#: Finds a resource by its address ``Type/id``.
Lookup = Callable[[str], Json | None]


def asks_for_one(request: Mapping[str, Any]) -> bool:
    """Say whether a ServiceRequest asks for a consultation instead of images."""
    categories = fhir.entries(request.get("category"))
    return any(fhir.code_of(each, terms.REQUEST_CATEGORY)[0] == "remote-consultation" for each in categories)


def problems_of(task: Mapping[str, Any], place: str) -> list[Problem]:
    """Return what a consultation's Task lacks."""
    if task.get("status") == "cancelled":
        return []
    given = dict(_inputs(task))
    missing = [Problem("CAMI-0010", f"{place}.input") for name in _REQUIRED if not given.get(name)]
    if given.get("form") and given["form"] not in _URGENCIES:
        missing.append(Problem("CAMI-0086", f"{place}.input"))
    if fhir.identified(task.get("owner"))[0] != terms.ORGANIZATION:
        missing.append(Problem("CAMI-0016", f"{place}.owner"))
    return missing


def studies_of(task: Mapping[str, Any]) -> list[str]:
    """Return the studies that a Task names, ``ImagingStudy/…`` or UIDs; the first is what it is about."""
    return [value for name, value in _inputs(task) if name == "study"]


def asking(task: Mapping[str, Any], lookup: Lookup) -> tuple[str, str]:
    """Return the ОИД of the МО that asks, and the doctor's name."""
    requester = task.get("requester")
    system, oid = fhir.identified(requester)
    role = lookup(fhir.referred(requester)) or {}
    if system != terms.ORGANIZATION:
        system, oid = fhir.identified(role.get("organization"))
    person = lookup(fhir.referred(role.get("practitioner"))) or {}
    return (oid if system == terms.ORGANIZATION else ""), full_name(person)


def wanted(
    task: Mapping[str, Any], request: Mapping[str, Any], lookup: Lookup, *, system: str, mo: str, to_mo: str,
    study_uids: tuple[str, ...],
) -> WantedConsultation:  # fmt: skip
    """Return what the desk is asked for."""
    said = {name: value for name, value in _inputs(task) if name != "study"}
    reasons = (fhir.text(fhir.mapping(each).get("text")) for each in fhir.entries(request.get("reasonCode")))
    placement = fhir.text(said.get("patient-placement"))
    found = (lookup(fhir.referred(each)) for each in fhir.entries(request.get("reasonReference")))
    condition = next((each for each in found if each), {})
    code, display = fhir.code_of(condition.get("code"), terms.DIAGNOSIS)
    history = [next(filter(None, reasons), ""), placement, fhir.text(said.get("history"))]
    given = {
        "urgency": _URGENCIES.get(fhir.text(said.get("form")), "routine"),
        "kind": fhir.text(said.get("kind")) or "consultation",
        "mode": fhir.text(said.get("mode")),
        "profile": fhir.text(said.get("profile")),
        "question": fhir.text(said.get("question")),
        "phone": fhir.text(said.get("phone")),
        "consent": said.get("consent") is True,
        "inpatient": placement.casefold().startswith("стационар"),
        "history": "\n".join(filter(None, history)),
        "diagnosis": code,
        "diagnosis_text": display[:500],
    }
    doctor = asking(task, lookup)[1] or "Врач МИС"
    return WantedConsultation(system, doctor, mo, to_mo, study_uids, given)


def _inputs(task: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield name and value of what a Task is given: codes as codes, references as addresses or UIDs."""
    for given in map(fhir.mapping, fhir.entries(task.get("input"))):
        name = fhir.code_of(given.get("type"), _INPUT)[0]
        if not name:
            continue
        if "valueReference" in given:
            identified = fhir.identified(given["valueReference"])[1]
            yield name, identified.removeprefix("urn:oid:") or fhir.referred(given["valueReference"])
        elif "valueCodeableConcept" in given:
            concept = fhir.mapping(given["valueCodeableConcept"])
            yield name, next((code for _, code, _ in fhir.codings(concept)), "") or fhir.text(concept.get("text"))
        else:
            yield name, next((value for key, value in given.items() if key.startswith("value")), "")
