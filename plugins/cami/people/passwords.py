"""Password hashing: argon2id, as RFC 9106 §4 recommends where memory is scarce (3 passes, 64 MiB, 4 lanes)."""

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from cami.errors import Transient

#: Longer ones are refused unread, so that nobody can make us hash megabytes.
LONGEST_PASSWORD = 1024
#: One hash takes 64 MiB: a flood of sign-ins must take neither all memory nor all processors.
_HASHES_AT_A_TIME = 2
_WAIT_SECONDS = 10.0


def _normal(password: str) -> bytes:
    # RFC 8265 §4.2: the same password typed on different keyboards gives the same bytes ("й" composed or not).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


class Passwords:
    """Makes and checks password hashes, few at a time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._slots = threading.BoundedSemaphore(_HASHES_AT_A_TIME)
        self._decoy: str | None = None
        self._decoy_lock = threading.Lock()

    def hash(self, password: str) -> str:
        """Hash `password` with a new salt."""
        return self._hasher.hash(_normal(password))

    def verify(self, password_hash: str, password: str) -> bool:
        """Say whether `password` is the one that was hashed; a damaged hash matches nothing.

        Raises
        ------
        cami.errors.Transient
            Too many passwords are being checked.
        """
        if len(password) > LONGEST_PASSWORD:
            return False
        with self._slot():
            try:
                return self._hasher.verify(password_hash, _normal(password))
            except (VerificationError, InvalidHashError):
                return False

    def verify_nobody(self, password: str) -> None:
        """Do the work of a check for a login that does not exist, so that time does not tell which logins do."""
        with self._decoy_lock:
            if self._decoy is None:
                self._decoy = self.hash("nobody")
        self.verify(self._decoy, password)

    def outdated(self, password_hash: str) -> bool:
        """Say whether `password_hash` was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=_WAIT_SECONDS):
            raise Transient("too many passwords are being checked")
        try:
            yield
        finally:
            self._slots.release()


def hash_password(password: str) -> str:
    """Hash a password for ``accounts.json``."""
    return Passwords().hash(password)
