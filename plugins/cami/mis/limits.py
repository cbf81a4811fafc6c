"""How much a client may ask: a bucket that refills; whoever empties it waits, and the others go on.

In memory and for each replica: it keeps a МИС that has gone wild from taking the centre's processors, it counts nothing
that must survive.
"""

import threading
import time
from collections.abc import Callable

#: Requests a second for good, and at once. Orders are wanted at 50 a second; the rest is for reading.
RATE, BURST = 100.0, 400.0


class Limits:
    """Buckets by client. Thread-safe."""

    def __init__(self, rate: float = RATE, burst: float = BURST, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait(self, client: str) -> float:
        """Take one request of a client; return 0, or how many seconds it has to wait instead."""
        with self._lock:
            now = self._now()
            left, at = self._buckets.get(client, (self._burst, now))
            left = min(self._burst, left + (now - at) * self._rate)
            allowed = left >= 1
            self._buckets[client] = (left - 1 if allowed else left, now)
            return 0.0 if allowed else (1 - left) / self._rate
