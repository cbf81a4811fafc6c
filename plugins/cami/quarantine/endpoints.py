"""``/cami/api/quarantine``: the desk for programs, in JSON."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from cami.access import Authenticator, Identity
from cami.clock import iso
from cami.errors import Denied, Invalid, NotFound
from cami.quarantine.decisions import Decision
from cami.quarantine.desk import Compared, QuarantineDesk, Shown
from cami.web import Endpoint, Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)

_Answer = Callable[[Request, Identity], Response]
_GROUP = "([0-9a-f]{32})"
_PATIENT_NAME, _PATIENT_ID, _MODALITY, _DESCRIPTION = 0x00100010, 0x00100020, 0x00080060, 0x00081030
_STUDY_DATE, _ACCESSION = 0x00080020, 0x00080050


def quarantine_endpoints(authenticator: Authenticator, desk: QuarantineDesk) -> list[Endpoint]:
    """Return the endpoints of a server."""
    answers = _Answers(desk)

    def guarded(method: str, answer: _Answer) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            identity = authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            if request.method != method:
                return answer_text(405, f"this address answers {method} only")
            return _answered(answer, request, identity)

        return handle

    return [
        Endpoint("/cami/api/quarantine", guarded("GET", answers.groups), ("GET",), "What is in quarantine"),
        Endpoint("/cami/api/quarantine/decisions", guarded("GET", answers.decided), ("GET",), "What was decided of it"),
        Endpoint(
            "/cami/api/quarantine/decide", guarded("POST", answers.decide), ("POST",), "Decide of objects in quarantine"
        ),
        Endpoint(
            f"/cami/api/quarantine/{_GROUP}/([0-9]{{1,6}})",
            guarded("GET", answers.entry),
            ("GET",),
            "One object in quarantine",
        ),
    ]


def _answered(answer: _Answer, request: Request, identity: Identity) -> Response:
    try:
        return answer(request, identity)
    except Denied as error:
        return answer_text(403, str(error))
    except NotFound as error:
        return answer_text(404, str(error))
    except Invalid as error:
        return answer_text(400, f"missing or wrong: {error}")


class _Answers:
    """What each address answers to somebody who is signed in."""

    def __init__(self, desk: QuarantineDesk) -> None:
        self._desk = desk

    def groups(self, _request: Request, identity: Identity) -> Response:
        """List what waits."""
        return answer_json({"groups": [_group(shown) for shown in self._desk.groups(identity)]})

    def entry(self, request: Request, identity: Identity) -> Response:
        """Compare one entry with what is stored."""
        compared = self._desk.compare(self._desk.entry(identity, request.groups[0], int(request.groups[1])))
        return answer_json(_compared(compared, values=self._desk.sees_patients(identity)))

    def decided(self, _request: Request, identity: Identity) -> Response:
        """List what was decided."""
        return answer_json({"decisions": [_decision(decision) for decision in self._desk.decided(identity)]})

    def decide(self, request: Request, identity: Identity) -> Response:
        """Record a decision."""
        try:
            document = request.json()
            name, action, reason = (str(document[key]) for key in ("group", "action", "reason"))
            target, number = str(document.get("target", "")), document.get("number")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Invalid('JSON {"group", "action", "reason", "target", "number"}') from None
        if number is not None and not isinstance(number, int):
            raise Invalid("number")
        count = self._desk.decide(identity, name, action, reason, target=target, number=number)
        log.info("quarantine: %s of %d entries, by %s", action, count, identity.login)
        return answer_json({"decided": count})


def _group(shown: Shown) -> dict[str, Any]:
    group, header = shown.group, shown.header
    plain = {
        "group": group.id,
        "kind": group.kind,
        "source": group.source,
        "cause": group.cause,
        "study_uid": group.study_uid,
        "entries": group.entries,
        "pending": group.pending,
        "size": group.size,
        "first_received_at": iso(group.first_at),
        "last_received_at": iso(group.last_at),
        "device": shown.device,
        "modality": header.text(_MODALITY),
        "study_date": header.text(_STUDY_DATE),
    }
    if shown.patient:
        plain |= {
            "patient_name": header.text(_PATIENT_NAME),
            "patient_id": header.text(_PATIENT_ID),
            "accession_number": header.text(_ACCESSION),
            "study_description": header.text(_DESCRIPTION),
        }
    return plain


def _compared(compared: Compared, *, values: bool) -> dict[str, Any]:
    differences = []
    for found in compared.differences:
        told: dict[str, str | None] = {"tag": found.attribute.place, "keyword": found.attribute.keyword}
        if values:
            told |= {"held": found.held, "stored": found.stored}
        differences.append(told)
    return {
        "sop_uid": compared.entry.sop_uid,
        "size": compared.entry.size,
        "received_at": iso(compared.entry.received_at),
        "stored": compared.stored is not None,
        "same_pixels": compared.same_pixels,
        "differences": differences,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    plain = asdict(decision)
    plain["decided_at"] = iso(decision.decided_at)
    plain["ended_at"] = None if decision.ended_at is None else iso(decision.ended_at)
    return plain
