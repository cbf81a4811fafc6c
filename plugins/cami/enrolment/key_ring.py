"""The keys of proxies that are good now: those of the folder and those that have joined, without the revoked.

Asked with every request of a proxy, so what was found of an МО is kept for a second: revoking works within that time,
at every replica of the centre.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sqlalchemy import Engine, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import proxy_key
from cami.delivery.tokens import PublicKeys, kid_of

#: Seconds for which an answer is kept.
KEPT = 1.0


class KeyFolder(Protocol):
    """Knows the keys of the folder; `cami.delivery.tokens.Keys` does."""

    def of(self, mo: str) -> PublicKeys:
        """Return the keys of an МО."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    keys: PublicKeys
    certificates: frozenset[str]
    until: float


class KeyRing:
    """Keys and certificates by МО. Thread-safe."""

    def __init__(
        self, folder: KeyFolder, engine: Engine, clock: Clock, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._reader = reading(engine)
        self._clock = clock
        self._ticks = ticks
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._parsed: dict[str, Ed25519PublicKey] = {}

    def of(self, mo: str) -> PublicKeys:
        """Return the keys of an МО that are good now."""
        return self._look(mo).keys

    def certificates_of(self, mo: str) -> frozenset[str]:
        """Return the SHA-256 of the certificates that were issued to the proxy of an МО and are good now."""
        return self._look(mo).certificates

    def forget(self, mo: str) -> None:
        """Look again with the next request: something has changed."""
        with self._lock:
            self._known.pop(mo, None)

    def _look(self, mo: str) -> _Known:
        ticks = self._ticks()
        with self._lock:
            known = self._known.get(mo)
        if known is not None and ticks < known.until:
            return known
        known = self._read(mo, self._clock.now(), ticks + KEPT)
        if known.keys:  # strangers invent codes: what is not known is not remembered
            with self._lock:
                self._known[mo] = known
        return known

    def _read(self, mo: str, now: datetime, until: float) -> _Known:
        columns = (
            proxy_key.c.kid, proxy_key.c.public_key, proxy_key.c.certificate_sha256,
            proxy_key.c.not_after, proxy_key.c.ended_at,
        )  # fmt: skip
        with self._reader.connect() as connection:
            rows = connection.execute(select(*columns).where(proxy_key.c.mo == mo)).all()
        ended = {row.kid for row in rows if row.ended_at is not None and row.ended_at <= now}
        good = [row for row in rows if row.kid not in ended and row.public_key and now < row.not_after]
        files = tuple(key for key in self._folder.of(mo) if kid_of(key) not in ended)
        return _Known(
            (*files, *(self._parse(row.kid, row.public_key) for row in good)),
            frozenset(row.certificate_sha256 for row in good),
            until,
        )

    def _parse(self, kid: str, pem: str) -> Ed25519PublicKey:
        found = self._parsed.get(kid)
        if found is None:
            key = load_pem_public_key(pem.encode("ascii"))
            if not isinstance(key, Ed25519PublicKey):
                raise TypeError("a key in the database is not Ed25519")
            found = self._parsed[kid] = key
        return found
