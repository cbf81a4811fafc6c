"""What was recorded a short time ago, so that one study opened in a thousand requests is one event.

PS3.15 A.5.3.7 (DICOM Instances Accessed) is an event a study, not an image: what the same person does with the same
study from the same address within a window is recorded at its beginning; how often more it was done stands in the
record of the next window.
"""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cami.clock import Clock

_STRIPES = 64
_MOST = 50_000


@dataclass(slots=True)
class _Seen:
    until: datetime
    more: int = 0
    """Times that it was done again; not exact when many do it at once."""


class Recent:
    """Remembers what was recorded, by key, for a while; at most so many. Thread-safe."""

    def __init__(self, clock: Clock, window: timedelta, most: int = _MOST) -> None:
        self._clock = clock
        self._window = window
        self._most = most
        self._seen: dict[Hashable, _Seen] = {}
        self._lock = threading.Lock()
        # Who comes with the same key while it is being recorded waits until it is.
        self._stripes = tuple(threading.Lock() for _ in range(_STRIPES))

    def once(self, key: Hashable, record: Callable[[int], None]) -> None:
        """Call `record`, unless that was done for this key within the window; what it raises is raised.

        It is given how often the key came since it was recorded last, unless that is forgotten.
        """
        now = self._clock.now()
        if self._again(key, now):
            return
        with self._stripes[hash(key) % _STRIPES]:
            if self._again(key, now):
                return
            before = self._seen.get(key)
            record(before.more if before else 0)
            self._remember(key, _Seen(now + self._window))

    def knows(self, key: Hashable) -> bool:
        """Say whether it would not be recorded now."""
        seen = self._seen.get(key)
        return seen is not None and self._fresh(seen, self._clock.now())

    def forget(self, key: Hashable) -> None:
        """Have the next time recorded again."""
        with self._lock:
            self._seen.pop(key, None)

    def _again(self, key: Hashable, now: datetime) -> bool:
        seen = self._seen.get(key)
        if seen is None or not self._fresh(seen, now):
            return False
        seen.more += 1
        return True

    def _fresh(self, seen: _Seen, now: datetime) -> bool:
        return seen.until - self._window <= now < seen.until  # also if the clock was set back

    def _remember(self, key: Hashable, seen: _Seen) -> None:
        with self._lock:
            self._seen.pop(key, None)
            self._seen[key] = seen
            while len(self._seen) > self._most:
                del self._seen[next(iter(self._seen))]
