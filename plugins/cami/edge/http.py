"""HTTP between Orthanc and our handlers: registration, requests, responses, the filter."""

import functools
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote_plus

from cami.access import Gateway
from cami.audit.caller import Caller, caller, note_caller
from cami.edge import sdk
from cami.edge.guard import guarded
from cami.edge.handler_threads import HandlerThreads
from cami.edge.sources import Sources
from cami.errors import Transient
from cami.web import SOURCE_HEADER, Endpoint, Request, Response, answer_text

log = logging.getLogger(__name__)

_METHODS = {1: "GET", 2: "POST", 3: "PUT", 4: "DELETE"}
_NO: bool | None = False
#: Statuses that Orthanc cannot send (it answers nothing at all), and what is said instead.
_REPLACED = {409: 400, 410: 404, 429: 503}


class GateLike(Protocol):
    """The decision on a request, as `cami.access.Gate` makes it."""

    def allows(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], source: str = ""
    ) -> bool:
        """Return whether the request may go on."""
        ...


#: Keeps what Orthanc calls alive to the end: its Python plugin crashes the server when, at its end, it drops the last
#: reference to a REST callback itself.
_KEPT: list[Callable[..., None]] = []

_SOURCES = Sources()
_THREADS: HandlerThreads[Response] = HandlerThreads()
_GATE_THREADS: HandlerThreads[bool | None] = HandlerThreads()


def trust(gateway: Gateway) -> None:
    """Believe what this gateway says of a client."""
    _SOURCES.gateway = gateway


def register(endpoints: Iterable[Endpoint]) -> None:
    """Register handlers with Orthanc. Ours go before the core's and, listed first, before other plugins'."""
    for endpoint in endpoints:
        _KEPT.append(_adapt(endpoint))
        sdk.on_rest(endpoint.pattern, _KEPT[-1])


def end_threads() -> None:
    """End the threads that handle requests, when Orthanc stops."""
    _THREADS.end()
    _GATE_THREADS.end()


def register_gate(gate: GateLike, on_allowed: Callable[[str, str, Mapping[str, str]], None]) -> None:
    """Put `gate` before every request from outside. A gate that fails refuses; `on_allowed` hears of the others.

    While the journal cannot be written the answer is 500 instead of 403: a filter can say yes, no, and nothing.
    """

    @guarded("http_gate", verdict=_NO)
    def decide(uri: str, method: int, **request: Any) -> bool | None:
        # Orthanc passes ip, headers and, for GET only, get by name.
        verb, headers = _METHODS.get(method, ""), _SOURCES.seen(request.get("ip", ""), request.get("headers", {}))
        sender = Caller(headers.get(SOURCE_HEADER, ""), verb, uri)
        note_caller(sender)
        query = decode(request.get("get", {}))

        def work() -> bool | None:
            note_caller(sender)
            try:
                allowed = gate.allows(verb, uri, query, headers, sender.source)
            except Transient as error:
                log.error("%s; a %s is refused", error, verb)  # noqa: TRY400 - our own words
                return None
            if allowed:
                on_allowed(verb, uri, headers)
            return allowed

        # Preparing a statement for the first time takes more stack than Orthanc's thread has.
        return _GATE_THREADS.call(work)

    sdk.on_http_request(decide)


def decode(arguments: Mapping[str, str]) -> Mapping[str, str]:
    """Return the arguments of a GET as the client meant them: Orthanc 1.12 hands them on undecoded, 1.13 does not."""
    if not arguments or not _hands_on_undecoded():
        return arguments
    return {unquote_plus(name): unquote_plus(value) for name, value in arguments.items()}


@functools.cache
def _hands_on_undecoded() -> bool:
    # Asked at the first request that has arguments: while it loads plugins, Orthanc cannot answer yet.
    return str(json.loads(sdk.rest_get("/system"))["Version"]).startswith("1.12.")


def _adapt(endpoint: Endpoint) -> Callable[..., None]:
    @guarded("http_handler", verdict=answer_text(500, "internal error; the log has it"))
    def answer(request: Request) -> Response:
        return endpoint.handler(request)

    def callback(output: sdk.RestOutput, uri: str, **request: Any) -> None:
        asked = Request(
            method=request["method"],
            path=uri,
            headers=_SOURCES.marked(request.get("headers", {})),
            query=decode(request.get("get", {})),
            body=request.get("body", b""),
            groups=tuple(request.get("groups", ())),
        )
        sender = caller()

        def work() -> Response:
            note_caller(sender)
            return answer(asked)

        _send(output, _THREADS.call(work))

    return callback


def _send(output: sdk.RestOutput, response: Response) -> None:
    if response.status == 405:
        output.SendMethodNotAllowed("GET,POST")
        return
    for name, value in response.headers:
        output.SetHttpHeader(name, value)
    if response.status == 200:
        output.AnswerBuffer(response.body, response.content_type)
    else:
        output.SendHttpStatus(_REPLACED.get(response.status, response.status), response.body)
