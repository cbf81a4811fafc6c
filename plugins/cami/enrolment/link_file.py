"""A proxy's own key and certificate: made here, certified by the centre, replaced in time. The key never leaves.

``link.pem`` holds both, so that they change together; ``next.key`` is the key that the centre was asked to certify. It
stays until the answer is here: asking again with it gives the same certificate, so a lost answer costs nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from cami.enrolment.authority import write_secret
from cami.errors import Invalid, Misconfigured

NAME, NEXT = "link.pem", "next.key"


@dataclass(frozen=True, slots=True)
class Certified:
    """How long the present certificate is good."""

    since: datetime
    until: datetime

    def due(self, now: datetime) -> bool:
        """Say whether it is time for the next: a third of its life is left, or less."""
        return now >= self.until - (self.until - self.since) / 3


class LinkFile:
    """The folder in which they lie."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / NAME

    def certified(self) -> Certified | None:
        """Return how long the certificate is good; None if this proxy has not joined by a code.

        Raises
        ------
        cami.errors.Misconfigured
            The file is damaged.
        """
        try:
            certificate = x509.load_pem_x509_certificate(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Misconfigured(f"{self.path.name} holds no certificate: join again with a new code") from error
        return Certified(certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    def request(self, mo: str) -> str:
        """Return a request (PEM) to certify the next key, which is made if there is none."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = self._next()
        if key is None:
            key = Ed25519PrivateKey.generate()
            write_secret(self._folder / NEXT, _pem(key))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"proxy-{mo}")])
        made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, None)
        return made.public_bytes(Encoding.PEM).decode("ascii")

    def accept(self, certificate: str) -> None:
        """Put the next key to use with its certificate (PEM).

        Raises
        ------
        cami.errors.Invalid
            The certificate is not for that key.
        """
        key = self._next()
        try:
            parsed = x509.load_pem_x509_certificate(certificate.encode("ascii"))
        except ValueError as error:
            raise Invalid("what the centre has answered is no certificate") from error
        if key is None or parsed.public_key() != key.public_key():
            raise Invalid("the centre's certificate is for another key than ours")
        write_secret(self.path, _pem(key) + parsed.public_bytes(Encoding.PEM))
        (self._folder / NEXT).unlink(missing_ok=True)

    def _next(self) -> Ed25519PrivateKey | None:
        try:
            key = load_pem_private_key((self._folder / NEXT).read_bytes(), None)
        except (FileNotFoundError, ValueError):
            return None
        return key if isinstance(key, Ed25519PrivateKey) else None


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
