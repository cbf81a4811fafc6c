"""The token with which a monitoring system reads figures: ``Authorization: Bearer …`` (RFC 6750), from a file.

A proxy knows the accounts of its МО only, and figures must be readable while the line is down; so its monitoring has a
token of its own beside the other secrets. Whoever may write that file may set it; without the file there is none.
"""

import hmac
import logging
import threading
from pathlib import Path

from cami.people.identity import Identity
from cami.people.roles import Role

log = logging.getLogger(__name__)

#: Shorter ones are not taken: they could be guessed.
SHORTEST = 32

_MONITOR = Identity("monitor", "", Role.MONITOR, "")


class MonitorToken:
    """Reads the file when it changes. Thread-safe."""

    def __init__(self, path: Path, identity: Identity = _MONITOR) -> None:
        """Make it for the token in the file `path`; who has it is `identity`."""
        self._path = path
        self._identity = identity
        self._lock = threading.Lock()
        self._read_at: int | None = None
        self._token = b""

    def identify(self, authorization: str) -> Identity | None:
        """Return who it is if the header ``Authorization`` carries its token."""
        scheme, _, given = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = self._current()
        right = bool(token) and hmac.compare_digest(given.strip().encode("utf-8", "replace"), token)
        return self._identity if right else None

    def _current(self) -> bytes:
        with self._lock:
            try:
                changed_at = self._path.stat().st_mtime_ns
                if changed_at != self._read_at:
                    self._token, self._read_at = self._usable(self._path.read_bytes().strip()), changed_at
            except OSError:
                self._token, self._read_at = b"", None
            return self._token

    def _usable(self, token: bytes) -> bytes:
        if len(token) >= SHORTEST:
            return token
        log.warning("%s is not used: a token has at least %d characters", self._path.name, SHORTEST)
        return b""
