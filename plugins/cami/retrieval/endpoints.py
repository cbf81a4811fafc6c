"""The JSON faces of retrieval for people and programs (docs/architecture.md §4)."""

import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from cami.access import Action, Authenticator, Identity, allowed
from cami.archive import orthanc_id
from cami.clock import iso
from cami.errands import Entry, ErrandBook, Kind
from cami.errors import CamiError, Denied, Invalid, NotFound, Transient
from cami.retrieval.requests import Requests
from cami.retrieval.returns import Returns, as_json
from cami.retrieval.schedule import Schedule
from cami.web import Endpoint, Request, Response, answer_json, answer_text

#: Entries that are shown.
SHOWN = 200
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{8}){4}")
_UID = re.compile(r"[0-9.]{1,64}")
_SHOWN_KINDS = frozenset({Kind.RAISE.value, Kind.SEND.value})

_Handler = Callable[[Request, Identity], Response]


def central_endpoints(authenticator: Authenticator, requests: Requests, errands: ErrandBook) -> list[Endpoint]:
    """Return the endpoints of the centre."""

    def retrieval(request: Request, identity: Identity) -> Response:
        if request.method == "GET":
            if not allowed(identity.role, Action.RETRIEVAL_REQUEST, "central"):
                raise Denied("not for this role")
            entries = errands.history(identity.mo or None, SHOWN)
            return answer_json({"requests": [_entry(entry) for entry in entries if entry.errand.kind in _SHOWN_KINDS]})
        found = requests.request(identity, **_named(request))
        return answer_json({"studies": [asdict(study) for study in found]})

    return [
        Endpoint(
            "/cami/api/retrieval",
            _for_people(authenticator, {"GET", "POST"}, retrieval),
            ("GET", "POST"),
            "Studies that are somewhere else: what was asked for; ask for one",
        )
    ]


def proxy_endpoints(
    mo: str, authenticator: Authenticator, returns: Returns, schedule: Schedule, wake: Callable[[], None]
) -> list[Endpoint]:
    """Return the endpoints of the proxy of `mo`; `wake` is called when somebody is expected."""

    def retrieval(request: Request, identity: Identity) -> Response:
        if request.method == "GET":
            return answer_json({"studies": [as_json(each) for each in returns.history(identity, SHOWN)]})
        return answer_json({"studies": [as_json(each) for each in returns.request(identity, **_named(request))]})

    def expect(request: Request, identity: Identity) -> Response:
        if identity.mo != mo or not allowed(identity.role, Action.RETRIEVAL_SCHEDULE, "proxy"):
            raise Denied("not for this role")
        due = schedule.expect(asked_by=identity.login, **_visit(request))
        wake()
        return answer_json({"due_at": iso(due)})

    return [
        Endpoint(
            "/cami/api/retrieval",
            _for_people(authenticator, {"GET", "POST"}, retrieval),
            ("GET", "POST"),
            "Studies that have left: what was fetched; fetch one",
        ),
        Endpoint(
            "/cami/api/prefetch",
            _for_people(authenticator, {"POST"}, expect),
            ("POST",),
            "Say which patient is expected, so that earlier studies are fetched",
        ),
    ]


def _for_people(authenticator: Authenticator, methods: set[str], handler: _Handler) -> Callable[[Request], Response]:
    def handle(request: Request) -> Response:
        identity = authenticator.identify(request.headers)
        if identity is None:
            return answer_text(401, "sign in first")
        if request.method not in methods:
            return answer_text(405, f"this address answers {' and '.join(sorted(methods))} only")
        try:
            return handler(request, identity)
        except CamiError as error:
            return _refusal(error)

    return handle


def _refusal(error: CamiError) -> Response:
    if isinstance(error, NotFound):
        # What is another МО's is answered as what does not exist.
        return answer_text(404, "no such study")
    if isinstance(error, Transient):
        return answer_text(503, "the line to the centre is down: try again later")
    return answer_text(403 if isinstance(error, Denied) else 400, str(error))


def _object(request: Request) -> dict[str, Any]:
    try:
        document = request.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Invalid("expected a JSON object")
    return document


def _named(request: Request) -> dict[str, str]:
    document = _object(request)
    study_id, study_uid = document.get("study_id", ""), document.get("study_uid", "")
    if isinstance(study_id, str) and _ID.fullmatch(study_id) and not study_uid:
        return {"study_id": study_id}
    if isinstance(study_uid, str) and _UID.fullmatch(study_uid) and not study_id:
        return {"study_uid": study_uid}
    raise Invalid('expected JSON {"study_id": Orthanc id} or {"study_uid": Study Instance UID}')


def _visit(request: Request) -> dict[str, Any]:
    document = _object(request)
    texts = {name: document.get(name, "") for name in ("patient_id", "issuer", "modality", "body_part")}
    if not all(isinstance(value, str) and len(value) <= 64 for value in texts.values()):
        raise Invalid("patient_id, issuer, modality and body_part must be texts of up to 64 characters")
    try:
        day = date.fromisoformat(document.get("date", ""))
    except (ValueError, TypeError):
        raise Invalid("date must be a day, as 2026-12-31") from None
    number = texts["patient_id"].strip()
    if not number:
        raise Invalid("patient_id is missing")
    return {
        "patient": orthanc_id(number),
        "day": day,
        "issuer": texts["issuer"].strip(),
        "modality": texts["modality"].strip().upper()[:16],
        "body_part": texts["body_part"].strip().upper(),
    }


def _entry(entry: Entry) -> dict[str, Any]:
    times = {"asked_at": entry.asked_at, "taken_at": entry.taken_at, "done_at": entry.done_at}
    return {
        "id": entry.errand.number,
        "kind": entry.errand.kind,
        "study_id": entry.errand.study.study_id,
        "study_uid": entry.errand.study.study_uid,
        "mo": entry.mo,
        "cause": entry.errand.cause,
        "asked_by": entry.asked_by,
        **{name: iso(moment) if isinstance(moment, datetime) else None for name, moment in times.items()},
        "outcome": entry.outcome,
        "reason": entry.reason,
    }
