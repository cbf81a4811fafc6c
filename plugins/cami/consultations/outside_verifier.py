"""A service of the installation that verifies what we cannot: ГОСТ Р 34.10-2012, by a certified tool behind HTTP.

It is asked with ``{"document": base64, "signature": base64}`` and answers ``{"valid": true|false, "trusted":
true|false|null, "certificate": text}``: whether the signature is of the document, whether the certificate may be
trusted (null: not judged), and whose it is. The document is personal data: the service stands in the same protected
network, and is reached by HTTPS, or on this machine (docs/ru/consultations.md).
"""

import base64
from dataclasses import dataclass
from pathlib import Path

import requests

from cami.errors import Transient

_TIMEOUT = (5, 30)
_LARGEST = 100_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a tool says of a signature."""

    valid: bool
    trusted: bool | None = None
    certificate: str = ""
    """Whose it is; empty: not told."""


class OutsideVerifier:
    """Asks the service."""

    def __init__(self, name: str, url: str, token: Path | None = None) -> None:
        """Make it; `token` is the file of a bearer token, read each time."""
        self.name = name
        self._url = url
        self._token = token

    def verify(self, document: bytes, signature: bytes) -> Judgement:
        """Return what the service says.

        Raises
        ------
        cami.errors.Transient
            It cannot tell now.
        """
        asked = {"document": _text(document), "signature": _text(signature)}
        try:
            answer = requests.post(
                self._url, json=asked, headers=self._headers(), timeout=_TIMEOUT, allow_redirects=False
            )
            told = answer.json() if answer.ok and len(answer.content) < _LARGEST else None
        except (requests.RequestException, ValueError) as error:
            raise Transient(f"the verifier of signatures does not answer: {type(error).__name__}") from error
        if not isinstance(told, dict) or not isinstance(told.get("valid"), bool):
            raise Transient("the verifier of signatures does not say whether one is valid")
        trusted, whose = told.get("trusted"), told.get("certificate", "")
        return Judgement(
            told["valid"],
            trusted if isinstance(trusted, bool) else None,
            whose[:400] if isinstance(whose, str) else "",
        )

    def _headers(self) -> dict[str, str]:
        try:
            token = self._token.read_text("utf-8").strip() if self._token else ""
        except FileNotFoundError:
            token = ""
        return {"Authorization": f"Bearer {token}"} if token else {}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
