"""The proxy's line to the centre: every call goes out from here, over HTTPS."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from cami.delivery.answers import Receipt, receipt, understood
from cami.delivery.items import Manifest
from cami.delivery.order import LAST, Rank
from cami.delivery.pace import Pace
from cami.delivery.right_of_way import Passage
from cami.delivery.squeeze import squeezed
from cami.delivery.tokens import HEADER, TokenIssuer
from cami.delivery.transport import Transport
from cami.delivery.tus_sender import TusSender
from cami.errors import Invalid, NotFound, Transient

ROOT = "/cami/wire/v1"
#: Pieces above which an object goes in parts: joining them takes a request more.
PART_ABOVE = 1.5
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")


@dataclass(frozen=True, slots=True)
class ManifestAnswer:
    """What the centre holds of a manifest."""

    missing: tuple[str, ...]
    different: tuple[str, ...]
    pixels_different: tuple[str, ...] = ()
    """Whose stored pixels, decoded, are others than here."""
    pending: int = 0
    """Instances that the centre has not read from its disk yet: ask again."""
    pixels_compared: bool = False
    """Whether the centre compares pixels at all; centres of earlier releases do not."""

    @property
    def confirmed(self) -> bool:
        """Whether the centre holds all of it, and the same."""
        return not (self.missing or self.different or self.pixels_different or self.pending)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of something that lies at the centre."""

    content: bytes
    total: int
    """Bytes of the whole."""


class CentralLink:
    """Speaks ``/cami/wire/v1`` (docs/architecture.md §4) to the centre.

    Every method raises `Transient` when the line or the centre fails, and `Denied` when the centre does not accept
    this proxy's token.
    """

    def __init__(
        self,
        central_url: str,
        tokens: TokenIssuer,
        transport: Transport | None = None,
        piece: int = 1024 * 1024,
        *,
        gzip: bool = True,
    ) -> None:
        """Make a link that sends what is well larger than `piece` in parts; with `gzip` where that pays."""
        self._base = central_url + ROOT
        self._tokens = tokens
        self._transport = transport or Transport(Pace())
        self._piece = piece
        self._gzip = gzip
        self._tus = TusSender(self._request, piece, ROOT)

    def send(self, dicom: bytes, sha256: str, passage: Passage, *, begun: bool = False) -> Receipt:
        """Send one DICOM file.

        Parameters
        ----------
        passage
            Its right of way.
        begun
            The centre may have parts of it from an earlier try.

        Raises
        ------
        cami.delivery.right_of_way.StoodBackError
            It was broken off for what is urgent.
        """
        if len(dicom) > PART_ABOVE * self._piece:
            return self._tus.send(dicom, sha256, passage, begun=begun)
        headers = {"Content-Type": "application/dicom", "X-Cami-Sha256": sha256, **passage.headers}
        return receipt(self._request("POST", "/instances", headers, dicom, passage, on_written=passage.written))

    @property
    def needs_help(self) -> bool:
        """Whether a large object is under way, of which a free sender may carry a piece."""
        return not self._tus.idle

    def help(self, *, urgent_only: bool, before: Rank = LAST) -> bool:
        """Carry a piece of a large object of another sender that goes `before` something; return False if none does."""
        return self._tus.help(urgent_only=urgent_only, before=before)

    def probe(self) -> None:
        """Ask the centre whether it is there and knows this proxy.

        Raises
        ------
        cami.errors.Transient, cami.errors.Denied
            It is not, or it does not.
        """
        self._call("GET", "/ping", {}, urgent=True)

    def confirm(self, manifest: Manifest) -> ManifestAnswer:
        """Compare what should be at the centre with what is."""
        document: dict[str, Any] = {"study_id": manifest.study_id, "instances": dict(manifest.instances)}
        document["pixels"] = dict(manifest.pixels)
        if manifest.series is not None:
            document["series"] = dict(manifest.series)
        if manifest.lag is not None:
            document["lag"] = round(manifest.lag, 3)
        answer = self._call(
            "POST", "/manifests", {"Content-Type": "application/json"}, json.dumps(document).encode(), urgent=True
        )
        return ManifestAnswer(
            tuple(answer["missing"]),
            tuple(answer["different"]),
            tuple(answer.get("pixels_different", ())),
            int(answer.get("pending", 0)),
            "pixels_different" in answer,
        )

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

    def report(self, runs: Sequence[Mapping[str, Any]]) -> None:
        """Tell how comparisons with the centre ended (`cami.delivery.reports`)."""
        body = json.dumps({"runs": list(runs)}).encode()
        self._call("POST", "/reports", {"Content-Type": "application/json"}, body, urgent=False)

    def tell(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """POST a document to a path under ``/cami/wire/v1`` and return the centre's answer."""
        return self._call(
            "POST", path, {"Content-Type": "application/json"}, json.dumps(document).encode(), urgent=True
        )

    def directory(self, version: str = "") -> dict[str, Any]:
        """Fetch the accounts of this proxy's МО; the version alone if they are still those of `version`."""
        return self._call("GET", f"/directory?version={version}" if version else "/directory", {}, urgent=True)

    def ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make a small call of another part of the wire, JSON there and back.

        Raises
        ------
        cami.errors.NotFound
            The centre has no such thing, or none that this proxy may know of.
        """
        body = b"" if document is None else json.dumps(document, ensure_ascii=False).encode("utf-8")
        headers = {"Content-Type": "application/json"} if body else {}
        response = self._request(method, path, headers, body, Passage(urgent=True))
        if response.status_code == 404:
            raise NotFound("the centre knows no such thing")
        return understood(response)

    def push(self, path: str, body: bytes) -> dict[str, Any]:
        """POST bytes that mean nothing: how fast they go is what is asked."""
        return self._call("POST", path, {"Content-Type": "application/octet-stream"}, body, urgent=True)

    def fetch(self, path: str) -> bytes:
        """GET bytes that mean nothing."""
        response = self._request("GET", path, {"Accept-Encoding": "identity"}, b"", Passage(urgent=True))
        if response.status_code != 200:
            understood(response)
        return response.content

    def part(self, path: str, start: int, size: int) -> Part:
        """Fetch a part of something large, by a range request (RFC 9110 §14).

        Raises
        ------
        cami.errors.NotFound
            The centre has no such thing, or none that this proxy may know of.
        cami.errors.Invalid
            It ends before `start`.
        """
        headers = {"Range": f"bytes={start}-{start + size - 1}", "Accept-Encoding": "identity"}
        response = self._request("GET", path, headers, b"", Passage(urgent=True))
        if response.status_code == 404:
            raise NotFound("the centre knows no such thing")
        if response.status_code == 416:
            raise Invalid("there is nothing from there on")
        if response.status_code != 206:
            understood(response)
            raise Transient("the centre does not answer in parts: is something else at its address?")
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        content = response.content
        if found is None or int(found[1]) != start or int(found[2]) != start + len(content) - 1:
            raise Transient("the centre answered with another part than was asked for")
        return Part(content, int(found[3]))

    def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, urgent: bool
    ) -> dict[str, Any]:
        return understood(self._request(method, path, headers, body, Passage(urgent=urgent)))

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        passage: Passage,
        *,
        on_written: Callable[[], None] = lambda: None,
    ) -> requests.Response:
        signed = {HEADER: self._tokens.issue(), **headers}
        small = squeezed(body) if self._gzip else None
        if small is not None:
            signed["Content-Encoding"] = "gzip"
            body = small
        return self._transport.request(method, self._base + path, signed, body, passage, on_written=on_written)
