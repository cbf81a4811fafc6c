"""Waiting for errands at the centre: who waits holds a thread of Orthanc's HTTP server, so places are few.

An errand that was made in this process is heard at once. One that another replica has written into the database is
found by a look at the table once a second, one look for all who wait.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

#: Seconds between two looks at the table.
LOOK_EVERY = 1.0


class Pending(NamedTuple):
    """What is open for an МО."""

    total: int
    newest: int
    """Number of the newest errand."""
    news: int = 0
    """How far what else proxies are told of is; it only grows."""


_NOTHING = Pending(0, 0)


class Bell:
    """Lets the calls of proxies wait until there may be an errand for them. Thread-safe."""

    def __init__(
        self, look: Callable[[], Mapping[str, Pending]], places: int, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Make a bell.

        Parameters
        ----------
        look
            Returns what is open, by МО.
        places
            How many may wait at the same time.
        now
            The clock that waiting goes by.
        """
        self._look = look
        self._places = places
        self._now = now
        self._changed = threading.Condition()
        self._rings: dict[str, int] = {}
        self._seen: Mapping[str, Pending] = {}
        self._looked = float("-inf")
        self._looking = False
        self._waiting = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return self._waiting

    def ring(self, mo: str) -> None:
        """Tell that there is an errand for `mo`."""
        with self._changed:
            self._rings[mo] = self._rings.get(mo, 0) + 1
            self._changed.notify_all()

    def close(self) -> None:
        """Send everybody away: the server stops, and would otherwise wait for them."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def ticket(self, mo: str) -> int:
        """Return what to wait with; take it before looking for errands, so that none is missed in between."""
        with self._changed:
            return self._rings.get(mo, 0)

    def wait(self, mo: str, ticket: int, seconds: float) -> bool:
        """Wait until there may be an errand for `mo`, at most `seconds`; return False at once if there is no place."""
        end = self._now() + seconds
        with self._changed:
            if self._closed or self._waiting >= self._places:
                return False
            self._waiting += 1
        try:
            while self._silent(mo, ticket, end):
                self._look_again()
        finally:
            with self._changed:
                self._waiting -= 1
        return True

    def _silent(self, mo: str, ticket: int, end: float) -> bool:
        """Wait for a ring, for the next look or for the end; say whether to go on waiting."""
        with self._changed:
            if self._over(mo, ticket, end):
                return False
            until_look = LOOK_EVERY if self._looking else self._looked + LOOK_EVERY - self._now()
            if until_look > 0:
                self._changed.wait(min(end - self._now(), until_look))
            return not self._over(mo, ticket, end)

    def _over(self, mo: str, ticket: int, end: float) -> bool:
        return self._closed or self._rings.get(mo, 0) != ticket or self._now() >= end

    def _look_again(self) -> None:
        with self._changed:
            if self._looking or self._now() < self._looked + LOOK_EVERY:
                return
            self._looking = True
        found = self._seen
        try:
            found = self._look()
        finally:
            with self._changed:
                self._looking = False
                self._looked = self._now()
                self._compare(found)

    def _compare(self, found: Mapping[str, Pending]) -> None:
        """Ring for every МО for which more is open than at the last look."""
        for mo, pending in found.items():
            before = self._seen.get(mo, _NOTHING)
            if any(now > then for now, then in zip(pending, before, strict=True)):
                self._rings[mo] = self._rings.get(mo, 0) + 1
        self._seen = found
        self._changed.notify_all()
