"""Consultations that the МИС asks for (I9): what must be said, and what becomes of it as an event.

The workflow is `cami.consultations`; it hears of a request by the event ``consultation.requested`` and answers by
``consultation.state``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cami.mis import fhir, terms
from cami.mis.fhir import Json
from cami.mis.problems import Problem

_INPUT = "urn:cami:task-input"
_REQUIRED = ("form", "mode", "question", "study")


def asks_for_one(request: Mapping[str, Any]) -> bool:
    """Say whether a ServiceRequest asks for a consultation instead of images."""
    categories = fhir.entries(request.get("category"))
    return any(fhir.code_of(each, terms.REQUEST_CATEGORY)[0] == "remote-consultation" for each in categories)


def problems_of(task: Mapping[str, Any], place: str) -> list[Problem]:
    """Return what a consultation's Task lacks."""
    if task.get("status") == "cancelled":
        return []
    given = {name for name, _ in _inputs(task)}
    missing = [Problem("CAMI-0010", f"{place}.input") for name in _REQUIRED if name not in given]
    if fhir.identified(task.get("owner"))[0] != terms.ORGANIZATION:
        missing.append(Problem("CAMI-0016", f"{place}.owner"))
    return missing


def payload(task: Mapping[str, Any], request: Mapping[str, Any], address: str, by: str) -> Json:
    """Return what the event says; texts of the request are in it, the patient's name is not."""
    said: dict[str, Any] = {}
    studies = []
    for name, value in _inputs(task):
        if name == "study":
            studies.append(value)
        else:
            said[name] = value
    number = next(((system, value) for system, value, _ in fhir.identifiers(task)), ("", ""))
    period = fhir.mapping(fhir.mapping(task.get("restriction")).get("period"))
    reasons = (fhir.text(fhir.mapping(each).get("text")) for each in fhir.entries(request.get("reasonCode")))
    return {
        "task": address,
        "request": fhir.referred(task.get("focus")),
        "placer_system": number[0],
        "placer_number": number[1],
        "patient": fhir.referred(task.get("for")).removeprefix("Patient/"),
        "owner_oid": fhir.identified(task.get("owner"))[1],
        "requester": fhir.referred(task.get("requester")),
        "priority": fhir.text(task.get("priority")),
        "due": fhir.text(period.get("end")),
        "reason": next(filter(None, reasons), ""),
        "studies": studies,
        "input": said,
        "by": by,
    }


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
