"""The one clock: aware UTC times, so that no naive time ever enters the database or a page."""

from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

#: The time zone of the region, in which people read times (Kemerovo region, UTC+7).
REGION_ZONE = ZoneInfo("Asia/Novokuznetsk")


class Clock(Protocol):
    """Anything that tells the time; tests pass their own."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Write `moment` as ISO 8601 in UTC with ``Z`` and milliseconds, as the JSON interfaces give it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
