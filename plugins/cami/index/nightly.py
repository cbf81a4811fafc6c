"""When the index is compared with Orthanc: once a night, at an hour when few work."""

from datetime import date
from zoneinfo import ZoneInfo

from cami.clock import Clock
from cami.index.follower import IndexFollower

#: Local hour of the comparison.
HOUR = 4


class NightlyComparison:
    """Asks the follower for a thorough check once a night."""

    def __init__(self, follower: IndexFollower, clock: Clock, zone: ZoneInfo) -> None:
        self._follower = follower
        self._clock = clock
        self._zone = zone
        self._last: date | None = None

    def step(self) -> bool:
        """Ask if it is time; return whether it was. A night during which the server was down is not made up for."""
        now = self._clock.now().astimezone(self._zone)
        if now.hour != HOUR or now.date() == self._last:
            return False
        self._last = now.date()
        self._follower.ask_for_check(thorough=True)
        return True
