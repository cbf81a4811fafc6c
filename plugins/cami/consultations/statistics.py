"""How consultations go: numbers, times, refusals, load (F-64). Counts and times only: nothing of a patient."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, select

from cami.access import Identity
from cami.consultations.agreement import Agreed, count_agreement
from cami.consultations.routes import RouteTable
from cami.consultations.states import State
from cami.db import reading
from cami.db.tables import consultation

#: Days of a report at most.
LONGEST = 366
#: What a report can be limited to, and told apart by.
_CHOICES = ("mo", "profile", "urgency")
DIMENSIONS = ("mo", "to_mo", "profile", "urgency", "kind", "modality", "consultant")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is about: requests sent on these days, where the МО are."""

    since: date
    until: date
    by: str = "mo"
    mo: str = ""
    profile: str = ""
    urgency: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Requests with one value of the dimension; the total has none."""

    value: str
    sent: int
    done: int
    units: float
    """Load of what was answered, in conditional units (F-63)."""
    rejected: int
    cancelled: int
    open: int
    late: int
    repeated: int
    """Follow an earlier request."""
    in_time: float | None
    """Of those that were answered, the part that was in time."""
    accept_median: timedelta | None
    accept_p90: timedelta | None
    answer_median: timedelta | None
    answer_p90: timedelta | None


@dataclass(frozen=True, slots=True)
class Report:
    """A report."""

    wanted: Wanted
    rows: list[Row]
    total: Row
    refusals: list[tuple[str, int]]
    """Codes of reasons of rejecting, with how often."""
    days: list[tuple[date, int]]
    """Requests by day."""
    agreed: Agreed
    """How far readers agree."""


class Statistics:
    """Counts."""

    def __init__(self, engine: Engine, routes: RouteTable) -> None:
        self._reader = reading(engine)
        self._routes = routes

    def report(self, identity: Identity, wanted: Wanted) -> Report:
        """Count requests; people of an МО those that it has asked or answered."""
        calendar = self._routes.calendar
        first = calendar.start_of_day(wanted.since)
        end = calendar.start_of_day(wanted.until + timedelta(days=1))
        columns = consultation.c
        conditions: list[ColumnElement[bool]] = [columns.sent_at >= first, columns.sent_at < end]
        if identity.mo:
            conditions.append((columns.mo == identity.mo) | (columns.to_mo == identity.mo))
        conditions += [columns[name] == value for name in _CHOICES if (value := getattr(wanted, name))]
        query = select(
            columns.state, columns.mo, columns.to_mo, columns.profile, columns.urgency, columns.kind,
            columns.modalities, columns.consultant_name, columns.sent_at, columns.accepted_at, columns.ended_at,
            columns.answer_by, columns.late, columns.reason, columns.based_on,
        ).where(*conditions)  # fmt: skip
        with self._reader.connect() as connection:
            found = connection.execute(query).all()
            agreed = count_agreement(connection, conditions)
        groups: dict[str, list[Any]] = {}
        for row in found:
            groups.setdefault(_value(row, wanted.by), []).append(row)
        rejected = Counter(row.reason for row in found if row.state == State.REJECTED)
        days = Counter(calendar.day(row.sent_at) for row in found)
        return Report(
            wanted,
            [self._row(value, rows) for value, rows in sorted(groups.items())],
            self._row("", found),
            rejected.most_common(),
            sorted(days.items()),
            agreed,
        )

    def _row(self, value: str, rows: Sequence[Any]) -> Row:
        done = [row for row in rows if row.state == State.DONE and row.ended_at is not None]
        return _row(value, rows, done, sum(self._routes.units(row.modalities) for row in done))


def _value(row: Any, by: str) -> str:
    if by == "modality":
        return next((code for code in row.modalities.split("\\") if code), "")
    return str(row.consultant_name if by == "consultant" else getattr(row, by))


def _row(value: str, rows: Sequence[Any], done: Sequence[Any], units: float) -> Row:
    states = Counter(row.state for row in rows)
    accepted = _seconds((row.sent_at, row.accepted_at) for row in rows)
    answered = _seconds((row.sent_at, row.ended_at) for row in done)
    in_time = sum(not row.late and row.ended_at <= row.answer_by for row in done)
    return Row(
        value=value,
        sent=len(rows),
        done=states[State.DONE],
        units=round(units, 1),
        rejected=states[State.REJECTED],
        cancelled=states[State.CANCELLED],
        open=sum(row.ended_at is None for row in rows),
        late=sum(bool(row.late) for row in rows),
        repeated=sum(row.based_on is not None for row in rows),
        in_time=in_time / len(done) if done else None,
        accept_median=_quantile(accepted, 0.5),
        accept_p90=_quantile(accepted, 0.9),
        answer_median=_quantile(answered, 0.5),
        answer_p90=_quantile(answered, 0.9),
    )


def _seconds(spans: Iterable[tuple[datetime, datetime | None]]) -> list[float]:
    return sorted((end - begin).total_seconds() for begin, end in spans if end is not None)


def _quantile(values: Sequence[float], part: float) -> timedelta | None:
    """Return the smallest value that so large a part of them does not exceed (nearest rank)."""
    return timedelta(seconds=values[max(0, math.ceil(part * len(values)) - 1)]) if values else None
