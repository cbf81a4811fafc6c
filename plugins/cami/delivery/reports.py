"""How each proxy's comparisons with the centre ended, told to the centre, so that one page shows all МО.

A proxy tells until the centre has noted it; telling twice changes nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, delete, insert

from cami.clock import Clock, iso
from cami.db.tables import proxy_report
from cami.delivery.link import CentralLink
from cami.delivery.runs import Findings, Run, Runs
from cami.errors import Invalid

log = logging.getLogger(__name__)

#: Runs that go in one call.
MOST = 50

_CAUSES = ("nightly", "asked")
_COUNTS = tuple(Findings.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Report:
    """One run, as the wire carries it."""

    cause: str
    started_at: datetime
    ended_at: datetime
    findings: Findings

    @classmethod
    def parse(cls, document: Any) -> "Report":
        """Read what a proxy tells.

        Raises
        ------
        cami.errors.Invalid
            It is no report.
        """
        try:
            cause = str(document["cause"])
            moments = [datetime.fromisoformat(document[name]) for name in ("started_at", "ended_at")]
            counts = {name: int(document[name]) for name in _COUNTS}
        except (KeyError, TypeError, ValueError) as error:
            raise Invalid("this is no report of a comparison") from error
        if cause not in _CAUSES or any(moment.tzinfo is None for moment in moments):
            raise Invalid("this is no report of a comparison")
        if any(not 0 <= count < 2**31 for count in counts.values()):
            raise Invalid("a count is out of range")
        return cls(cause, moments[0], moments[1], Findings(**counts))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that `parse` reads."""
        return {
            "cause": self.cause,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            **asdict(self.findings),
        }


class ProxyReports:
    """The centre's table ``proxy_report``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def note(self, mo: str, reports: Sequence[Report]) -> None:
        """Write down what the proxy of `mo` tells."""
        with self._engine.begin() as connection:
            for report in reports:
                this = (proxy_report.c.mo == mo) & (proxy_report.c.started_at == report.started_at)
                connection.execute(delete(proxy_report).where(this))
                connection.execute(
                    insert(proxy_report).values(
                        mo=mo,
                        cause=report.cause,
                        started_at=report.started_at,
                        ended_at=report.ended_at,
                        reported_at=self._clock.now(),
                        **asdict(report.findings),
                    )
                )


class Reporting:
    """The proxy's end."""

    def __init__(self, runs: Runs, link: CentralLink) -> None:
        self._runs = runs
        self._link = link

    def step(self) -> int:
        """Tell the centre of runs that it has not noted; return how many.

        Raises
        ------
        cami.errors.Transient
            The line is down, or the centre is of a release that takes no reports; later.
        """
        runs = self._runs.unreported(MOST)
        if runs:
            self._link.report([_report(run).to_json() for run in runs])
            self._runs.reported([run.run for run in runs])
        return len(runs)


def _report(run: Run) -> Report:
    counts = Findings(**{name: getattr(run, name) for name in _COUNTS})
    return Report(run.cause, run.started_at, run.ended_at or run.started_at, counts)
