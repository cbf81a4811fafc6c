"""Delivery day by day (F-62): lag from device to centre, volume, errors; at a proxy also what came in and what arrived.

A day is one of the region's calendar. A study belongs to the day on which its first image came in: at the centre for
the centre's report, at the proxy for the proxy's. Its lag is that of its slowest image, by the proxy's clock alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Engine, case, func, select

from cami.db import reading
from cami.db.tables import delivery_item, delivery_study, quarantined_object, study
from cami.delivery.states import State


@dataclass(frozen=True, slots=True)
class Figures:
    """What the centre knows of one МО's day beside the counts of `cami.watch.completeness`."""

    lag_median: float | None = None
    """Seconds; None: no study of that day has told of its lag yet."""
    lag_p95: float | None = None
    size: int = 0
    """Bytes stored."""
    errors: int = 0
    """Objects that were kept apart on that day."""


@dataclass(frozen=True, slots=True)
class ProxyDay:
    """One day of a proxy; counts are images except the first."""

    day: date
    studies: int
    confirmed_studies: int
    instances: int
    arrived: int
    """That the centre has stored."""
    confirmed: int
    failed: int
    """That the centre does not take, or has lost."""
    size: int
    lags: Sequence[float]
    """Seconds, of each study that has any at the centre, sorted."""


def central_figures(
    engine: Engine, mos: Sequence[str], first: date, last: date, zone: ZoneInfo
) -> Mapping[tuple[str, date], Figures]:
    """Return the figures of some МО by МО and day, both days included; what there is nothing of is left out."""
    found: dict[tuple[str, date], Figures] = {}
    with reading(engine).connect() as connection:
        for day, begin, end in _days(first, last, zone):
            errors = _errors(connection, mos, begin, end)
            sizes = _sizes(connection, mos, begin, end)
            lags = _lags(connection, mos, begin, end)
            for mo in {*errors, *sizes}:
                median, p95 = lags.get(mo, (None, None))
                found[mo, day] = Figures(median, p95, sizes.get(mo, 0), errors.get(mo, 0))
    return found


def central_lags(
    engine: Engine, mos: Sequence[str], first: date, last: date, zone: ZoneInfo
) -> Mapping[str, tuple[float, float]]:
    """Return median and 95th percentile of the lags of some МО over several days together."""
    begin = datetime.combine(first, time(), zone)
    end = datetime.combine(last + timedelta(days=1), time(), zone)
    with reading(engine).connect() as connection:
        return _lags(connection, mos, begin, end)


def proxy_days(engine: Engine, first: date, last: date, zone: ZoneInfo) -> list[ProxyDay]:
    """Return the days of this proxy on which something came in, the latest first."""
    found = []
    with reading(engine).connect() as connection:
        for day, begin, end in _days(first, last, zone):
            studies = connection.execute(_of_proxy(begin, end)).all()
            if not studies:
                continue
            found.append(
                ProxyDay(
                    day=day,
                    studies=len(studies),
                    confirmed_studies=sum(row.confirmed == row.instances for row in studies),
                    instances=sum(row.instances for row in studies),
                    arrived=sum(row.arrived for row in studies),
                    confirmed=sum(row.confirmed for row in studies),
                    failed=sum(row.failed for row in studies),
                    size=sum(int(row.size) for row in studies),
                    lags=sorted(row.lag for row in studies if row.lag is not None),
                )
            )
    return found[::-1]


def rank(values: Sequence[float], percent: int) -> float | None:
    """Return the percentile of sorted `values` by nearest rank: a value that occurred; None of none."""
    return values[(len(values) * percent + 99) // 100 - 1] if values else None


def _days(first: date, last: date, zone: ZoneInfo) -> Iterator[tuple[date, datetime, datetime]]:
    while first <= last:
        following = first + timedelta(days=1)
        yield first, datetime.combine(first, time(), zone), datetime.combine(following, time(), zone)
        first = following


def _of_proxy(begin: datetime, end: datetime) -> Any:
    item, began = delivery_item.c, delivery_study.c.began_at

    def number(*states: State) -> ColumnElement[int]:
        return func.sum(case((item.state.in_(states), 1), else_=0))

    return (
        select(
            number(*(state for state in State if state is not State.REJECTED)).label("instances"),
            number(State.STORED, State.CONFIRMED, State.EVICTED).label("arrived"),
            number(State.CONFIRMED, State.EVICTED).label("confirmed"),
            number(State.QUARANTINED, State.LOST).label("failed"),
            func.sum(item.size).label("size"),
            func.max(item.lag_seconds).label("lag"),
        )
        .join_from(delivery_study, delivery_item, item.study_id == delivery_study.c.study_id)
        .where(began >= begin.timestamp(), began < end.timestamp())
        .group_by(item.study_id)
    )


def _errors(connection: Connection, mos: Sequence[str], begin: datetime, end: datetime) -> Mapping[str, int]:
    kept = quarantined_object.c
    query = (
        select(kept.source, func.count().label("number"))
        .where(kept.received_at >= begin, kept.received_at < end, kept.source.in_(mos))
        .group_by(kept.source)
    )
    return {row.source: row.number for row in connection.execute(query)}


def _sizes(connection: Connection, mos: Sequence[str], begin: datetime, end: datetime) -> Mapping[str, int]:
    query = (
        select(study.c.owner, func.sum(study.c.stored_bytes).label("size"))
        .where(study.c.claimed_at >= begin, study.c.claimed_at < end, study.c.owner.in_(mos))
        .group_by(study.c.owner)
    )
    return {row.owner: int(row.size) for row in connection.execute(query)}


def _lags(
    connection: Connection, mos: Sequence[str], begin: datetime, end: datetime
) -> Mapping[str, tuple[float, float]]:
    """Return median and 95th percentile by nearest rank; the database sorts, since a region's month has many."""
    same_owner = study.c.owner
    ranked = (
        select(
            study.c.owner,
            study.c.lag_seconds.label("lag"),
            func.row_number().over(partition_by=same_owner, order_by=study.c.lag_seconds).label("place"),
            func.count().over(partition_by=same_owner).label("number"),
        )
        .where(
            study.c.claimed_at >= begin,
            study.c.claimed_at < end,
            study.c.owner.in_(mos),
            study.c.lag_seconds.is_not(None),
        )
        .subquery()
    )

    def percentile(percent: int) -> ColumnElement[float]:
        return func.max(case((ranked.c.place == (ranked.c.number * percent + 99) // 100, ranked.c.lag)))

    query = select(ranked.c.owner, percentile(50).label("median"), percentile(95).label("p95")).group_by(ranked.c.owner)
    return {row.owner: (row.median, row.p95) for row in connection.execute(query)}
