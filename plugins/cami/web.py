"""HTTP as our handlers see it: a request in, a response out, no Orthanc.

Orthanc hands a plugin the query string of GET requests only, strips the trailing slash of a path, gives header
names in lower case, and can send an HTML body with status 200 only (other statuses are always ``text/plain``): pages
for people therefore answer 200 or redirect.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    """``GET``, ``POST``, ``PUT`` or ``DELETE``: Orthanc passes no other method to a plugin."""
    path: str
    """Decoded, without query string and trailing slash; the root is ``/``."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Arguments of a GET; empty for other methods."""
    body: bytes = b""
    groups: tuple[str, ...] = ()
    """What the groups of the endpoint's pattern matched."""

    def cookie(self, name: str) -> str | None:
        """Return the value of the first cookie called `name`, or None."""
        for part in self.headers.get("cookie", "").split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
        return None

    def json(self) -> Any:
        """Parse the body as JSON.

        Raises
        ------
        ValueError
            The body is not UTF-8 JSON.
        """
        try:
            return json.loads(self.body.decode("utf-8"))
        except RecursionError:
            raise ValueError("nested too deeply") from None


@dataclass(slots=True)
class Response:
    """One HTTP response. A body of a status other than 200 reaches the client as plain text."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Further headers, ``Set-Cookie`` any number of times."""
    studies: tuple[str, ...] = ()
    """For the journal: Study Instance UIDs of what is shown or was changed, where the request does not name them."""
    refused: bool = False
    """For the journal: the caller may not have it, though the status is 200, as pages' always is."""


#: Where a request came from, as `cami.edge` has seen it: it puts this header on every request, over what the client
#: may have sent under that name.
SOURCE_HEADER = "x-cami-source"


def source_of(headers: Mapping[str, str]) -> str:
    """Return the network address that a request came from, or nothing if it is not known."""
    return headers.get(SOURCE_HEADER, "")


#: The SHA-256 of the client's TLS certificate, in hex, that the trusted gateway has checked; put there likewise.
CERTIFICATE_HEADER = "x-cami-certificate"


def certificate_of(headers: Mapping[str, str]) -> str:
    """Return the fingerprint of the client's certificate, or nothing if it has shown none."""
    return headers.get(CERTIFICATE_HEADER, "")


Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path of ours, or one of Orthanc's that we answer instead of it."""

    pattern: str
    """Regular expression that the whole path must match."""
    handler: Handler
    """Answers every method of that path; it checks by itself who asks."""
    methods: tuple[str, ...] = ()
    """Those that it answers, for the description of the interface; the handler refuses the others."""
    summary: str = ""
    """In a few words, for the description of the interface."""
    spoken: Callable[[], Mapping[str, Any]] | None = None
    """Makes what each method takes and answers, for the description (`cami.consultations.description.Spoken`)."""


def answer_json(value: Any, status: int = 200) -> Response:
    """Answer `value` as JSON."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Response(status, body, "application/json; charset=utf-8", [("Cache-Control", "no-store")])


def answer_html(page: str) -> Response:
    """Answer an HTML page, never cached (it may show patient data)."""
    return Response(200, page.encode("utf-8"), "text/html; charset=utf-8", [("Cache-Control", "no-store")])


def answer_text(status: int, text: str) -> Response:
    """Answer a short plain text, as errors of the JSON interfaces do."""
    return Response(status, text.encode("utf-8"))


def redirect(location: str) -> Response:
    """Send a browser to `location` with GET (303)."""
    return Response(303, b"", headers=[("Location", location), ("Cache-Control", "no-store")])
