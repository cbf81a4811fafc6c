"""The FHIR face at ``/cami/fhir``: who calls, what is wanted, and every answer in FHIR, errors too."""

import logging
import re
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock, iso
from cami.errors import Transient
from cami.mis.capability import statement
from cami.mis.fhir import Json
from cami.mis.limits import Limits
from cami.mis.message import Caller
from cami.mis.openapi import description
from cami.mis.problems import Refusal, outcome, refuse
from cami.mis.reads import Reads
from cami.mis.tokens import Tokens
from cami.mis.writes import Writes, respond
from cami.web import Endpoint, Request, Response, answer_json, source_of

log = logging.getLogger(__name__)

ROOT = "/cami/fhir"
LARGEST = 20_000_000
_TYPE = "([A-Z][A-Za-z]{1,40})"
_ID = r"([A-Za-z0-9.-]{1,64})"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TYPES_OF_BODY = ("application/fhir+json", "application/json")

#: Answers one operation: the request, its parsed body, who calls, the groups of the path.
Operation = Callable[[Request, Json, Caller, tuple[str, ...]], Response]


class Busy(Exception):
    """A client asks more than it may.

    Orthanc sends no 429: it is 503 with Retry-After (`docs/adr/0020`).
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Face:
    """Routes requests. Thread-safe."""

    def __init__(
        self, *, tokens: Tokens, reads: Reads, writes: Writes, trail: AuditTrail, clock: Clock, base: str,
        limits: Limits | None = None,
    ) -> None:  # fmt: skip
        self._tokens = tokens
        self._reads = reads
        self._writes = writes
        self._trail = trail
        self._clock = clock
        self._base = base
        self._limits = limits or Limits()
        self._operations: list[tuple[str, re.Pattern[str], Operation]] = []
        self.add("POST", "", lambda request, body, caller, _: writes.transaction(request, body, caller))
        for name, undo in (("merge", False), ("unmerge", True)):
            self.add("POST", rf"/Patient/\${name}", self._merge(undo=undo))
        self.add("POST", f"/{_TYPE}/_search", self._search)
        self.add("GET", f"/{_TYPE}", self._search)
        self.add("GET", f"/{_TYPE}/{_ID}", self._read)
        self.add("POST", f"/{_TYPE}", lambda request, body, caller, of: writes.create(request, of[0], body, caller))
        self.add(
            "PUT", f"/{_TYPE}/{_ID}",
            lambda request, body, caller, of: writes.update(request, of[0], of[1], body, caller),
        )  # fmt: skip

    def add(self, method: str, path: str, operation: Operation, *, first: bool = False) -> None:
        """Add an operation; `first` puts it before those that are there."""
        self._operations.insert(0 if first else len(self._operations), (method, re.compile(path), operation))

    def endpoint(self) -> Endpoint:
        """Return the one endpoint of the face."""
        return Endpoint(ROOT + "(/.*)?", self.answer)

    def answer(self, request: Request) -> Response:
        """Answer a request; whatever goes wrong is an OperationOutcome."""
        given = request.headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        try:
            response = self._answer(request, request_id)
        except Refusal as refusal:
            response = respond(outcome(refusal.problems, request_id), refusal.status)
            if refusal.status == 401:
                response.headers.append(("WWW-Authenticate", 'Bearer realm="CAMI"'))
        except Busy as busy:
            after = str(max(1, ceil(busy.seconds)))
            response = respond(outcome(refuse(503, "CAMI-0095").problems, request_id), 503, [("Retry-After", after)])
        except Transient:
            response = respond(outcome(refuse(503, "CAMI-0094").problems, request_id), 503, [("Retry-After", "5")])
        except Exception as error:  # noqa: BLE001 - the МИС gets FHIR whatever happens; the text may hold patient data
            log.error("a request of the MIS failed: %s (%s)", type(error).__name__, request_id)  # noqa: TRY400
            response = respond(outcome(refuse(500, "CAMI-0090").problems, request_id), 500)
        response.headers.append(("X-Request-Id", request_id))
        return response

    def _answer(self, request: Request, request_id: str) -> Response:
        path = request.path.removeprefix(ROOT)
        if path == "/metadata" and request.method == "GET":
            return respond(statement(self._base, iso(self._clock.now())[:10]))
        if path == "/openapi.json" and request.method == "GET":
            return answer_json(description(self._base))
        client = self._tokens.client_of(request.headers)
        if client is None:
            raise refuse(401, "CAMI-0060")
        if seconds := self._limits.wait(client):
            raise Busy(seconds)
        caller = Caller(client, request_id, source_of(request.headers))
        for method, pattern, operation in self._operations:
            found = pattern.fullmatch(path)
            if found and method == request.method:
                return operation(request, _body(request), caller, found.groups())
        raise refuse(404 if request.method == "GET" else 400, "CAMI-0093")

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Method and pattern of every operation, for the description of the interface."""
        return [(method, pattern.pattern) for method, pattern, _ in self._operations]

    def _merge(self, *, undo: bool) -> Operation:
        return lambda request, body, caller, _: self._writes.merge(request, body, caller, undo=undo)

    def _read(self, request: Request, _body: Json, caller: Caller, groups: tuple[str, ...]) -> Response:
        type_, id_ = groups
        found = self._reads.read(type_, id_, caller)
        self._note(Kind.VIEW, caller, f"{type_}/{id_}")
        etag = f'W/"{found["meta"]["versionId"]}"'
        if request.headers.get("if-none-match", "") == etag:
            return Response(304, headers=[("ETag", etag)])
        return respond(found, 200, [("ETag", etag)])

    def _search(self, request: Request, body: Json, caller: Caller, groups: tuple[str, ...]) -> Response:
        given: Mapping[str, str] = request.query if request.method == "GET" else body
        bundle = self._reads.search(groups[0], given, caller)
        self._note(Kind.SEARCH, caller, groups[0], found=len(bundle.get("entry", ())))
        return respond(bundle)

    def _note(self, kind: Kind, caller: Caller, subject: str, found: int | None = None) -> None:
        details = {} if found is None else {"found": str(found)}
        self._trail.record(
            AuditEvent(kind, caller.source, role="mis", source=caller.address, subject=subject, details=details)
        )


def _body(request: Request) -> Json:
    """Return the parsed body: JSON, or the form of a search; empty for what has none."""
    if request.method in ("GET", "DELETE"):
        return {}
    if len(request.body) > LARGEST:
        raise refuse(413, "CAMI-0092")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.path.endswith("/_search"):
        return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    if kind not in _TYPES_OF_BODY:
        raise refuse(415, "CAMI-0091")
    try:
        parsed: Any = request.json()
    except (ValueError, RecursionError) as error:
        raise refuse(400, "CAMI-0091") from error
    if not isinstance(parsed, dict):
        raise refuse(400, "CAMI-0091")
    return parsed
