"""The proxy's short-lived token: a JWT (RFC 7519) signed with its Ed25519 key (RFC 8037).

The centre knows each proxy's public key from its registry, so the token says which МО is sending; no DICOM tag does
(design §3). Clocks of МО drift: a minute either way is forgiven.
"""

import hashlib
import hmac
import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from cami.clock import Clock
from cami.errors import Denied, Misconfigured
from cami.web import certificate_of

AUDIENCE = "cami-wire"
LIFETIME = timedelta(seconds=120)
LEEWAY = timedelta(seconds=60)
#: Not ``Authorization: Bearer``: Orthanc checks such a header against its own tokens under a lock that C-STORE holds.
HEADER = "X-Cami-Token"
_ISSUER = "proxy-"


class TokenIssuer:
    """Signs tokens at a proxy."""

    def __init__(self, mo: str, key_file: Path, clock: Clock) -> None:
        self._mo = mo
        self._clock = clock
        try:
            self._key = key_file.read_text("ascii")
        except OSError as error:
            raise Misconfigured(f"the proxy's key cannot be read: {key_file}: {error.strerror}") from error

    def issue(self) -> str:
        """Return a fresh token."""
        now = self._clock.now()
        claims = {"iss": _ISSUER + self._mo, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME}
        return jwt.encode(claims, self._key, algorithm="EdDSA")


class TokenVerifier:
    """Checks tokens at the centre."""

    def __init__(
        self, keys: Mapping[str, Ed25519PublicKey], clock: Clock, certificates: Mapping[str, str] | None = None
    ) -> None:
        """Make one; `certificates` are the SHA-256 of those that proxies must show to the gateway, by МО."""
        self._keys = dict(keys)
        self._clock = clock
        self._certificates = dict(certificates or {})

    def verify_request(self, headers: Mapping[str, str]) -> str:
        """Return the code of the МО whose proxy has sent a request with these headers (names in lower case).

        A token alone could be used by whoever has read it, for two minutes; where the centre knows a proxy's
        certificate, it counts only on a connection that this certificate has opened.

        Raises
        ------
        cami.errors.Denied
            As `verify`, or another certificate was shown, or none.
        """
        mo = self.verify(headers.get(HEADER.lower(), ""))
        bound = self._certificates.get(mo)
        if bound is not None and not hmac.compare_digest(bound, certificate_of(headers)):
            raise Denied("this proxy has to show its own certificate")
        return mo

    def verify(self, token: str) -> str:
        """Return the code of the МО whose proxy signed `token`.

        Raises
        ------
        cami.errors.Denied
            The token is broken, foreign, expired, or made out for longer than we allow.
        """
        try:
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss", "")
            mo = str(issuer).removeprefix(_ISSUER)
            key = self._keys.get(mo)
            if key is None or issuer != _ISSUER + mo:
                raise Denied("this proxy is not in the registry")
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                options={"require": ["iss", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise Denied(f"the token is not valid: {type(error).__name__}") from error
        now = self._clock.now().timestamp()
        issued, expires = float(claims["iat"]), float(claims["exp"])
        leeway = LEEWAY.total_seconds()
        if expires - issued > LIFETIME.total_seconds() or not issued - leeway <= now <= expires + leeway:
            raise Denied("the token is not valid now: check the clocks of proxy and centre")
        return mo


def read_certificates(folder: Path) -> dict[str, str]:
    """Read ``<mo>.crt`` files beside the keys: the SHA-256 of the certificate that a proxy has to show, by МО.

    Raises
    ------
    cami.errors.Misconfigured
        A file is no certificate.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.crt")):
        try:
            found[path.stem] = hashlib.sha256(ssl.PEM_cert_to_DER_cert(path.read_text("ascii").strip())).hexdigest()
        except (ValueError, UnicodeDecodeError) as error:
            raise Misconfigured(f"not a certificate in PEM: {path}") from error
    return found


def read_public_keys(folder: Path) -> dict[str, Ed25519PublicKey]:
    """Read ``<mo>.pem`` files: the public keys of the region's proxies, by МО.

    Raises
    ------
    cami.errors.Misconfigured
        A file is not an Ed25519 public key.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    for path in sorted(folder.glob("*.pem")):
        try:
            key = load_pem_public_key(path.read_bytes())
        except ValueError as error:
            raise Misconfigured(f"not a public key in PEM: {path}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Misconfigured(f"not an Ed25519 public key: {path}")
        keys[path.stem] = key
    return keys
