"""The proxy's line to the centre: every call goes out from here, over HTTPS."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import requests

from cami.delivery.pace import Pace
from cami.delivery.queue import Manifest
from cami.delivery.reasons import Cause
from cami.delivery.squeeze import squeezed
from cami.delivery.tokens import HEADER, TokenIssuer
from cami.delivery.transport import LineBroken, Transport
from cami.errors import CamiError, Denied, Permanent, Transient

Outcome = Literal["stored", "present", "quarantined", "rejected"]


#: How many seconds of the line a piece of a large object may take. What a break costs is half of it on the average.
PIECE_SECONDS = 4
SMALLEST_PIECE = 256 * 1024
LARGEST_PIECE = 8 * 1024 * 1024
_TUS = {"Tus-Resumable": "1.0.0"}
#: How many images of the study the proxy has so far, so that the centre can say of how many it has received some.
STUDY_TOTAL = "X-Cami-Study-Total"


def piece_bytes(mbit_s: float) -> int:
    """Return in which pieces large objects go over a line of that rate."""
    return min(max(int(mbit_s * 125_000 * PIECE_SECONDS), SMALLEST_PIECE), LARGEST_PIECE)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the centre did with an instance."""

    outcome: Outcome
    reason: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ManifestAnswer:
    """What the centre holds of a manifest."""

    missing: tuple[str, ...]
    different: tuple[str, ...]


class CentralLink:
    """Speaks ``/cami/wire/v1`` (docs/architecture.md §4) to the centre.

    Every method raises `Transient` when the line or the centre fails, and `Denied` when the centre does not accept
    this proxy's token.
    """

    def __init__(
        self,
        central_url: str,
        tokens: TokenIssuer,
        pace: Pace | None = None,
        piece: int = 1024 * 1024,
        *,
        gzip: bool = True,
    ) -> None:
        """Make a link that sends what is larger than `piece` in pieces of that size; with `gzip` where that pays."""
        self._base = central_url + "/cami/wire/v1"
        self._tokens = tokens
        pace = pace or Pace()
        self._meter = pace.meter
        self._transport = Transport(pace)
        self._piece = piece
        self._gzip = gzip

    def send(
        self,
        dicom: bytes,
        sha256: str,
        *,
        urgent: bool = False,
        after_piece: Callable[[], None] = lambda: None,
        study_total: int = 0,
    ) -> Receipt:
        """Send one DICOM file; what is `urgent` may be exempt from the pace.

        Between the pieces of a large one `after_piece` is called. If it raises, the rest stays to be sent. The centre
        is told that its study has `study_total` images so far.
        """
        announced = {STUDY_TOTAL: str(study_total)} if study_total else {}
        if len(dicom) > self._piece:
            return self._send_in_pieces(dicom, sha256, after_piece, announced, urgent=urgent)
        headers = {"Content-Type": "application/dicom", "X-Cami-Sha256": sha256, **announced}
        return _receipt(self._request("POST", "/instances", headers, dicom, urgent=urgent))

    def confirm(self, manifest: Manifest) -> ManifestAnswer:
        """Compare what should be at the centre with what is."""
        document: dict[str, Any] = {"study_id": manifest.study_id, "instances": dict(manifest.instances)}
        if manifest.lag is not None:
            document["lag"] = round(manifest.lag, 3)
        answer = self._call(
            "POST", "/manifests", {"Content-Type": "application/json"}, json.dumps(document).encode(), urgent=True
        )
        return ManifestAnswer(tuple(answer["missing"]), tuple(answer["different"]))

    def compare(self, summaries: Mapping[str, str]) -> tuple[str, ...]:
        """Return the studies of which the centre holds something else.

        Parameters
        ----------
        summaries
            Orthanc study id → `cami.delivery.summary.summarize` of what it should hold.
        """
        body = json.dumps({"studies": dict(summaries)}).encode()
        answer = self._call("POST", "/summaries", {"Content-Type": "application/json"}, body, urgent=False)
        return tuple(answer["unlike"])

    def verify(self, instances: Mapping[str, str]) -> tuple[str, ...]:
        """Let the centre read files from its disk again; return the ids of those that are not as delivered.

        Parameters
        ----------
        instances
            Orthanc instance id → SHA-256, at most `cami.delivery.wire_checks.MOST`.
        """
        body = json.dumps({"instances": dict(instances)}).encode()
        answer = self._call("POST", "/verifications", {"Content-Type": "application/json"}, body, urgent=True)
        return tuple(answer["bad"])

    def directory(self) -> dict[str, Any]:
        """Fetch the accounts of this proxy's МО."""
        return self._call("GET", "/directory", {}, urgent=True)

    def _send_in_pieces(
        self,
        dicom: bytes,
        sha256: str,
        after_piece: Callable[[], None],
        announced: Mapping[str, str],
        *,
        urgent: bool,
    ) -> Receipt:
        """Send a large object, from where the centre has it; go on after a break as long as pieces get through."""
        moved = True
        while True:
            try:
                offset = self._begin(len(dicom), sha256, urgent=urgent)
                if isinstance(offset, int) and offset:
                    self._meter.resumed(offset)
                while isinstance(offset, int):
                    before = offset
                    offset = self._append(dicom, offset, sha256, announced, urgent=urgent)
                    moved = moved or offset != before
                    after_piece()
            except LineBroken:
                if not moved:
                    raise
                moved = False
            else:
                return offset

    def _begin(self, length: int, sha256: str, *, urgent: bool) -> int | Receipt:
        """Ask where to go on, or learn that the centre has the object already."""
        metadata = "sha256 " + base64.b64encode(sha256.encode("ascii")).decode("ascii")
        headers = _TUS | {"Upload-Length": str(length), "Upload-Metadata": metadata}
        response = self._request("POST", "/uploads", headers, urgent=urgent)
        return _where(response, length) if response.status_code == 201 else _receipt(response)

    def _append(
        self, dicom: bytes, offset: int, sha256: str, announced: Mapping[str, str], *, urgent: bool
    ) -> int | Receipt:
        """Send the next piece; at the end of the object an empty one asks the centre again to store it."""
        piece = dicom[offset : offset + self._piece]
        checksum = base64.b64encode(hashlib.sha256(piece).digest()).decode("ascii")
        headers = _TUS | {
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            "Upload-Checksum": f"sha256 {checksum}",
            **announced,
        }
        response = self._request("PUT", f"/uploads/{sha256}", headers, piece, urgent=urgent)
        if response.status_code == 204:
            there = _where(response, len(dicom))
            if there != offset + len(piece):
                raise Transient("the centre acknowledged another piece than was sent")
            return there
        return _receipt(response)

    def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, urgent: bool
    ) -> dict[str, Any]:
        return _understood(self._request(method, path, headers, body, urgent=urgent))

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, urgent: bool
    ) -> requests.Response:
        signed = {HEADER: self._tokens.issue(), **headers}
        small = squeezed(body) if self._gzip else None
        if small is not None:
            signed["Content-Encoding"] = "gzip"
            body = small
        return self._transport.request(method, self._base + path, signed, body, urgent=urgent)


def cause_of(error: CamiError) -> Cause:
    """Return what a failure of a call says about the line."""
    if isinstance(error, Denied):
        return Cause.TOKEN
    return Cause.LINE if isinstance(error, LineBroken) else Cause.CENTRE


def _understood(response: requests.Response) -> dict[str, Any]:
    if response.status_code == 200:
        return _json_object(response)
    if response.status_code in (401, 403):
        raise Denied("the centre does not accept this proxy's token: check its key and its clock")
    if response.status_code in (413, 422):
        raise Permanent(f"the centre refuses the object (HTTP {response.status_code})")
    raise Transient(f"the centre answered HTTP {response.status_code}")


def _receipt(response: requests.Response) -> Receipt:
    answer = _understood(response)
    if answer.get("outcome") not in get_args(Outcome):
        raise Transient("the centre's answer is no receipt: is something else at its address?")
    return Receipt(answer["outcome"], str(answer.get("reason", "")), str(answer.get("sha256", "")))


def _where(response: requests.Response, length: int) -> int:
    offset = response.headers.get("Upload-Offset", "")
    if not offset.isdecimal() or int(offset) > length:
        raise Transient("the centre does not tell where an upload goes on: is something else at its address?")
    return int(offset)


def _json_object(response: requests.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise Transient("the centre's answer is not JSON: is something else at its address?") from error
    if not isinstance(answer, dict):
        raise Transient("the centre's answer is not a JSON object: is something else at its address?")
    return answer
