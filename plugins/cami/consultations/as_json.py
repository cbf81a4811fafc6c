"""Requests as the JSON face writes them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cami.clock import iso
from cami.consultations.desk import Line
from cami.consultations.notices import Notice
from cami.consultations.readings import Reading
from cami.consultations.request import Case, Consultation
from cami.consultations.states import Command
from cami.consultations.talk import Attached, Event, Message
from cami.consultations.texts import Draft, Signed

#: What is left out for who may not see a patient.
HIDDEN = frozenset(
    {
        "patient_name", "patient_id", "patient_birth_date", "patient_sex", "phone", "history", "asker", "asker_name",
        "last_event",
    }
)  # fmt: skip


def as_line(line: Line) -> dict[str, Any]:
    """Write a request of a list."""
    return {**_request(line.request, patient=line.patient), "unread": line.unread}


def as_case(
    case: Case,
    *,
    may: Sequence[Command],
    patient: bool,
    messages: Sequence[Message],
    history: Sequence[Event],
    files: Sequence[Attached],
) -> dict[str, Any]:
    """Write a request with all that belongs to it; without what names the patient for who may not see that."""
    studies = [asdict(study) for study in case.studies]
    return {
        **_request(case.request, patient=patient),
        "offers": sorted(case.offers),
        "members": [asdict(member) for member in case.members],
        "may": [command.value for command in may],
        "studies": studies if patient else [{"modalities": study["modalities"]} for study in studies],
        "messages": [_plain(message) for message in messages] if patient else [],
        "history": [_event(event, patient=patient) for event in history],
        "files": [_plain(attached) for attached in files] if patient else [],
    }


def as_answer(versions: Sequence[Signed], draft: Draft | None, readings: Sequence[Reading]) -> dict[str, Any]:
    """Write the versions of an answer, a draft of it, and the readings that it comes of."""
    return {
        "versions": [_flat(version) for version in versions],
        "readings": [_flat(reading) for reading in readings],
        "draft": None if draft is None else _flat(draft),
    }


def as_notice(notice: Notice) -> dict[str, Any]:
    """Write a notice."""
    return _plain(notice)


def _request(request: Consultation, *, patient: bool) -> dict[str, Any]:
    plain = _plain(request)
    if not patient:
        plain = {name: value for name, value in plain.items() if name not in HIDDEN}
    plain["modalities"] = [code for code in request.modalities.split("\\") if code]
    return plain


def _event(event: Event, *, patient: bool) -> dict[str, Any]:
    plain = _plain(event)
    return plain if patient else {name: value for name, value in plain.items() if name != "text"}


def _flat(value: Signed | Draft | Reading) -> dict[str, Any]:
    plain = _plain(value)
    text: dict[str, Any] = plain.pop("text")
    return plain | text


def _plain(value: Any) -> dict[str, Any]:
    return {name: iso(each) if isinstance(each, datetime) else each for name, each in asdict(value).items()}
