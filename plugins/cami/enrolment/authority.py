"""The region's small certification authority: it vouches for the keys of proxies, and for nothing else.

Its key lies among the centre's secrets, because certificates are renewed over the line while nobody watches. Whoever
has it can speak as any proxy, as whoever has the folder of keys always could; it opens no account and no image at a
proxy. A proxy's key is Ed25519 and never leaves its machine: only a request for a certificate comes (PKCS #10, RFC
2986).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cami.errors import Invalid, Misconfigured

#: Among the secrets of the centre.
KEY, CERTIFICATE = "authority.key", "authority.pem"
#: What it is called in its certificates; 64 bytes at most, so in Latin letters.
NAME = "CAMI PACS Proxy CA"
AUTHORITY_YEARS = 15
#: A year; renewed when a third of it is left.
LIFETIME = timedelta(days=365)
#: Clocks of МО drift: a certificate is good from a little before it was made.
BACKDATED = timedelta(minutes=10)
_LARGEST_REQUEST = 8192


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and the key that it is for."""

    certificate: x509.Certificate
    public_key: Ed25519PublicKey

    @property
    def pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def public_pem(self) -> str:
        """The key as PEM."""
        return self.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    @property
    def sha256(self) -> str:
        """The certificate's fingerprint, as a gateway tells it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()


class Authority:
    """Signs certificates of proxies."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate

    @classmethod
    def read(cls, secrets: Path) -> "Authority":
        """Read it from the centre's secrets.

        Raises
        ------
        cami.errors.Misconfigured
            It is not there, or is none.
        """
        try:
            key = load_pem_private_key((secrets / KEY).read_bytes(), None)
            certificate = x509.load_pem_x509_certificate((secrets / CERTIFICATE).read_bytes())
        except FileNotFoundError as error:
            raise Misconfigured("the centre has no authority yet: scripts/cami ca init") from error
        except (OSError, ValueError) as error:
            raise Misconfigured(f"the centre's authority cannot be read: {KEY}, {CERTIFICATE}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
            raise Misconfigured(f"{KEY} and {CERTIFICATE} do not belong together")
        return cls(key, certificate)

    def issue(self, request: str, mo: str, now: datetime, lifetime: timedelta = LIFETIME) -> Issued:
        """Return a certificate of the proxy of `mo` for the key of a request (PEM); the rest of it counts for nothing.

        Raises
        ------
        cami.errors.Invalid
            It is no request that its own key has signed, or the key is not Ed25519.
        """
        key = requested_key(request)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"proxy-{mo}")]))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(min(now + lifetime, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        return Issued(builder.sign(self._key, hashes.SHA256()), key)


def requested_key(request: str) -> Ed25519PublicKey:
    """Return the key that a request (PEM) asks a certificate for, once its signature is right.

    Raises
    ------
    cami.errors.Invalid
        It is no such request.
    """
    try:
        if len(request) > _LARGEST_REQUEST:
            raise ValueError  # noqa: TRY301 - one answer for whatever is wrong
        parsed = x509.load_pem_x509_csr(request.encode("ascii"))
        key = parsed.public_key()
        if not isinstance(key, Ed25519PublicKey) or not parsed.is_signature_valid:
            raise ValueError  # noqa: TRY301
    except (ValueError, InvalidSignature, x509.UnsupportedGeneralNameType) as error:
        raise Invalid("this is no request for a certificate that an Ed25519 key has signed (PKCS #10)") from error
    return key


def make_authority(secrets: Path, now: datetime, write: Callable[[Path, bytes], None]) -> bool:
    """Make an authority among the secrets of a centre; False if there is one, which stays.

    Parameters
    ----------
    write
        Writes a file that only its owner reads.
    """
    if (secrets / KEY).exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=365 * AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    # The key last: what is half made has none and is made anew.
    write(secrets / CERTIFICATE, certificate.public_bytes(Encoding.PEM))
    write(secrets / KEY, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return True


def write_secret(file: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all, on the disk when this returns."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
