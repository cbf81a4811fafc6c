"""Where a consultation stands, as a Task (I10)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cami.clock import iso
from cami.mis import fhir, terms
from cami.mis.asked import Asked
from cami.mis.fhir import Json
from cami.mis.studies import OrderedStudy

_STATUS = "urn:cami:consultation-status"
#: State of the workflow (reference/domain.md §1.3) → (Task.status, words)
STATUSES: Mapping[str, tuple[str, str]] = {
    "draft": ("draft", "Черновик"),
    "approval": ("draft", "На согласовании"),
    "sent": ("requested", "Отправлена"),
    "received": ("received", "Получена"),
    "assigned": ("accepted", "Назначен консультант"),
    "in-work": ("in-progress", "В работе"),
    "info-requested": ("on-hold", "Запрошены дополнительные сведения"),
    "redirected": ("requested", "Переадресована"),
    "done": ("completed", "Выполнена"),
    "rejected": ("rejected", "Отклонена"),
    "cancelled": ("cancelled", "Отменена"),
    "failed": ("failed", "Ошибка передачи"),
}
_PRIORITIES = {"emergency": "stat", "stat": "stat", "urgent": "urgent"}


def asked_task(
    asked: Asked, sent: Mapping[str, Any], *, state: str, version: int, zone: ZoneInfo, oid_of: Callable[[str], str]
) -> Json:
    """Return the Task with which a МИС has asked for a consultation, with what became of it laid over it (I10)."""
    status, words = STATUSES.get(state, ("in-progress", state))
    kept = {
        name: value
        for name, value in sent.items()
        if name not in ("id", "meta", "output", "statusReason", "executionPeriod")
    }
    known: Json = {
        "resourceType": "Task",
        "id": asked.task,
        "meta": {"versionId": str(version), "lastUpdated": iso(asked.changed_at)},
        "status": status,
        "businessStatus": {"coding": [{"system": _STATUS, "code": state, "display": words}]},
        "lastModified": fhir.written(asked.changed_at, zone),
    }
    number = {"system": "urn:cami:consultation", "value": str(asked.number)}
    known["identifier"] = [*(each for each in fhir.entries(kept.get("identifier")) if each != number), number]
    if asked.to_mo:
        known["owner"] = fhir.organization(oid_of(asked.to_mo))
    if asked.reason and state in ("rejected", "cancelled"):
        coding = {"system": "urn:cami:consultation-reason", "code": asked.reason}
        known["statusReason"] = {"coding": [coding], "text": asked.reason_text or words}
    if asked.accepted_at:
        known["executionPeriod"] = {"start": fhir.written(asked.accepted_at, zone)}
        if asked.ended_at:
            known["executionPeriod"]["end"] = fhir.written(asked.ended_at, zone)
    if state == "done":
        report = {"type": "DiagnosticReport", "identifier": {"system": terms.REPORT, "value": f"C-{asked.number}"}}
        known["output"] = [
            {"type": {"coding": [{"system": terms.TASK_OUTPUT, "code": "report"}]}, "valueReference": report}
        ]
    return kept | known


def task(
    payload: Mapping[str, Any],
    studies: Sequence[OrderedStudy],
    patient: str,
    moment: datetime,
    oid_of: Callable[[str], str],
) -> Json:
    """Return the Task of a consultation after an event."""
    state = fhir.text(payload.get("state"))
    status, words = STATUSES.get(state, ("in-progress", state))
    number = payload.get("number", 0)
    found: Json = {
        "resourceType": "Task",
        "id": f"c-{number}",
        "meta": {"versionId": str(payload.get("version", 1)), "lastUpdated": iso(moment)},
        "identifier": [{"system": "urn:cami:consultation", "value": str(number)}],
        "status": status,
        "businessStatus": {"coding": [{"system": _STATUS, "code": state, "display": words}]},
        "intent": "order",
        "priority": _PRIORITIES.get(fhir.text(payload.get("urgency")), "routine"),
        "code": {"coding": [{"system": terms.TASK_KIND, "code": "consultation"}]},
        "for": {"reference": f"Patient/{patient}"},
        "input": [
            {
                "type": {"coding": [{"system": "urn:cami:task-input", "code": "study"}]},
                "valueReference": {"reference": f"ImagingStudy/{each.study_id}"},
            }
            for each in studies
        ],
    }
    if mo := fhir.text(payload.get("mo")):
        found["requester"] = fhir.organization(oid_of(mo))
    if to_mo := fhir.text(payload.get("to_mo")):
        found["owner"] = fhir.organization(oid_of(to_mo))
    return found
