"""Retrieval on the wire: what proxies announce, and what they fetch (docs/architecture.md §4)."""

import re
from typing import Any

from cami.delivery import WIRE_ROOT, TokenVerifier, for_proxies
from cami.errors import Invalid
from cami.retrieval.announcements import Announcement, Announcements
from cami.retrieval.shelves import LARGEST_PART, Shelves
from cami.web import Endpoint, Request, Response, answer_json

#: Studies in one announcement.
MOST = 200
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{8}){4}"
_UID = re.compile(r"[0-9.]{1,128}")
_RANGE = re.compile(r"bytes=([0-9]{1,15})-([0-9]{1,15})")


def retrieval_wire_endpoints(tokens: TokenVerifier, announcements: Announcements, shelves: Shelves) -> list[Endpoint]:
    """Return the endpoints that proxies call."""
    calls = _Calls(announcements, shelves)
    methods = {
        "/announcements": {"POST": calls.announce},
        "/studies": {"GET": calls.studies},
        f"/studies/({_ID})/instances": {"GET": calls.manifest},
        f"/instances/({_ID})": {"GET": calls.part},
        "/priors": {"POST": calls.priors},
    }
    return [Endpoint(WIRE_ROOT + path, for_proxies(tokens, handlers)) for path, handlers in methods.items()]


class _Calls:
    """The calls; each is given the МО that has signed the request."""

    def __init__(self, announcements: Announcements, shelves: Shelves) -> None:
        self._announcements = announcements
        self._shelves = shelves

    def announce(self, mo: str, request: Request) -> Response:
        told = _object(request).get("studies")
        if not isinstance(told, list) or len(told) > MOST:
            raise Invalid(f'expected JSON {{"studies": […]}}, at most {MOST}')
        self._announcements.take(mo, [Announcement.parse(document) for document in told])
        return answer_json({})

    def studies(self, mo: str, request: Request) -> Response:
        uid = request.query.get("uid", "")
        if not _UID.fullmatch(uid):
            raise Invalid("uid must be a Study Instance UID")
        return answer_json({"studies": self._shelves.studies_of_uid(mo, uid)})

    def manifest(self, mo: str, request: Request) -> Response:
        return answer_json(self._shelves.manifest(mo, request.groups[0]))

    def part(self, mo: str, request: Request) -> Response:
        """Answer a range of a file (RFC 9110 §14); it may be shorter than what was asked for."""
        found = _RANGE.fullmatch(request.headers.get("range", ""))
        start, last = (int(found[1]), int(found[2])) if found else (0, LARGEST_PART - 1)
        if last < start:
            raise Invalid("the range ends before it begins")
        piece = self._shelves.part(mo, request.groups[0], start, last - start + 1)
        if not piece.content:
            return Response(416, b"", headers=[("Content-Range", f"bytes */{piece.total}")])
        end = start + len(piece.content) - 1
        headers = [
            ("Content-Range", f"bytes {start}-{end}/{piece.total}"),
            ("ETag", f'"{piece.sha256}"'),
            ("Cache-Control", "no-store"),
        ]
        return Response(206, piece.content, "application/dicom", headers)

    def priors(self, mo: str, request: Request) -> Response:
        patient = _object(request).get("patient")
        if not isinstance(patient, str) or not re.fullmatch(_ID, patient):
            raise Invalid('expected JSON {"patient": Orthanc id}')
        return answer_json({"studies": self._shelves.priors(mo, patient)})


def _object(request: Request) -> dict[str, Any]:
    try:
        document = request.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Invalid("expected a JSON object")
    return document
