"""How fast a proxy may write to its line: the rate of the hour, kept by all senders together (F-05).

A bucket of time, not of bytes: each piece that is sent takes the time that it needs at the rate of this moment, and may
leave when all before it is paid for. So a change of the rate acts on the next piece.
"""

import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from cami.clock import Clock
from cami.delivery.meter import Meter
from cami.delivery.order import ALL, Priority
from cami.region import Link

#: Bytes on the wire for a byte that we write: IP and TCP headers (52 of 1500: 3.7 %), TLS records, about one per cent
#: of packets sent again.
OVERHEAD = 1.05
#: Seconds of the rate that a sender who woke late may make up for. With a piece it is what any span may exceed the rate
#: by: 0.25 s, which in 10 s are 2.5 %.
ALLOWANCE = 0.2
#: Seconds of the rate in one piece.
PIECE = 0.05
SMALLEST_PIECE = 1024
LARGEST_PIECE = 16 * 1024
#: How long others stand back, at most, after an exempt sender has used the line.
LONGEST_DEBT = 1.0

_BYTES_IN_MEGABIT = 125_000
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Timetable:
    """What the registry gives a link at an hour, in the time zone of the region: its rate, and what may go."""

    def __init__(self, link: Link, zone: str, clock: Clock) -> None:
        self._link = link
        self._zone = ZoneInfo(zone)
        self._clock = clock
        self._held = frozenset(Priority(int(name.removeprefix("P"))) for name in link.night.classes)

    def limit(self) -> float | None:
        """Return how many bytes a second the line may carry now, or None if the registry sets no limit."""
        return self.mbit_s(self._clock.now()) * _BYTES_IN_MEGABIT if self._link.capped else None

    def classes(self) -> Collection[Priority]:
        """Return which classes may go now: what can wait does so until night (F-05)."""
        return ALL if self._is_night() else ALL - self._held

    def held(self) -> Collection[Priority]:
        """Return which classes wait for the night now."""
        return frozenset() if self._is_night() else self._held

    def _is_night(self) -> bool:
        night = self._link.night
        hour = f"{self._clock.now().astimezone(self._zone):%H:%M}"
        if night.start < night.end:
            return night.start <= hour < night.end
        return hour >= night.start or hour < night.end

    def mbit_s(self, moment: datetime) -> float:
        """Return the rate of a moment."""
        local = moment.astimezone(self._zone)
        day, hour = _DAYS[local.weekday()], f"{local:%H:%M}"
        for window in self._link.timetable:
            if day in window.days and window.start <= hour < window.end:
                return window.mbit_s
        return self._link.mbit_s

    def changes_at(self) -> datetime | None:
        """Return when the rate will be another one, or None if it never is."""
        now = self._clock.now()
        present = self.mbit_s(now)
        today = now.astimezone(self._zone).date()
        edges = {edge for window in self._link.timetable for edge in (window.start, window.end)} - {"24:00"} | {"00:00"}
        moments = (
            datetime.combine(today + timedelta(days=day), time_of_day.fromisoformat(edge), self._zone)
            for day in range(9)
            for edge in sorted(edges)
        )
        return next((moment for moment in moments if moment > now and self.mbit_s(moment) != present), None)


def no_limit() -> float | None:
    """Let the line carry what it can."""
    return None


class Pace:
    """Keeps all senders of a proxy together to a rate."""

    def __init__(
        self,
        limit: Callable[[], float | None] = no_limit,
        *,
        urgent_exempt: bool = False,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        meter: Meter | None = None,
    ) -> None:
        """Make a pace of `limit()` bytes a second on the wire; `now` and `sleep` are the clock that it goes by."""
        self.meter = meter or Meter()
        self._limit = limit
        self._urgent_exempt = urgent_exempt
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._paid_until = float("-inf")

    def piece(self) -> int:
        """Return how much to write at once at the present rate."""
        rate = self._limit()
        if rate is None:
            return LARGEST_PIECE
        return min(max(int(rate * PIECE / OVERHEAD), SMALLEST_PIECE), LARGEST_PIECE)

    def take(self, payload: int, *, urgent: bool = False) -> None:
        """Wait until `payload` bytes may be written."""
        delay = self.reserve(payload, urgent=urgent)
        if delay > 0:
            self._sleep(delay)

    def reserve(self, payload: int, *, urgent: bool = False) -> float:
        """Take a place on the line for `payload` bytes; return in how many seconds it comes.

        What is exempt goes at once, and the others stand back for it, but never longer than `LONGEST_DEBT`.
        """
        rate = self._limit()
        if rate is None:
            return 0.0
        with self._lock:
            now = self._now()
            begin = max(self._paid_until, now - ALLOWANCE)
            end = begin + payload * OVERHEAD / rate
            if urgent and self._urgent_exempt:
                self._paid_until = max(self._paid_until, min(end, now + LONGEST_DEBT))
                return 0.0
            self._paid_until = end
            return max(begin - now, 0.0)
