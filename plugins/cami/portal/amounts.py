"""Sizes, rates, times and shares as people read them, in their language and in the region's time zone."""

import functools
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.numbers import format_decimal
from babel.units import format_unit

from cami.portal.texts import Language

_SIZES = ((10**12, "terabyte"), (10**9, "gigabyte"), (10**6, "megabyte"), (10**3, "kilobyte"))
_BITS = 8
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class Amounts:
    """Writes amounts for one language; its methods are the filters of the templates."""

    def __init__(self, language: Language, zone: ZoneInfo) -> None:
        self._language = language
        self._zone = zone

    def filters(self) -> Mapping[str, Callable[[Any], str]]:
        """Return what the templates may write after ``|``."""
        names = ("number", "size", "rate", "duration", "moment", "clock", "day", "share")
        return {name: getattr(self, name) for name in names}

    def number(self, value: float) -> str:
        """Write a count: 12 345."""
        return _count(value, self._language) if isinstance(value, int) else str(
            format_decimal(value, locale=self._language)
        )  # fmt: skip

    def size(self, value: float) -> str:
        """Write bytes in the largest unit that is not above them: 1,2 ГБ."""
        for factor, unit in _SIZES:
            if value >= factor:
                return self._unit(value / factor, f"digital-{unit}")
        return self._unit(value, "digital-byte")

    def rate(self, value: float) -> str:
        """Write bytes a second in megabits a second, as lines are sold: 1,9 Мбит/с."""
        second = "с" if self._language == "ru" else "s"
        return f"{self._unit(value * _BITS / 10**6, 'digital-megabit')}/{second}"

    def duration(self, seconds: float) -> str:
        """Write a time in its two largest units; what is longer than minutes without its seconds: 2 ч 10 мин."""
        whole = round(seconds)
        if whole < _MINUTE:
            return self._unit(whole, "duration-second")
        parts = ((whole // _DAY, "day"), (whole % _DAY // _HOUR, "hour"), (whole % _HOUR // _MINUTE, "minute"))
        written = [self._unit(amount, f"duration-{unit}") for amount, unit in parts if amount]
        return " ".join(written[:2])

    def moment(self, value: datetime) -> str:
        """Write day and time: 22.11.2026 14:05."""
        return f"{value.astimezone(self._zone):%d.%m.%Y %H:%M}"

    def clock(self, value: datetime) -> str:
        """Write the time of a day: 14:05."""
        return f"{value.astimezone(self._zone):%H:%M}"

    def day(self, value: date) -> str:
        """Write a day: 22.11.2026."""
        return f"{value:%d.%m.%Y}"

    def share(self, value: float) -> str:
        """Write a part of one as a percentage, never rounded up to all of it."""
        shape = "#0.#" if value < 1 else "#0"
        gap = "\u00a0" if self._language == "ru" else ""
        return f"{format_decimal(min(value, 0.999) * 100 if value < 1 else 100, shape, locale=self._language)}{gap}%"

    def _unit(self, value: float, unit: str) -> str:
        shape = "#,##0.#" if value < 100 else "#,##0"
        if isinstance(value, int):
            return _whole(value, unit, shape, self._language)
        return str(format_unit(value, unit, "short", format=shape, locale=self._language))


@functools.lru_cache(4096)
def _count(value: int, language: Language) -> str:
    return str(format_decimal(value, locale=language))


@functools.lru_cache(4096)
def _whole(value: int, unit: str, shape: str, language: Language) -> str:
    """Write a whole amount. Times that are left stand in every line of a list: most amounts come again and again."""
    return str(format_unit(value, unit, "short", format=shape, locale=language))
