"""How much one client may ask: so many requests a second by account or address, and so many forms of the sign-in page.

People of one МО often share an address, so the figures are far above what a department does at eight in the morning,
and far below what hurts. Kept in memory, by server: a restart forgives. Wrong passwords are counted where they are
tried (`cami.people.guessing`).
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: Requests a second of one account, or of one address without an account; a CT of 2,000 frames is one burst.
REQUESTS, REQUESTS_BURST = 500.0, 5000.0
#: Forms of the sign-in page that one address sends, right or wrong.
SIGN_INS, SIGN_INS_BURST = 2.0, 120.0
_REMEMBERED = 10_000


@dataclass(slots=True)
class _Level:
    left: float
    at: float


class Bucket:
    """Token buckets by key: `burst` at once, `rate` a second in the long run. Thread-safe."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        """Make them; a rate of 0 sets no limit."""
        self._rate, self._burst, self._now = rate, burst, now
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, _Level] = OrderedDict()

    def take(self, key: str) -> bool:
        """Take one; False if there is none left."""
        if not self._rate:
            return True
        with self._lock:
            level = self._refilled(key)
            if level.left < 1:
                return False
            level.left -= 1
            return True

    def _refilled(self, key: str) -> _Level:
        now = self._now()
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = _Level(self._burst, now)
            if len(self._levels) > _REMEMBERED:
                self._levels.popitem(last=False)
            return level
        level.left = min(self._burst, level.left + (now - level.at) * self._rate)
        level.at = now
        self._levels.move_to_end(key)
        return level


class Limits:
    """The limits of one server."""

    def __init__(self, requests: float = REQUESTS, now: Callable[[], float] = time.monotonic) -> None:
        """Make them; `requests` a second, 0 for no limit of requests."""
        self.requests = Bucket(requests, requests * (REQUESTS_BURST / REQUESTS), now)
        self.sign_ins = Bucket(SIGN_INS, SIGN_INS_BURST, now)
