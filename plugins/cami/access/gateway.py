"""The trusted gateway before Orthanc: the reverse proxy that ends TLS, and what it alone may say of a client.

Behind it every connection comes from one address, so the client's own and its TLS certificate travel in headers, which
any client could write as well. The gateway proves itself by a token, in a header of its own, from a file beside the
other secrets; from anybody else these headers are taken out before somebody looks at them. ГОСТ TLS is such a gateway's
work, too (docs/ru/gateway.md).
"""

import hashlib
import hmac
import ipaddress
import logging
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

log = logging.getLogger(__name__)

#: Shorter ones are not taken: they could be guessed.
SHORTEST = 32
TOKEN_HEADER = "x-cami-gateway"  # noqa: S105 - a name
ADDRESS_HEADER = "x-real-ip"
CERTIFICATE_HEADER = "x-client-cert"
VERIFIED_HEADER = "x-client-cert-verify"
_VERIFIED = "SUCCESS"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from."""

    address: str = ""
    certificate: str = ""
    """SHA-256 of the client's certificate (DER), in hex; empty without one."""
    gateway: bool = False
    """Whether it came by the trusted gateway."""


class Gateway:
    """Tells the gateway's requests from others. Thread-safe; the file is read again when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._read_at: int | None = None
        self._token = b""

    def origin(self, peer: str, headers: Mapping[str, str]) -> Origin:
        """Return where a request of the TCP peer `peer` with these headers (names in lower case) comes from."""
        given = headers.get(TOKEN_HEADER)
        if given is None or not self._is_token(given):
            return Origin(peer)
        address = _address(headers.get(ADDRESS_HEADER, "")) or peer
        verified = headers.get(VERIFIED_HEADER, "") == _VERIFIED
        return Origin(address, _fingerprint(headers.get(CERTIFICATE_HEADER, "")) if verified else "", gateway=True)

    def _is_token(self, given: str) -> bool:
        token = self._current()
        return bool(token) and hmac.compare_digest(given.strip().encode("utf-8", "replace"), token)

    def _current(self) -> bytes:
        with self._lock:
            try:
                changed_at = self._path.stat().st_mtime_ns
                if changed_at != self._read_at:
                    token = self._path.read_bytes().strip()
                    if len(token) < SHORTEST:
                        log.warning("%s is not used: a token has at least %d characters", self._path.name, SHORTEST)
                        token = b""
                    self._token, self._read_at = token, changed_at
            except OSError:
                self._token, self._read_at = b"", None
            return self._token


def cleaned(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return headers without what only the gateway may say; handlers find it in the request itself."""
    if not any(_claims(name) for name in headers):
        return headers
    return {name: value for name, value in headers.items() if not _claims(name)}


def _claims(name: str) -> bool:
    return name.startswith(("x-client-cert", "x-forwarded-", "x-cami-gateway")) or name in (ADDRESS_HEADER, "forwarded")


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return ""


def _fingerprint(escaped: str) -> str:
    """Return the SHA-256 of a certificate as nginx's ``$ssl_client_escaped_cert`` writes it; empty if it is none."""
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(unquote(escaped).strip())).hexdigest()
    except ValueError:
        return ""
