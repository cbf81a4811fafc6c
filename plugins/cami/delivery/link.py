"""The proxy's line to the centre: every call goes out from here, over HTTPS."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import requests

from cami.delivery.queue import Manifest
from cami.delivery.tokens import HEADER, TokenIssuer
from cami.errors import Denied, Permanent, Transient

Outcome = Literal["stored", "present", "quarantined", "rejected"]

#: Seconds without a byte after which a line counts as dead; no limit on the whole, since 27 MB take two minutes at
#: 2 Mbit/s.
CONNECT_TIMEOUT = 10
STALL_TIMEOUT = 60


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

    def __init__(self, central_url: str, tokens: TokenIssuer) -> None:
        self._base = central_url + "/cami/wire/v1"
        self._tokens = tokens
        # requests does not promise that a session may be used by several threads: each has its own.
        self._local = threading.local()

    def send(self, dicom: bytes, sha256: str) -> Receipt:
        """Send one DICOM file."""
        headers = {"Content-Type": "application/dicom", "X-Cami-Sha256": sha256}
        answer = self._call("POST", "/instances", data=dicom, headers=headers)
        return Receipt(answer["outcome"], str(answer.get("reason", "")), str(answer.get("sha256", "")))

    def confirm(self, manifest: Manifest) -> ManifestAnswer:
        """Compare what should be at the centre with what is."""
        answer = self._call(
            "POST", "/manifests", json={"study_id": manifest.study_id, "instances": dict(manifest.instances)}
        )
        return ManifestAnswer(tuple(answer["missing"]), tuple(answer["different"]))

    def verify(self, instances: Mapping[str, str]) -> tuple[str, ...]:
        """Let the centre read files from its disk again; return the ids of those that are not as delivered.

        Parameters
        ----------
        instances
            Orthanc instance id → SHA-256, at most `cami.delivery.wire.MOST_VERIFIED`.
        """
        return tuple(self._call("POST", "/verifications", json={"instances": dict(instances)})["bad"])

    def directory(self) -> dict[str, Any]:
        """Fetch the accounts of this proxy's МО."""
        return self._call("GET", "/directory")

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            # Proxies of the environment, .netrc and the like are not for this line.
            session.trust_env = False
        headers = {HEADER: self._tokens.issue(), **arguments.pop("headers", {})}
        try:
            response = session.request(
                method,
                self._base + path,
                headers=headers,
                timeout=(CONNECT_TIMEOUT, STALL_TIMEOUT),
                allow_redirects=False,
                **arguments,
            )
        except requests.RequestException as error:
            raise Transient(f"no line to the centre ({type(error).__name__})") from error
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
