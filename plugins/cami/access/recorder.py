"""Records what is done through our own handlers: who asked for what, and how it ended, before the answer leaves.

A change is recorded before it is carried out, and again if it failed: so nothing is done without a record. A read is
recorded when its answer is known. If the journal cannot be written, the answer is 503.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import parse_qs

from cami.access.acts import SEARCHES, Act, of_ours, route_of
from cami.access.subjects import Subject, Subjects
from cami.access.witness import WINDOW
from cami.audit import AuditEvent, AuditTrail, Kind, Outcome
from cami.audit.caller import caller
from cami.audit.recent import Recent
from cami.clock import Clock
from cami.errors import Transient
from cami.people import Authenticator, Identity
from cami.web import Endpoint, Request, Response, answer_text

log = logging.getLogger(__name__)

#: Of a body, what says what it is about: codes, numbers and identifiers of ours.
_STUDY_IDS = ("study_id", "study")
_STUDY_UIDS = ("study_uid",)
_SUBJECTS = ("group", "order", "consultation", "grant", "account", "destination", "run")
_CODES = ("action", "priority", "decision", "state")
_LONGEST_BODY = 65_536


@dataclass(frozen=True, slots=True)
class _About:
    """What a request is about, as far as its body tells."""

    subject: str = ""
    study: Subject = field(default_factory=Subject)
    codes: tuple[tuple[str, str], ...] = ()


class Recorder:
    """Puts the journal between Orthanc and our handlers. Thread-safe."""

    def __init__(
        self,
        authenticator: Authenticator,
        subjects: Subjects,
        trail: AuditTrail,
        clock: Clock,
        window: timedelta = WINDOW,
    ) -> None:
        self._authenticator = authenticator
        self._subjects = subjects
        self._trail = trail
        self._recent = Recent(clock, window)

    def around(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint that records what the other answers."""

        def handle(request: Request) -> Response:
            if caller().path not in ("", request.path):
                return endpoint.handler(request)  # what DICOMweb asks of us for a request that the gate has recorded
            try:
                return self._handle(endpoint, request)
            except Transient as error:
                log.error("%s; what was asked for is refused", error)  # noqa: TRY400 - our own words
                return answer_text(503, "the journal cannot be written: nothing is done until it can")

        return replace(endpoint, handler=handle)

    def _handle(self, endpoint: Endpoint, request: Request) -> Response:
        act = of_ours(request.method, request.path)
        if act is None:
            return self._refusals(request, endpoint.handler(request))
        identity = self._authenticator.identify(request.headers)
        if identity is None:
            return self._refusals(request, endpoint.handler(request))
        if act.each:
            self._record(identity, request, act, None)
        response = endpoint.handler(request)
        if not act.each or response.status >= 400 or response.refused:
            self._record(identity, request, act, response)
        return response

    def _refusals(self, request: Request, response: Response) -> Response:
        """Record that somebody was turned away."""
        if response.status in (401, 403) or response.refused:
            identity = self._authenticator.identify(request.headers)
            act = Act(Kind.REFUSAL, route_of(request.path))
            self._record(identity, request, act, response)
        return response

    def _record(self, identity: Identity | None, request: Request, act: Act, response: Response | None) -> None:
        """Write the event; without a response before the act, with one after it."""
        kind, outcome = act.kind, _outcome(response)
        if response is not None and (response.status in (401, 403) or response.refused):
            kind = Kind.REFUSAL
        source = caller().source
        login = identity.login if identity else ""
        shown = tuple(response.studies) if response is not None else ()
        asked = _digest(request) if kind is Kind.SEARCH else ""
        key = (login, source, kind, outcome, request.path if identity else act.route, asked, shown)

        def write(more: int) -> None:
            about = self._about(request) if request.method != "GET" and request.path not in SEARCHES else _About()
            details = {"route": act.route, "method": request.method, **dict(about.codes)}
            details |= {"status": str(response.status)} if response is not None and response.status != 200 else {}
            details |= {"more": str(more)} if more else {}
            details |= {"stage": "asked"} if response is None and act.kind is not Kind.SIGN_OUT else {}
            self._trail.record(
                AuditEvent(
                    kind,
                    login,
                    identity.role if identity else "",
                    identity.mo if identity else "",
                    source,
                    outcome,
                    studies=shown or ((about.study.study_uid,) if about.study.study_uid else ()),
                    patient=about.study.patient,
                    owner=about.study.owner,
                    subject=about.subject or _named(request.path),
                    details=details,
                )
            )

        if act.each:
            write(0)
        else:
            self._recent.once(key, write)

    def _about(self, request: Request) -> _About:
        fields = _fields(request)
        study = Subject()
        for name in _STUDY_IDS:
            if fields.get(name):
                study = self._subjects.of_study(fields[name])
        for name in _STUDY_UIDS:
            if fields.get(name):
                study = Subject(fields[name])
        subject = next((fields[name] for name in _SUBJECTS if fields.get(name)), "")
        return _About(subject, study, tuple((name, fields[name]) for name in _CODES if name in fields))


def _outcome(response: Response | None) -> Outcome:
    if response is None or (response.status < 400 and not response.refused):
        return Outcome.SUCCESS
    return Outcome.ERROR if response.status >= 500 else Outcome.FAILURE


def _fields(request: Request) -> Mapping[str, str]:
    """Return the plain fields of a small JSON object or form."""
    if len(request.body) > _LONGEST_BODY:
        return {}
    try:
        text = request.body.decode("utf-8")
        if text.lstrip().startswith("{"):
            document = json.loads(text)
            return {str(name): str(value) for name, value in document.items() if isinstance(value, str | int)}
        return {name: values[0] for name, values in parse_qs(text, max_num_fields=50).items()}
    except (ValueError, AttributeError):
        return {}


def _digest(request: Request) -> str:
    """Tell one question from another, within this process."""
    asked = repr(sorted(request.query.items())).encode() + (request.cookie("cami_search") or "").encode() + request.body
    return hashlib.sha256(asked).hexdigest()


def _named(path: str) -> str:
    """Return what an address of ours names: a number, or a hash of ours."""
    last = [part for part in path.split("/") if part.isdigit() or (len(part) >= 16 and part.isalnum())]
    return "/".join(last)[:200] if path.startswith("/cami") else ""
