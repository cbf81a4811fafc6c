"""``/cami/api/grants``: sharing for programs, as the portal does it for people, and the labels' repair."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from cami.access import Action, Authenticator, Identity, allowed
from cami.clock import iso
from cami.errors import CamiError, Denied, Invalid, NotFound, Transient
from cami.sharing.desk import SharingDesk, Wish
from cami.sharing.labels import Differences, LabelMirror
from cami.sharing.register import Grant, Listed
from cami.web import Endpoint, Request, Response, answer_json, answer_text, source_of

PATH = "/cami/api/grants"
#: Grants that one answer lists at most.
MOST = 500
_UID = re.compile(r"[0-9.]{1,64}")

_Handler = Callable[[Request, Identity], Response]


def grant_endpoints(authenticator: Authenticator, desk: SharingDesk, mirror: LabelMirror) -> list[Endpoint]:
    """Return the endpoints of the centre."""
    api = _Api(desk, mirror)

    def for_people(handler: _Handler) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            identity = authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            try:
                return handler(request, identity)
            except CamiError as error:
                return _refusal(error)

        return handle

    return [
        Endpoint(PATH, for_people(api.grants), ("GET", "POST"), "Who else may see studies: list, give"),
        Endpoint(PATH + r"/(\d{1,9})/end", for_people(api.end), ("POST",), "Take a grant back"),
        Endpoint(PATH + "/labels", for_people(api.labels), ("GET", "POST"), "Labels against grants: compare, repair"),
    ]


class _Api:
    def __init__(self, desk: SharingDesk, mirror: LabelMirror) -> None:
        self._desk = desk
        self._mirror = mirror

    def grants(self, request: Request, identity: Identity) -> Response:
        if request.method == "GET":
            return answer_json(_listed(self._list(request, identity)))
        if request.method != "POST":
            return answer_text(405, "this address answers GET and POST only")
        return answer_json({"number": self._desk.share(identity, source_of(request.headers), _wish(request))})

    def end(self, request: Request, identity: Identity) -> Response:
        if request.method != "POST":
            return answer_text(405, "this address answers POST only")
        why = _texts(request, "reason")["reason"]
        self._desk.end(identity, source_of(request.headers), int(request.groups[0]), why)
        return answer_json({"ended": int(request.groups[0])})

    def labels(self, request: Request, identity: Identity) -> Response:
        """Compare the labels with the table (GET), or put them right (POST)."""
        if not allowed(identity.role, Action.ARCHIVE_INSPECT, "central"):
            raise Denied("not for this role")
        if request.method not in ("GET", "POST"):
            return answer_text(405, "this address answers GET and POST only")
        found = self._mirror.repair() if request.method == "POST" else self._mirror.differences()
        return answer_json(_differences(found))

    def _list(self, request: Request, identity: Identity) -> Listed:
        if not allowed(identity.role, Action.GRANTS_READ, "central"):
            raise Denied("not for this role")
        query = request.query
        since, limit = _number(query.get("since", "0")), min(_number(query.get("limit", str(MOST))), MOST) or MOST
        holding = query.get("ended", "false") == "false"
        if query.get("direction", "given") == "given":
            if not identity.mo or not allowed(identity.role, Action.GRANTS_GIVE, "central"):
                return Listed([], 0)
            return self._desk.register.given(identity.mo, holding=holding, since=since, limit=limit)
        if allowed(identity.role, Action.GRANTS_REVIEW, "central"):
            return self._desk.register.of_organization(identity.mo, holding=holding, since=since, limit=limit)
        return self._desk.register.received(identity.mo, identity.login, holding=holding, since=since, limit=limit)


def _refusal(error: CamiError) -> Response:
    if isinstance(error, NotFound):
        return answer_text(404, str(error))
    if isinstance(error, Transient):
        return answer_text(503, "try again later")
    return answer_text(403 if isinstance(error, Denied) else 400, str(error))


def _texts(request: Request, *names: str) -> dict[str, str]:
    try:
        document = request.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or not all(isinstance(document.get(name, ""), str) for name in names):
        raise Invalid(f"expected a JSON object of texts: {', '.join(names)}")
    return {name: document.get(name, "") for name in names}


def _wish(request: Request) -> Wish:
    given = _texts(request, "study_uid", "mo", "login", "reason", "until")
    if not _UID.fullmatch(given["study_uid"]):
        raise Invalid("study_uid must be a Study Instance UID")
    try:
        until = datetime.fromisoformat(given.pop("until"))
    except ValueError:
        raise Invalid("until must be a time, as 2026-12-31T23:59:59+07:00") from None
    if until.tzinfo is None:
        raise Invalid("until must have a time zone")
    return Wish(**given, until=until)


def _number(text: str) -> int:
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise Invalid("since and limit are numbers")
    return int(text)


def _listed(found: Listed) -> dict[str, Any]:
    return {"total": found.total, "grants": [_grant(grant) for grant in found.grants]}


def _grant(grant: Grant) -> dict[str, Any]:
    times = {name: getattr(grant, name) for name in ("given_at", "until", "ended_at", "reviewed_at")}
    names = ("number", "study_uid", "owner", "mo", "login", "cause", "reference", "reason", "given_by", "holds")
    return {
        **{name: getattr(grant, name) for name in names},
        **{name: iso(moment) if moment else None for name, moment in times.items()},
        "ended_by": grant.ended_by,
        "ended_why": grant.ended_why,
        "reviewed_by": grant.reviewed_by,
    }


def _differences(found: Differences) -> dict[str, Any]:
    return {
        name: [{"study_id": study_id, "label": label} for study_id, label in sorted(pairs)]
        for name, pairs in (("missing", found.missing), ("surplus", found.surplus))
    }
