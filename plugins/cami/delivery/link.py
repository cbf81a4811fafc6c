"""The proxy's line to the centre: every call goes out from here, over HTTPS."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import requests

from cami.delivery.pace import Pace
from cami.delivery.queue import Manifest
from cami.delivery.tokens import HEADER, TokenIssuer
from cami.delivery.transport import Transport
from cami.errors import Denied, Permanent, Transient

Outcome = Literal["stored", "present", "quarantined", "rejected"]


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

    def __init__(self, central_url: str, tokens: TokenIssuer, pace: Pace | None = None) -> None:
        self._base = central_url + "/cami/wire/v1"
        self._tokens = tokens
        self._transport = Transport(pace or Pace())

    def send(self, dicom: bytes, sha256: str, *, urgent: bool = False) -> Receipt:
        """Send one DICOM file; what is `urgent` may be exempt from the pace."""
        headers = {"Content-Type": "application/dicom", "X-Cami-Sha256": sha256}
        answer = self._call("POST", "/instances", headers, dicom, urgent=urgent)
        return Receipt(answer["outcome"], str(answer.get("reason", "")), str(answer.get("sha256", "")))

    def confirm(self, manifest: Manifest) -> ManifestAnswer:
        """Compare what should be at the centre with what is."""
        document = {"study_id": manifest.study_id, "instances": dict(manifest.instances)}
        answer = self._call(
            "POST", "/manifests", {"Content-Type": "application/json"}, json.dumps(document).encode(), urgent=True
        )
        return ManifestAnswer(tuple(answer["missing"]), tuple(answer["different"]))

    def directory(self) -> dict[str, Any]:
        """Fetch the accounts of this proxy's МО."""
        return self._call("GET", "/directory", {}, urgent=True)

    def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, urgent: bool
    ) -> dict[str, Any]:
        return _understood(self._request(method, path, headers, body, urgent=urgent))

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, urgent: bool
    ) -> requests.Response:
        signed = {HEADER: self._tokens.issue(), **headers}
        return self._transport.request(method, self._base + path, signed, body, urgent=urgent)


def _understood(response: requests.Response) -> dict[str, Any]:
    if response.status_code == 200:
        return _json_object(response)
    if response.status_code in (401, 403):
        raise Denied("the centre does not accept this proxy's token: check its key and its clock")
    if response.status_code in (413, 422):
        raise Permanent(f"the centre refuses the object (HTTP {response.status_code})")
    raise Transient(f"the centre answered HTTP {response.status_code}")


def _json_object(response: requests.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise Transient("the centre's answer is not JSON: is something else at its address?") from error
    if not isinstance(answer, dict):
        raise Transient("the centre's answer is not a JSON object: is something else at its address?")
    return answer
