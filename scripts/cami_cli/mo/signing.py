"""The signature under installation bundles: ECDSA P-256 over SHA-256, which every ``openssl`` verifies.

Deterministic (RFC 6979): the same bundle has the same signature.
"""

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from cami.enrolment.desk import SIGNER
from cami_cli.errors import Trouble

KEY = "bundle.key"


def ensure_signer(secrets: Path, write: Callable[[Path, bytes], None]) -> bool:
    """Make the key that bundles are signed with; one that is there stays."""
    if (secrets / KEY).exists():
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    write(secrets / SIGNER, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    write(secrets / KEY, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return True


class Signer:
    """Signs, with the key among a centre's secrets."""

    def __init__(self, secrets: Path) -> None:
        """Read it.

        Raises
        ------
        cami_cli.errors.Trouble
            There is none.
        """
        try:
            key = load_pem_private_key((secrets / KEY).read_bytes(), None)
            self.public = (secrets / SIGNER).read_bytes()
        except (OSError, ValueError) as error:
            raise Trouble(f"{secrets / KEY} cannot be read", "scripts/cami ca init") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Trouble(f"{secrets / KEY} is no key of ours", "remove it, then scripts/cami ca init")
        self._key = key

    def sign(self, content: bytes) -> bytes:
        """Return the signature of `content` (DER)."""
        return self._key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
