"""tus 1.0.0 for large objects: core, creation, checksum, concatenation, termination; on methods that Orthanc passes on.

Orthanc hands GET, POST, PUT and DELETE to a plugin, no OPTIONS, HEAD or PATCH, and cannot answer 409 or 460. So GET
tells the offset, PUT appends, and where Orthanc has no status of tus, ``Upload-Status`` names it (docs/adr/0009). An
upload is called by the digest of its object; a partial one, of which several may come at a time, also by where it
begins.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable

from cami.delivery.recall import Recall
from cami.delivery.receiver import Receiver, Reception
from cami.delivery.totals import study_total
from cami.delivery.upload_rows import Place, Progress
from cami.delivery.uploads import LARGEST, Damaged, Uploads
from cami.errors import Conflict, Invalid, NotFound
from cami.web import Request, Response, answer_json, answer_text

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,concatenation,termination"
#: What an upload is called below the collection: see `_place`.
NAME = "[0-9a-f]{64}(?:-[0-9]{1,12})?"

_DIGEST = re.compile("[0-9a-f]{64}")
_NUMBER = re.compile("[0-9]{1,15}")

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
        concat = request.headers.get("upload-concat", "")
        if concat.startswith("final;"):
            return self._finish(self._joined(mo, concat), request)
        partial = concat == "partial"
        if concat and not partial:
            raise Invalid("Upload-Concat must be: partial, or final with a semicolon and the partial uploads")
        length = _number(request.headers.get("upload-length", ""), "the header Upload-Length")
        metadata = _metadata(request.headers.get("upload-metadata", ""))
        sha256 = metadata.get("sha256", "")
        if not _DIGEST.fullmatch(sha256):
            raise Invalid("Upload-Metadata must carry sha256, the digest of the whole object")
        start = _number(metadata.get("start", ""), "start in Upload-Metadata") if partial else 0
        size = _number(metadata.get("size", ""), "size in Upload-Metadata") if partial else length
        if size > LARGEST:
            return answer_text(413, f"an object has at most {LARGEST} bytes")
        known = self._recall.reception(mo, sha256)
        if known is not None:
            return _received(known)
        place = Place(mo, sha256, start)
        progress = self._uploads.begin(place, length, size)
        if request.body and not progress.offset:
            progress = self._uploads.append(place, 0, _checked(request))
        name = f"{sha256}-{start}" if partial else sha256
        return Response(201, headers=[("Location", f"{self._root}/{name}"), *_offset(progress)])

    def _tell(self, mo: str, request: Request) -> Response:
        place = _place(mo, request.groups[0])
        concat = [("Upload-Concat", "partial")] if "-" in request.groups[0] else []
        return Response(204, headers=[("Cache-Control", "no-store"), *concat, *_offset(self._uploads.progress(place))])

    def _append(self, mo: str, request: Request) -> Response:
        place = _place(mo, request.groups[0])
        offset = _number(request.headers.get("upload-offset", ""), "the header Upload-Offset")
        progress = self._uploads.append(place, offset, _checked(request))
        if not progress.whole:
            return Response(204, headers=_offset(progress))
        response = self._finish(place, request)
        response.headers += _offset(progress)
        return response

    def _finish(self, place: Place, request: Request) -> Response:
        def deliver(dicom: bytes) -> Reception:
            return self._receiver.receive(place.mo, dicom, study_total=study_total(request))

        return _received(self._uploads.finish(place, deliver))

    def _joined(self, mo: str, concat: str) -> Place:
        """Return which object the partial uploads named in ``Upload-Concat`` make up."""
        names = [url.rpartition("/")[2] for url in concat.removeprefix("final;").split()]
        if not names or not all(re.fullmatch(NAME, name) for name in names):
            raise Invalid("Upload-Concat must name the partial uploads, with blanks between them")
        places = [_place(mo, name) for name in names]
        if len({place.sha256 for place in places}) != 1:
            raise Invalid("these are parts of several objects")
        return Place(mo, places[0].sha256)

    def _terminate(self, mo: str, request: Request) -> Response:
        self._uploads.abandon(_place(mo, request.groups[0]))
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


def _place(mo: str, name: str) -> Place:
    sha256, _, start = name.partition("-")
    return Place(mo, sha256, int(start or 0))


def _number(value: str, what: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise Invalid(f"{what} must be a number of bytes")
    return int(value)


def _checked(request: Request) -> bytes:
    """Return a piece that agrees with its ``Upload-Checksum``, which we demand."""
    algorithm, _, announced = request.headers.get("upload-checksum", "").partition(" ")
    if algorithm != "sha256":
        raise Invalid("the header Upload-Checksum must be: sha256, a blank, the digest in base64")
    found = base64.b64encode(hashlib.sha256(request.body).digest()).decode("ascii")
    if not hmac.compare_digest(announced.strip(), found):
        raise _ChecksumMismatch("the piece changed on its way: send it again")
    return request.body


def _metadata(header: str) -> dict[str, str]:
    found = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Invalid("Upload-Metadata is: a key, a blank, the value in base64, a comma between pairs") from error
    return found
