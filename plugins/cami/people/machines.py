"""Secrets of machines, kept in a file so that a new one holds before the old one ends: ``clients.json``.

``{"mis": ["$argon2id$…", "$argon2id$…"]}``: all of them are right. Whoever may write the secrets folder may set them; a
login that stands there has no other secret (`scripts/cami key rotate mis`).
"""

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

log = logging.getLogger(__name__)

#: In the secrets folder of the centre.
FILE = "clients.json"
#: So many at a time: each try costs a hash.
MOST = 2


class MachineSecrets:
    """Reads the file when it changes. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._read_at: int | None = None
        self._hashes: Mapping[str, tuple[str, ...]] = {}

    def hashes(self, login: str) -> tuple[str, ...]:
        """Return the hashes of a machine's secrets; nothing: its account has its password."""
        with self._lock:
            try:
                changed_at = self._path.stat().st_mtime_ns
                if changed_at != self._read_at:
                    self._hashes, self._read_at = _read(self._path), changed_at
            except FileNotFoundError:
                self._hashes, self._read_at = {}, None
            except (OSError, ValueError):
                # Half written or not ours to read: what held a moment ago still holds.
                log.warning("%s cannot be read", self._path.name)
            return self._hashes.get(login, ())


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    content = json.loads(path.read_text("utf-8"))
    if not isinstance(content, dict):
        raise ValueError("not an object")  # noqa: TRY004 - wrong content of a file
    return {str(login): tuple(str(known) for known in hashes[:MOST]) for login, hashes in content.items()}
