"""Orders and studies as the МИС reads them: what it sent, with what only we know laid over it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cami.clock import iso
from cami.mis import fhir, terms
from cami.mis.fhir import Json
from cami.orders import Order, State

#: state → (ServiceRequest.status, Task.status, words)
STATUSES: Mapping[State, tuple[str, str, str]] = {
    State.ACCEPTED: ("active", "accepted", "Принято"),
    State.STARTED: ("active", "in-progress", "Исследование идёт"),
    State.COMPLETED: ("completed", "completed", "Снимки получены"),
    State.CANCELLED: ("revoked", "cancelled", "Отменено"),
    State.ANNULLED: ("entered-in-error", "entered-in-error", "Аннулировано"),
    State.REPLACED: ("revoked", "cancelled", "Заменено направлением МИС"),
}


def request_id(number: int) -> str:
    """Return the id of an order's ServiceRequest."""
    return f"sr-{number}"


def task_id(number: int) -> str:
    """Return the id of an order's Task."""
    return f"t-{number}"


def number_of(id_: str, prefix: str) -> int | None:
    """Return the order's number in an id of `request_id` or `task_id`."""
    digits = id_.removeprefix(prefix)
    return int(digits) if digits != id_ and digits.isdecimal() and len(digits) < 10 else None


def placer_identifier(order: Order) -> Json:
    """Return the МИС's own number as an Identifier."""
    return {"type": _type("PLAC"), "system": order.placer_system, "value": order.placer_number}


def accession_identifier(order: Order) -> Json:
    """Return the accession number as an Identifier."""
    return {"type": _type("ACSN"), "system": terms.ACCESSION, "value": order.accession}


def uid_identifier(study_uid: str) -> Json:
    """Return a Study Instance UID as an Identifier."""
    return {"system": terms.DICOM_UID, "value": f"urn:oid:{study_uid}"}


def service_request(order: Order, sent: Mapping[str, Any] | None, oid: str, zone: ZoneInfo) -> Json:
    """Return an order as a ServiceRequest; `sent` is what the МИС sent last, `oid` that of the МО that performs."""
    base: Json = dict(sent) if sent else _from_row(order, oid, zone)
    return base | {
        "resourceType": "ServiceRequest",
        "id": request_id(order.number),
        "meta": _meta(order),
        "identifier": [placer_identifier(order), accession_identifier(order), uid_identifier(order.study_uid)],
        "status": STATUSES[order.state][0],
        "intent": "order",
        "priority": order.priority,
        "subject": {"reference": f"Patient/{order.patient}"},
    }


def task(order: Order, sent: Mapping[str, Any] | None, oid: str, zone: ZoneInfo) -> Json:
    """Return where an order stands, as a Task."""
    base: Json = dict(sent) if sent else {}
    known = {
        "resourceType": "Task",
        "id": task_id(order.number),
        "meta": _meta(order),
        "identifier": [{"system": order.placer_system, "value": order.placer_number}],
        "status": STATUSES[order.state][1],
        "businessStatus": {
            "coding": [
                {"system": terms.BUSINESS_STATUS, "code": order.state.value, "display": STATUSES[order.state][2]}
            ]
        },
        "intent": "order",
        "priority": order.priority,
        "code": {"coding": [{"system": terms.TASK_KIND, "code": "imaging-order"}]},
        "focus": {"reference": f"ServiceRequest/{request_id(order.number)}"},
        "for": {"reference": f"Patient/{order.patient}"},
        "lastModified": fhir.written(order.changed_at, zone),
        "owner": fhir.organization(oid),
    }
    if order.state_reason:
        coding = {"system": terms.CANCEL_REASON, "code": order.state_reason}
        known["statusReason"] = {"coding": [coding], "text": order.state_text or order.state_reason}
    period = _period(order.started_at, order.ended_at if order.state is State.COMPLETED else None, zone)
    if period:
        known["executionPeriod"] = period
    return {name: value for name, value in base.items() if name not in ("statusReason", "executionPeriod")} | known


def _from_row(order: Order, oid: str, zone: ZoneInfo) -> Json:
    """Return an order that no МИС has sent: entered by hand at an МО."""
    resource: Json = {
        "code": {"text": order.procedure_text},
        "orderDetail": [{"coding": [{"system": terms.DCM, "code": order.modality}]}],
        "performer": [fhir.organization(oid)],
        "authoredOn": fhir.written(order.authored_at or order.created_at, zone),
    }
    if order.procedure_code:
        coding = {"system": order.procedure_system, "code": order.procedure_code, "display": order.procedure_text}
        resource["code"] = {"coding": [coding]}
    if order.scheduled_at:
        resource["occurrencePeriod"] = _period(order.scheduled_at, order.scheduled_until, zone)
    if order.reason:
        resource["reasonCode"] = [{"text": order.reason}]
    return resource


def _period(start: datetime | None, end: datetime | None, zone: ZoneInfo) -> Json:
    known = {"start": start, "end": end}
    return {name: fhir.written(value, zone) for name, value in known.items() if value}


def _meta(order: Order) -> Json:
    return {"versionId": str(order.version), "lastUpdated": iso(order.changed_at.astimezone(UTC))}


def _type(code: str) -> Json:
    return {"coding": [{"system": terms.V2_IDENTIFIER, "code": code}]}
