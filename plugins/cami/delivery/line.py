"""Whether the line to the centre works: one judgement for all senders of a proxy.

Without it each sender would find out for itself, again and again, and read and hash an image each time.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cami.clock import Clock
from cami.delivery.reasons import Cause

#: Longest rest after a failure: a line that is back is used again within this time.
LONGEST_REST = timedelta(seconds=5)


def rest(failures: int) -> timedelta:
    """Return how long to wait after so many failures before: half a second, doubling, at most `LONGEST_REST`."""
    return min(timedelta(seconds=0.5 * 2 ** min(failures, 10)), LONGEST_REST)


@dataclass(frozen=True, slots=True)
class Outage:
    """What is wrong with the line, and since when."""

    cause: Cause
    since: datetime


class Line:
    """Remembers failures; thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._rests_until: datetime | None = None
        self._outage: Outage | None = None
        self._on_back: Callable[[], None] = lambda: None

    def tell_back(self, listener: Callable[[], None]) -> None:
        """Let `listener` know when the line works again; it must return at once."""
        self._on_back = listener

    @property
    def outage(self) -> Outage | None:
        """What is wrong with the line; None while it works, as far as is known."""
        return self._outage

    def unheard(self, cause: Cause = Cause.LINE) -> None:
        """Note that somebody got no answer from the centre. Senders find out for themselves when to try again."""
        with self._lock:
            self._note(cause)

    def heard(self) -> None:
        """Note that the centre has answered a question of another kind: it is there, whether or not it takes images."""
        with self._lock:
            back = self._outage is not None and self._outage.cause is not Cause.CENTRE
            if back:
                self._outage = None
        if back:
            self._on_back()

    def failed(self, cause: Cause = Cause.LINE) -> None:
        """Note a failure: the line rests, the longer the more failures there were in a row."""
        with self._lock:
            self._note(cause)
            self._rests_until = self._clock.now() + rest(self._failures)
            self._failures += 1

    def works(self) -> None:
        """Note that something got through."""
        with self._lock:
            self._failures = 0
            self._rests_until = None
            back, self._outage = self._outage is not None, None
        if back:
            self._on_back()

    def not_tried(self) -> None:
        """Take back a permission to try that was not used: there was nothing to send."""
        with self._lock:
            if self._rests_until is not None:
                self._rests_until = self._clock.now()

    def may_be_tried(self) -> bool:
        """Say whether to try now. After a rest one caller is let through to try; the others wait for what it finds."""
        with self._lock:
            if self._rests_until is None:
                return True
            now = self._clock.now()
            # A clock that was set back must not make the rest longer than any rest is.
            if now < self._rests_until <= now + LONGEST_REST:
                return False
            self._rests_until = now + LONGEST_REST
            return True

    def _note(self, cause: Cause) -> None:
        since = self._outage.since if self._outage is not None else self._clock.now()
        self._outage = Outage(cause, since)
