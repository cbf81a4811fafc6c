"""Secrets of people that the server must be able to read again: encrypted, with a key that is not in the database.

AES-256-GCM (NIST SP 800-38D); whose secret it is, is authenticated too, so one account's cannot be put into another's
row.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cami.errors import Misconfigured

#: In the secrets folder of the centre.
FILE = "people.key"
_NONCE = 12


def new_key() -> str:
    """Return the content of a new key file: 256 random bits."""
    return base64.b64encode(secrets.token_bytes(32)).decode("ascii") + "\n"


class Vault:
    """Encrypts and decrypts. Thread-safe."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._mac_key = hmac.digest(key, b"cami recovery codes", hashlib.sha256)

    @classmethod
    def read(cls, path: Path) -> "Vault | None":
        """Return the vault of a key file; None if there is no such file.

        Raises
        ------
        cami.errors.Misconfigured
            The file is there and holds no key.
        """
        try:
            key = base64.b64decode(path.read_bytes().strip(), validate=True)
        except FileNotFoundError:
            return None
        except (OSError, binascii.Error) as error:
            raise Misconfigured(f"the key of people's secrets cannot be read: {path}") from error
        if len(key) != 32:
            raise Misconfigured(f"the key of people's secrets must have 256 bits: {path}")
        return cls(key)

    def seal(self, login: str, secret: bytes) -> str:
        """Encrypt a secret of somebody."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher.encrypt(nonce, secret, login.encode("utf-8"))
        return base64.b64encode(nonce + sealed).decode("ascii")

    def open(self, login: str, sealed: str) -> bytes:
        """Decrypt a secret of somebody.

        Raises
        ------
        cami.errors.Misconfigured
            It was encrypted with another key, or for somebody else.
        """
        try:
            data = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(data[:_NONCE], data[_NONCE:], login.encode("utf-8"))
        except (binascii.Error, InvalidTag, ValueError) as error:
            raise Misconfigured("a second factor cannot be read: is people.key the right one?") from error

    def mark(self, login: str, code: str) -> str:
        """Return what is kept of a recovery code: it cannot be guessed from the database alone."""
        return hmac.new(self._mac_key, f"{login}\0{code}".encode(), hashlib.sha256).hexdigest()
