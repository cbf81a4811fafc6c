"""tus 1.0.0 for large objects: core, creation, checksum (sha256), termination; on the methods that Orthanc passes on.

Orthanc hands GET, POST, PUT and DELETE to a plugin, no OPTIONS, HEAD or PATCH, and cannot answer 409 or 460. So GET
tells the offset, PUT appends, and where Orthanc has no status of tus, ``Upload-Status`` names it (docs/adr/0009).
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable

from cami.delivery.link import STUDY_TOTAL
from cami.delivery.recall import Recall
from cami.delivery.receiver import Receiver, Reception
from cami.delivery.uploads import LARGEST, Damaged, Progress, Uploads
from cami.errors import Conflict, Invalid, NotFound
from cami.web import Request, Response, answer_json, answer_text

VERSION = "1.0.0"
EXTENSIONS = "creation,checksum,termination"

_DIGEST = re.compile("[0-9a-f]{64}")
_NUMBER = re.compile("[0-9]{1,15}")
_COUNT = re.compile("[0-9]{1,6}")

Handler = Callable[[str, Request], Response]


class Tus:
    """Answers ``/cami/wire/v1/uploads`` and ``/cami/wire/v1/uploads/{sha256}``."""

    def __init__(self, uploads: Uploads, recall: Recall, receiver: Receiver, root: str) -> None:
        """Make the handlers for uploads below `root`."""
        self._uploads = uploads
        self._recall = recall
        self._receiver = receiver
        self._root = root

    @property
    def collection(self) -> dict[str, Handler]:
        """Handlers of the collection, by method."""
        return {"GET": _spoken(self._describe), "POST": _spoken(self._create)}

    @property
    def member(self) -> dict[str, Handler]:
        """Handlers of one upload, by method."""
        return {"GET": _spoken(self._tell), "PUT": _spoken(self._append), "DELETE": _spoken(self._terminate)}

    def _describe(self, _mo: str, _request: Request) -> Response:
        return Response(
            204,
            headers=[
                ("Tus-Version", VERSION),
                ("Tus-Extension", EXTENSIONS),
                ("Tus-Checksum-Algorithm", "sha256"),
                ("Tus-Max-Size", str(LARGEST)),
            ],
        )

    def _create(self, mo: str, request: Request) -> Response:
        length = _number(request, "upload-length")
        sha256 = _metadata(request.headers.get("upload-metadata", "")).get("sha256", "")
        if not _DIGEST.fullmatch(sha256):
            raise Invalid("Upload-Metadata must carry sha256, the digest of the whole object")
        if length > LARGEST:
            return answer_text(413, f"an object has at most {LARGEST} bytes")
        known = self._recall.reception(mo, sha256)
        if known is not None:
            return _received(known)
        progress = self._uploads.begin(mo, sha256, length)
        return Response(201, headers=[("Location", f"{self._root}/{sha256}"), *_offset(progress)])

    def _tell(self, mo: str, request: Request) -> Response:
        progress = self._uploads.progress(mo, request.groups[0])
        return Response(204, headers=[("Cache-Control", "no-store"), *_offset(progress)])

    def _append(self, mo: str, request: Request) -> Response:
        sha256 = request.groups[0]
        offset = _number(request, "upload-offset")
        _check(request)
        progress = self._uploads.append(mo, sha256, offset, request.body)
        if not progress.whole:
            return Response(204, headers=_offset(progress))

        def receive(dicom: bytes) -> Reception:
            return self._receiver.receive(mo, dicom, study_total=study_total(request))

        response = _received(self._uploads.finish(mo, sha256, receive))
        response.headers += _offset(progress)
        return response

    def _terminate(self, mo: str, request: Request) -> Response:
        self._uploads.abandon(mo, request.groups[0])
        return Response(204)


class _ChecksumMismatch(Conflict):
    """The piece changed on its way."""


def _spoken(handler: Handler) -> Handler:
    """Wrap a handler in the protocol's headers and statuses."""

    def handle(mo: str, request: Request) -> Response:
        response = _answer(handler, mo, request)
        response.headers.append(("Tus-Resumable", VERSION))
        return response

    return handle


def _answer(handler: Handler, mo: str, request: Request) -> Response:
    if request.headers.get("tus-resumable") != VERSION:
        return Response(412, headers=[("Tus-Version", VERSION)])
    try:
        return handler(mo, request)
    except NotFound as error:
        return answer_text(404, str(error))
    except (_ChecksumMismatch, Damaged) as error:
        return _instead_of(460, error)
    except Conflict as error:
        return _instead_of(409, error)
    except Invalid as error:
        return answer_text(400, str(error))


def _instead_of(status: int, error: Exception) -> Response:
    response = answer_text(400, str(error))
    response.headers.append(("Upload-Status", str(status)))
    return response


def _received(reception: Reception) -> Response:
    return answer_json({"outcome": reception.outcome, "reason": reception.reason, "sha256": reception.sha256})


def _offset(progress: Progress) -> list[tuple[str, str]]:
    return [("Upload-Offset", str(progress.offset)), ("Upload-Length", str(progress.length))]


def study_total(request: Request) -> int:
    """Return how many objects of the study the proxy says that it has so far; 0 if it says nothing sensible."""
    value = request.headers.get(STUDY_TOTAL.lower(), "")
    return int(value) if _COUNT.fullmatch(value) else 0


def _number(request: Request, header: str) -> int:
    value = request.headers.get(header, "")
    if not _NUMBER.fullmatch(value):
        raise Invalid(f"the header {header.title()} must be a number of bytes")
    return int(value)


def _check(request: Request) -> None:
    """Compare a piece with its ``Upload-Checksum``, which we demand."""
    algorithm, _, announced = request.headers.get("upload-checksum", "").partition(" ")
    if algorithm != "sha256":
        raise Invalid("the header Upload-Checksum must be: sha256, a blank, the digest in base64")
    found = base64.b64encode(hashlib.sha256(request.body).digest()).decode("ascii")
    if not hmac.compare_digest(announced.strip(), found):
        raise _ChecksumMismatch("the piece changed on its way: send it again")


def _metadata(header: str) -> dict[str, str]:
    found = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Invalid("Upload-Metadata is: a key, a blank, the value in base64, a comma between pairs") from error
    return found
