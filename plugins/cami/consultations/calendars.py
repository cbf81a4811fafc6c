"""Working days of the region, and deadlines that are counted in them (ТК РФ ст. 111-112, in the МО's time zone)."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cami.region import span_of
from cami.region.consultations import WorkingCalendar

#: Non-working holidays of each year (ТК РФ ст. 112): month and day. What the government moves stands in the registry.
HOLIDAYS = frozenset(
    [(1, day) for day in range(1, 9)] + [(2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4)]
)  # fmt: skip
_SATURDAY = 5


class Calendar:
    """Counts working days in one time zone."""

    def __init__(self, rules: WorkingCalendar, zone: ZoneInfo) -> None:
        self._zone = zone
        self._holidays = frozenset(rules.holidays)
        self._workdays = frozenset(rules.workdays)
        self._opens = _time(rules.hours.from_)

    def is_working(self, day: date) -> bool:
        """Return whether people work on a day."""
        if day in self._workdays:
            return True
        return day.weekday() < _SATURDAY and day not in self._holidays and (day.month, day.day) not in HOLIDAYS

    def after(self, moment: datetime, span: str) -> datetime:
        """Return the moment that is a span after `moment`, in UTC.

        A span of working days ends at the same time of the last of them; one that begins on a day off is counted from
        the opening of the next working day.
        """
        amount, days = span_of(span)
        if not days:
            return moment.astimezone(UTC) + amount
        local = moment.astimezone(self._zone)
        if not self.is_working(local.date()):
            local = datetime.combine(self._next(local.date()), self._opens, self._zone)
        day = local.date()
        for _ in range(days):
            day = self._next(day)
        return datetime.combine(day, local.time(), self._zone).astimezone(UTC)

    def day(self, moment: datetime) -> date:
        """Return the day of a moment where the МО are."""
        return moment.astimezone(self._zone).date()

    def weekday_and_time(self, moment: datetime) -> tuple[int, str]:
        """Return the day of the week (Monday is 0) and hours and minutes of a moment where the МО are."""
        local = moment.astimezone(self._zone)
        return local.weekday(), f"{local:%H:%M}"

    def start_of_day(self, day: date) -> datetime:
        """Return when a day begins, in UTC."""
        return datetime.combine(day, time(), self._zone).astimezone(UTC)

    def _next(self, day: date) -> date:
        following = day + timedelta(days=1)
        while not self.is_working(following):
            following += timedelta(days=1)
        return following


def _time(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour) % 24, int(minute))
