"""What «Полнота передачи» shows: one shape for the centre's counts and for a proxy's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cami.access import Action, Identity, allowed
from cami.clock import SystemClock
from cami.delivery import Runs
from cami.portal.completeness_wording import FINDINGS
from cami.region import Region
from cami.settings import Settings
from cami.watch import central_figures, central_lags, completeness, proxy_days
from cami.watch.completeness import Counts, MoCompleteness
from cami.watch.daily import Figures, ProxyDay, rank

#: Comparisons that a proxy's page lists.
_RUNS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Row:
    """A day of an МО, or several days together; counts are images except the first two."""

    studies: int
    confirmed_studies: int
    expected: int
    received: int
    different: int
    """Of which the centre has other content, or a damaged file; at a proxy what the centre does not take."""
    errors: int
    """Objects kept apart; at a proxy the same as `different`."""
    size: int
    lag_median: float | None
    lag_p95: float | None
    day: date | None = None

    @property
    def share(self) -> float:
        """Return which part of what is expected has been received."""
        return min(self.received / self.expected, 1.0) if self.expected else 1.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of a proxy with the centre."""

    ended_at: datetime | None
    """None while it runs."""
    studies: int
    findings: Sequence[tuple[str, int]]
    """Message ids and numbers of images; empty: nothing differed."""


@dataclass(frozen=True, slots=True)
class Organization:
    """One МО over the days that were asked for."""

    mo: str
    total: Row
    days: Sequence[Row]
    """The latest first."""
    comparisons: Sequence[Comparison]
    """The latest first."""


class Report(Protocol):
    """Where the page's figures come from."""

    def organizations(self, identity: Identity, first: date, last: date) -> Sequence[Organization]:
        """Return the МО that somebody may see, from the day `first` to the day `last`, both included."""
        ...


def report_of(settings: Settings, engine: Engine, region: Region) -> Report:
    """Return the report of this server's role."""
    zone = ZoneInfo(region.time_zone)
    if settings.role == "proxy":
        return ProxyReport(engine, settings.mo, zone)
    return CentralReport(engine, [organization.code for organization in region.with_proxy], zone)


class CentralReport:
    """What the centre has received from each МО."""

    def __init__(self, engine: Engine, mos: Sequence[str], zone: ZoneInfo) -> None:
        self._engine = engine
        self._mos = mos
        self._zone = zone

    def organizations(self, identity: Identity, first: date, last: date) -> Sequence[Organization]:
        """Return all МО to people of the region, to others their own."""
        if not allowed(identity.role, Action.COMPLETENESS_READ, "central"):
            return []
        mos = [mo for mo in self._mos if identity.mo in ("", mo)]
        asked = (self._engine, mos, first, last, self._zone)
        figures, lags = central_figures(*asked), central_lags(*asked)
        found = []
        for organization in completeness(*asked):
            of_days = {day: entry for (mo, day), entry in figures.items() if mo == organization.mo}
            counts = {entry.day: entry.counts for entry in organization.days}
            days = [
                _central_row(counts.get(day, Counts()), of_days.get(day, Figures()), day)
                for day in sorted({*counts, *of_days}, reverse=True)
            ]
            median, p95 = lags.get(organization.mo, (None, None))
            together = Figures(
                lag_median=median,
                lag_p95=p95,
                size=sum(entry.size for entry in of_days.values()),
                errors=sum(entry.errors for entry in of_days.values()),
            )
            total = _central_row(organization.total, together, None)
            found.append(Organization(organization.mo, total, days, _reported(organization)))
        return found


class ProxyReport:
    """What this proxy has taken in, and what of it is at the centre."""

    def __init__(self, engine: Engine, mo: str, zone: ZoneInfo) -> None:
        self._engine = engine
        self._mo = mo
        self._zone = zone
        self._runs = Runs(engine, SystemClock())

    def organizations(self, identity: Identity, first: date, last: date) -> Sequence[Organization]:
        """Return the МО of this proxy to its own people."""
        if identity.mo != self._mo:
            return []
        days = proxy_days(self._engine, first, last, self._zone)
        comparisons = [Comparison(run.ended_at, run.studies, _findings(run)) for run in self._runs.latest(_RUNS_SHOWN)]
        total = _together(days)
        return [Organization(self._mo, total, [_proxy_row(day) for day in days], comparisons)]


def _central_row(counts: Counts, figures: Figures, day: date | None) -> Row:
    return Row(
        studies=counts.studies,
        confirmed_studies=counts.confirmed_studies,
        expected=counts.expected,
        received=counts.received,
        different=counts.pixels_different + counts.damaged,
        errors=figures.errors,
        size=figures.size,
        lag_median=figures.lag_median,
        lag_p95=figures.lag_p95,
        day=day,
    )


def _proxy_row(day: ProxyDay) -> Row:
    return Row(
        studies=day.studies,
        confirmed_studies=day.confirmed_studies,
        expected=day.instances,
        received=day.arrived,
        different=day.failed,
        errors=day.failed,
        size=day.size,
        lag_median=rank(day.lags, 50),
        lag_p95=rank(day.lags, 95),
        day=day.day,
    )


def _together(days: Sequence[ProxyDay]) -> Row:
    lags = sorted(lag for day in days for lag in day.lags)
    failed = sum(day.failed for day in days)
    return Row(
        studies=sum(day.studies for day in days),
        confirmed_studies=sum(day.confirmed_studies for day in days),
        expected=sum(day.instances for day in days),
        received=sum(day.arrived for day in days),
        different=failed,
        errors=failed,
        size=sum(day.size for day in days),
        lag_median=rank(lags, 50),
        lag_p95=rank(lags, 95),
    )


def _reported(organization: MoCompleteness) -> Sequence[Comparison]:
    run = organization.last_run
    return [] if run is None else [Comparison(run.ended_at, run.studies, _findings(run))]


def _findings(run: object) -> Sequence[tuple[str, int]]:
    """Return what a run has found, in words; what it found none of is left out."""
    return [(words, getattr(run, name)) for name, words in FINDINGS.items() if getattr(run, name)]
