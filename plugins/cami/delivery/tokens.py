"""The proxy's short-lived token: a JWT (RFC 7519) signed with its Ed25519 key (RFC 8037).

The centre knows each proxy's public keys from its registry, so the token says which МО is sending; no DICOM tag does
(design §3). Clocks of МО drift: a minute either way is forgiven.

Keys rotate without a gap: an МО may have two public keys at the centre, ``<mo>.pem`` and ``<mo>.<kid>.pem``, both good;
a token names its key (``kid``, RFC 7515 §4.1.4). Both sides read their files again when they change (`scripts/cami key
rotate`).
"""

import hashlib
import hmac
import logging
import ssl
import threading
import time
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from cami.clock import Clock
from cami.errors import Denied, Misconfigured
from cami.web import certificate_of

AUDIENCE = "cami-wire"
LIFETIME = timedelta(seconds=120)
LEEWAY = timedelta(seconds=60)
#: Not ``Authorization: Bearer``: Orthanc checks such a header against its own tokens under a lock that C-STORE holds.
HEADER = "X-Cami-Token"
_ISSUER = "proxy-"


log = logging.getLogger(__name__)

PublicKeys = tuple[Ed25519PublicKey, ...]
#: Of one МО at a time.
MOST_KEYS = 2
#: Seconds between two looks at the folder.
_LOOK = 1.0


class TokenIssuer:
    """Signs tokens at a proxy. Thread-safe."""

    def __init__(self, mo: str, key_file: Path, clock: Clock) -> None:
        self._mo = mo
        self._file = key_file
        self._clock = clock
        self._lock = threading.Lock()
        self._key = ""
        self.kid = ""
        """Name of the key that is in use."""
        self._read_at: int | None = None
        try:
            self._read()
        except OSError as error:
            raise Misconfigured(f"the proxy's key cannot be read: {key_file}: {error.strerror}") from error

    def issue(self) -> str:
        """Return a fresh token."""
        now = self._clock.now()
        claims = {"iss": _ISSUER + self._mo, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME}
        with self._lock:
            try:
                self._read()
            except (OSError, ValueError):  # half replaced: the one that we have is as good as a moment ago
                log.warning("%s cannot be read", self._file.name)
            return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self.kid})

    def _read(self) -> None:
        changed_at = self._file.stat().st_mtime_ns
        if changed_at != self._read_at:
            text = self._file.read_text("ascii")
            self.kid = _kid_of_private(text)
            self._key, self._read_at = text, changed_at


class Keys:
    """The public keys of the region's proxies, by МО, read again when the folder changes. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Read them.

        Raises
        ------
        cami.errors.Misconfigured
            A file is not an Ed25519 public key.
        """
        self._folder = folder
        self._lock = threading.Lock()
        self._seen = _state(folder)
        self._looked_at = time.monotonic()
        self._keys = read_public_keys(folder)

    def of(self, mo: str) -> PublicKeys:
        """Return the keys of an МО."""
        with self._lock:
            now = time.monotonic()
            state = _state(self._folder) if now - self._looked_at >= _LOOK else self._seen
            self._looked_at = now if state is not self._seen else self._looked_at
            if state != self._seen:
                try:
                    self._keys, self._seen = read_public_keys(self._folder), state
                except (Misconfigured, OSError) as error:
                    # One that is half written shuts nobody else out; it is looked at again with the next token.
                    log.warning("the proxies' keys are not read again: %s", type(error).__name__)
            return self._keys.get(mo, ())


class KeySource(Protocol):
    """Knows the public keys of proxies; `Keys` does, and `cami.enrolment.KeyRing`."""

    def of(self, mo: str) -> PublicKeys:
        """Return the keys of an МО."""
        ...


class TokenVerifier:
    """Checks tokens at the centre."""

    def __init__(
        self,
        keys: KeySource | Mapping[str, Ed25519PublicKey | PublicKeys],
        clock: Clock,
        certificates: Mapping[str, str] | None = None,
        issued: Callable[[str], Collection[str]] | None = None,
    ) -> None:
        """Make one.

        Parameters
        ----------
        certificates
            The SHA-256 of those that proxies must show to the gateway, by МО.
        issued
            Tells the SHA-256 of those that the centre has issued to an МО: where a proxy shows one, it must be of them.
        """
        self._keys = keys
        self._clock = clock
        self._certificates = dict(certificates or {})
        self._issued_to = issued

    def _issued(self, mo: str, shown: str) -> Collection[str]:
        """Return the certificates that an МО may show; any, where the centre has issued none."""
        found = self._issued_to(mo) if self._issued_to is not None else ()
        return found or (shown,)

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
        shown = certificate_of(headers)
        if bound is not None and not hmac.compare_digest(bound, shown):
            raise Denied("this proxy has to show its own certificate")
        if bound is None and shown and shown not in self._issued(mo, shown):
            raise Denied("this certificate is not this proxy's")
        return mo

    def _of(self, mo: str, kid: str) -> PublicKeys:
        if isinstance(self._keys, Mapping):
            known = self._keys.get(mo, ())
            found: PublicKeys = known if isinstance(known, tuple) else (known,)
        else:
            found = self._keys.of(mo)
        named = tuple(key for key in found if kid_of(key) == kid)
        # Proxies of earlier releases name none.
        return named if kid else found

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
            keys = self._of(mo, str(jwt.get_unverified_header(token).get("kid", "")))
            if not keys or issuer != _ISSUER + mo:
                raise Denied("this proxy, or its key, is not in the registry")
            claims = _decoded(token, keys)
        except jwt.PyJWTError as error:
            raise Denied(f"the token is not valid: {type(error).__name__}") from error
        now = self._clock.now().timestamp()
        issued, expires = float(claims["iat"]), float(claims["exp"])
        leeway = LEEWAY.total_seconds()
        if expires - issued > LIFETIME.total_seconds() or not issued - leeway <= now <= expires + leeway:
            raise Denied("the token is not valid now: check the clocks of proxy and centre")
        return mo


def _decoded(token: str, keys: PublicKeys) -> Mapping[str, float]:
    for number, key in enumerate(keys, 1):
        try:
            claims: Mapping[str, float] = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                options={"require": ["iss", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidSignatureError:
            if number == len(keys):
                raise
        else:
            return claims
    raise jwt.InvalidSignatureError


def kid_of(key: Ed25519PublicKey) -> str:
    """Return the name of a key: the beginning of the SHA-256 of its public half."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _kid_of_private(pem: str) -> str:
    key = load_pem_private_key(pem.encode("ascii"), None)
    public = key.public_key()
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004 - wrong content of a file
    return kid_of(public)


def _state(folder: Path) -> frozenset[tuple[str, int]]:
    return frozenset((path.name, path.stat().st_mtime_ns) for path in folder.glob("*.pem"))


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


def read_public_keys(folder: Path) -> dict[str, PublicKeys]:
    """Read ``<mo>.pem`` and ``<mo>.<kid>.pem``: the public keys of the region's proxies, by МО, two of each at most.

    Raises
    ------
    cami.errors.Misconfigured
        A file is not an Ed25519 public key, or an МО has too many.
    """
    keys: dict[str, PublicKeys] = {}
    for path in sorted(folder.glob("*.pem")):
        try:
            key = load_pem_public_key(path.read_bytes())
        except ValueError as error:
            raise Misconfigured(f"not a public key in PEM: {path}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Misconfigured(f"not an Ed25519 public key: {path}")
        mo = path.name.split(".")[0]
        keys[mo] = (*keys.get(mo, ()), key)
        if len(keys[mo]) > MOST_KEYS:
            raise Misconfigured(f"МО {mo} has more than {MOST_KEYS} public keys: {folder}")
    return keys
