"""«Полнота передачи» at the centre: what each МО has announced, and what of it is here, confirmed and compared.

Every number is one that the centre has written down itself, or that a proxy has told it and that is named so. A day is
the day of the region's calendar on which the first image of a study came in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, case, func, select

from cami.db import reading
from cami.db.tables import file_damage, proxy_report, scrub_round, sent_content, study, study_completeness

#: Days that can be asked for at once.
LONGEST = 92


@dataclass(frozen=True, slots=True)
class Counts:
    """Studies of one МО whose first image came in on one day, or in several days together."""

    studies: int = 0
    confirmed_studies: int = 0
    """Of which the proxy's last manifest agreed."""
    unannounced_studies: int = 0
    """Of which no manifest has come yet: it is not known how much is to come."""
    series: int = 0
    """Of which something is stored here."""
    expected_series: int = 0
    """By the last manifests, where they tell."""
    expected: int = 0
    """Instances, by the last manifests, or as the proxies have announced before them."""
    received: int = 0
    """Instances that are stored here."""
    confirmed: int = 0
    """Instances of the studies that are confirmed."""
    pixels_verified: int = 0
    """Instances whose stored pixels, read from the disk, are those that the proxy has; or of which both have none."""
    pixels_different: int = 0
    """Instances of which they are not."""
    damaged: int = 0
    """Instances whose stored file was found damaged or gone and is not repaired yet."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day of an МО."""

    day: date
    counts: Counts


@dataclass(frozen=True, slots=True)
class ProxyRun:
    """A comparison of a proxy with the centre, as the proxy has told of it; counts are instances except the first."""

    cause: str
    """``nightly`` or ``asked``."""
    started_at: datetime
    ended_at: datetime
    studies: int
    instances: int
    unknown: int
    missing: int
    different: int
    lost: int
    absent: int
    reported_at: datetime

    @property
    def clean(self) -> bool:
        """Whether nothing differed, so that nothing had to be repaired."""
        return not (self.unknown or self.missing or self.different or self.lost or self.absent)


@dataclass(frozen=True, slots=True)
class MoCompleteness:
    """One МО."""

    mo: str
    total: Counts
    days: Sequence[Day]
    """Days on which something came in, in their order."""
    last_run: ProxyRun | None
    """The last comparison that its proxy told of, whatever days were asked for."""


@dataclass(frozen=True, slots=True)
class ScrubState:
    """How far the centre is in reading all of its files from the disk again."""

    began_at: datetime
    """Of the present round, or of the last one."""
    ended_at: datetime | None
    files: int
    size: int
    """Bytes read."""
    damaged: int
    """Found in this round."""
    last_whole_round_at: datetime | None
    """When a round last came to its end."""


def completeness(engine: Engine, mos: Sequence[str], first: date, last: date, zone: ZoneInfo) -> list[MoCompleteness]:
    """Return what has come from some МО from the day `first` to the day `last`, both included.

    Parameters
    ----------
    mos
        Codes of the МО; each is in the answer, in this order, also when nothing came from it.
    zone
        Of the region, for the calendar.
    """
    days: dict[str, list[Day]] = {mo: [] for mo in mos}
    with reading(engine).connect() as connection:
        for day in _days(first, min(last, first + timedelta(days=LONGEST - 1))):
            for mo, counts in _counts(connection, day, zone, mos):
                days[mo].append(Day(day, counts))
        runs = {mo: _last_run(connection, mo) for mo in mos}
    return [MoCompleteness(mo, _sum(days[mo]), days[mo], runs[mo]) for mo in mos]


def scrub_state(engine: Engine) -> ScrubState | None:
    """Return how far rereading is; None before its first step."""
    latest = select(scrub_round).order_by(scrub_round.c.round.desc()).limit(1)
    with reading(engine).connect() as connection:
        row = connection.execute(latest).first()
        if row is None:
            return None
        ended = connection.scalar(select(func.max(scrub_round.c.ended_at)))
    return ScrubState(row.began_at, row.ended_at, row.files, row.size, row.damaged, ended)


def pixels_verified(engine: Engine, instance_ids: Sequence[str]) -> set[str]:
    """Return which of some instances of this proxy the centre has compared by pixels and found the same."""
    query = select(sent_content.c.instance_id).where(
        sent_content.c.instance_id.in_(instance_ids), sent_content.c.verified_at.is_not(None)
    )
    with reading(engine).connect() as connection:
        return set(connection.scalars(query))


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


def _counts(connection: Connection, day: date, zone: ZoneInfo, mos: Sequence[str]) -> Iterator[tuple[str, Counts]]:
    begin = datetime.combine(day, time(), zone)
    end = datetime.combine(day + timedelta(days=1), time(), zone)
    of_the_day = (study.c.claimed_at >= begin, study.c.claimed_at < end, study.c.owner.in_(mos))
    confirmed = study.c.confirmed_at.is_not(None)
    done = study_completeness.c
    query = (
        select(
            study.c.owner,
            func.count().label("studies"),
            func.sum(case((confirmed, 1), else_=0)).label("confirmed_studies"),
            func.sum(case((done.manifest_at.is_(None) & ~confirmed, 1), else_=0)).label("unannounced_studies"),
            func.coalesce(func.sum(done.series), 0).label("series"),
            func.coalesce(func.sum(done.expected_series), 0).label("expected_series"),
            func.coalesce(func.sum(study.c.expected), 0).label("expected"),
            func.coalesce(func.sum(done.instances), 0).label("received"),
            func.coalesce(func.sum(case((confirmed, study.c.expected), else_=0)), 0).label("confirmed"),
            func.coalesce(func.sum(done.pixels_same), 0).label("pixels_verified"),
            func.coalesce(func.sum(done.pixels_other), 0).label("pixels_different"),
        )
        .join_from(study, study_completeness, study.c.study_id == done.study_id, isouter=True)
        .where(*of_the_day)
        .group_by(study.c.owner)
    )
    damaged = (
        select(study.c.owner, func.count().label("damaged"))
        .join_from(file_damage, study, file_damage.c.study_id == study.c.study_id)
        .where(file_damage.c.repaired_at.is_(None), *of_the_day)
        .group_by(study.c.owner)
    )
    broken = {row.owner: row.damaged for row in connection.execute(damaged)}
    for row in connection.execute(query).mappings():
        values = dict(row)
        owner = values.pop("owner")
        yield owner, Counts(**values, damaged=broken.get(owner, 0))


def _last_run(connection: Connection, mo: str) -> ProxyRun | None:
    query = select(proxy_report).where(proxy_report.c.mo == mo).order_by(proxy_report.c.started_at.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else ProxyRun(**{name: value for name, value in row.items() if name != "mo"})


def _sum(days: Sequence[Day]) -> Counts:
    return Counts(**{name: sum(getattr(day.counts, name) for day in days) for name in Counts.__dataclass_fields__})
