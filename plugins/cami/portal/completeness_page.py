"""«Полнота передачи»: what has come from each МО, day by day, and how long it took (F-08, F-62)."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from cami.access import Action, Identity
from cami.clock import Clock, SystemClock
from cami.portal.completeness_report import Organization, Report, Row
from cami.portal.completeness_wording import COLUMNS
from cami.portal.entry import Entry
from cami.portal.headers import PAGE_POLICY, secured
from cami.portal.navigation import COMPLETENESS
from cami.portal.pages import Pages, Reader
from cami.watch.completeness import LONGEST
from cami.web import Endpoint, Request, Response

#: Days that are shown unless others are asked for, today among them.
USUAL = 7
#: Excel takes a file for UTF-8 by this only.
_MARK = "\ufeff"


class CompletenessPage:
    """Handlers of ``/cami/completeness`` and of the same as a table for spreadsheets."""

    def __init__(self, pages: Pages, report: Report, zone: ZoneInfo, clock: Clock | None = None) -> None:
        self._pages = pages
        self._report = report
        self._zone = zone
        self._clock = clock or SystemClock()

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(COMPLETENESS, entry.page(Action.COMPLETENESS_READ, self.answer)),
            Endpoint(COMPLETENESS + r"\.csv", entry.page(Action.COMPLETENESS_READ, self.table)),
        ]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the page: all МО together, or one day by day."""
        first, last = self._period(request.query)
        found = self._report.organizations(identity, first, last)
        wanted = request.query.get("mo", "")
        single = found[0] if len(found) == 1 else next((entry for entry in found if entry.mo == wanted), None)
        asked = urlencode({"first": first.isoformat(), "last": last.isoformat()})
        return self._pages.page(
            "completeness.html",
            reader,
            organizations=found,
            single=single,
            several=len(found) > 1,
            names={entry.mo: self._pages.organization(entry.mo) for entry in found},
            first=first,
            last=last,
            asked=asked,
            table=f"{COMPLETENESS}.csv?{asked}" + (f"&mo={single.mo}" if single else ""),
        )

    def table(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Answer the same figures by МО and day as CSV, as Excel in Russia opens it."""
        first, last = self._period(request.query)
        wanted = request.query.get("mo", "")
        found = [entry for entry in self._report.organizations(identity, first, last) if wanted in ("", entry.mo)]
        body = _MARK + _csv([self._pages.translate(reader, name) for name in COLUMNS], found)
        name = f"completeness-{first.isoformat()}-{last.isoformat()}.csv"
        headers = [("Content-Disposition", f'attachment; filename="{name}"'), ("Cache-Control", "no-store")]
        return secured(Response(200, body.encode(), "text/csv; charset=utf-8", headers), PAGE_POLICY)

    def _period(self, query: Mapping[str, str]) -> tuple[date, date]:
        """Return the days that are asked for, as far as that makes sense."""
        today = self._clock.now().astimezone(self._zone).date()
        last = min(_day(query.get("last", "")) or today, today)
        first = _day(query.get("first", "")) or last - timedelta(days=USUAL - 1)
        return max(min(first, last), last - timedelta(days=LONGEST - 1)), last


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day of a calendar has no zone
    except ValueError:
        return None


def _csv(columns: Sequence[str], organizations: Sequence[Organization]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";")
    writer.writerow(columns)
    for organization in organizations:
        writer.writerows(_cells(organization.mo, row) for row in organization.days)
    return text.getvalue()


def _cells(mo: str, row: Row) -> list[str]:
    lags = ["" if lag is None else f"{lag:.0f}" for lag in (row.lag_median, row.lag_p95)]
    counts = (row.studies, row.confirmed_studies, row.expected, row.received, row.different, row.errors, row.size)
    return [mo, f"{row.day:%d.%m.%Y}" if row.day else "", *map(str, counts), *lags]
