"""«Статистика консультаций»: counts and times by МО, profile, urgency (F-64), and the same as tables."""

import csv
import functools
import io
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from urllib.parse import urlencode

from cami.access import Action, Identity
from cami.clock import Clock
from cami.consultations.report_paper import Bars, ReportSheet, render
from cami.consultations.statistics import DIMENSIONS, LONGEST, Report, Row, Wanted
from cami.portal import consultation_wording, wording
from cami.portal.amounts import Amounts
from cami.portal.consultation_figures import NamedBars, bars_of, drawn, lying
from cami.portal.consultation_ports import Consulting
from cami.portal.entry import Entry
from cami.portal.headers import PAGE_POLICY, secured
from cami.portal.navigation import CONSULTATION_STATISTICS
from cami.portal.pages import Pages, Reader
from cami.web import Endpoint, Request, Response

#: Days that are shown unless others are asked for, today among them.
USUAL = 30
#: Excel takes a file for UTF-8 by this only.
_MARK = "\ufeff"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_Cell = str | int | float


def _(message: str) -> str:
    return message


COLUMNS: Mapping[str, str] = {
    "sent": _("Отправлено"),
    "done": _("Выполнено"),
    "units": _("Усл. ед."),
    "in_time": _("В срок"),
    "late": _("Просрочено"),
    "rejected": _("Отклонено"),
    "cancelled": _("Отменено"),
    "open": _("Открыто"),
    "repeated": _("Повторные"),
    "accept_median": _("Принятие, медиана"),
    "accept_p90": _("Принятие, 9 из 10"),
    "answer_median": _("Ответ, медиана"),
    "answer_p90": _("Ответ, 9 из 10"),
}


class ConsultationStatisticsPage:
    """Handlers of ``/cami/consultations/statistics``."""

    def __init__(self, pages: Pages, consulting: Consulting, clock: Clock) -> None:
        self._pages = pages
        self._consulting = consulting
        self._clock = clock

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        action = Action.CONSULTATIONS_STATISTICS
        return [
            Endpoint(CONSULTATION_STATISTICS, entry.page(action, self.page)),
            Endpoint(CONSULTATION_STATISTICS + r"\.csv", entry.page(action, self.csv)),
            Endpoint(CONSULTATION_STATISTICS + r"\.xlsx", entry.page(action, self.xlsx)),
            Endpoint(CONSULTATION_STATISTICS + r"\.pdf", entry.page(action, self.pdf)),
        ]

    def page(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the report."""
        wanted = self._wanted(request)
        report = self._consulting.statistics.report(identity, wanted)
        routes = self._consulting.consultations.routes
        kept = {"since": str(wanted.since), "until": str(wanted.until), "by": wanted.by}
        kept |= {name: value for name in ("mo", "profile", "urgency") if (value := getattr(wanted, name))}
        return self._pages.page(
            "consultation_statistics.html",
            reader,
            report=report,
            wanted=wanted,
            columns=COLUMNS,
            name=self._namer(reader, wanted.by),
            dimensions=consultation_wording.DIMENSIONS,
            profiles=routes.profiles,
            urgencies=consultation_wording.URGENCIES,
            organizations=[(code, routes.organization(code)) for code in routes.organizations],
            own=bool(identity.mo),
            reasons=consultation_wording.REASONS,
            charts=[drawn(report), *(lying(*each) for each in self._bars(reader, report))],
            agreements=consultation_wording.AGREEMENTS,
            table=urlencode(kept),
        )

    def csv(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Answer the report as a table of texts."""
        out = io.StringIO()
        csv.writer(out, delimiter=";").writerows(self._lines(request, reader, identity))
        return _file(_MARK.encode() + out.getvalue().encode("utf-8"), "text/csv; charset=utf-8", "csv")

    def xlsx(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Answer the report as a workbook."""
        import xlsxwriter  # noqa: PLC0415 - a third of a second that no start of a server should pay

        out = io.BytesIO()
        with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
            sheet = book.add_worksheet()
            bold = book.add_format({"bold": True, "text_wrap": True})
            for number, line in enumerate(self._lines(request, reader, identity)):
                sheet.write_row(number, 0, line, bold if number == 0 else None)
            sheet.set_column(0, 0, 36)
            sheet.set_column(1, len(COLUMNS), 14)
            sheet.freeze_panes(1, 1)
        return _file(out.getvalue(), _XLSX, "xlsx")

    def pdf(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Answer the report as a document to print and keep."""
        wanted = self._wanted(request)
        report = self._consulting.statistics.report(identity, wanted)
        say = functools.partial(self._pages.translate, reader)
        name, amounts = self._namer(reader, wanted.by), Amounts(reader.language, self._pages.zone)
        now = self._clock.now()
        period = say(_("Отправлены с %(since)s по %(until)s")) % {
            "since": amounts.day(wanted.since), "until": amounts.day(wanted.until),
        }  # fmt: skip
        made = say(_("Составлен %(moment)s")) % {"moment": amounts.moment(now)}
        sheet = ReportSheet(
            title=say(_("Статистика консультаций")),
            about=[period, *self._conditions(reader, identity, wanted), made],
            head=[say(consultation_wording.DIMENSIONS[wanted.by]), *map(say, COLUMNS.values())],
            rows=[
                *([name(row.value), *_words(row, amounts)] for row in report.rows),
                [say(_("Всего")), *_words(report.total, amounts)],
            ],
            bars=[Bars(say(title), rows) for title, rows in self._bars(reader, report)],
            at=now,
            language=reader.language,
        )
        return _file(render(sheet), "application/pdf", "pdf")

    def _bars(self, reader: Reader, report: Report) -> list[NamedBars]:
        say = functools.partial(self._pages.translate, reader)
        return bars_of(report, self._namer(reader, report.wanted.by), say, Amounts(reader.language, self._pages.zone))

    def _conditions(self, reader: Reader, identity: Identity, wanted: Wanted) -> list[str]:
        """Return what the report was narrowed by, in words."""
        dimensions = consultation_wording.DIMENSIONS
        found = [
            f"{self._pages.translate(reader, dimensions[by])}: {self._namer(reader, by)(value)}"
            for by in ("mo", "profile", "urgency")
            if (value := getattr(wanted, by))
        ]
        return [*found, self._pages.organization(identity.mo)] if identity.mo else found

    def _lines(self, request: Request, reader: Reader, identity: Identity) -> list[list[_Cell]]:
        wanted = self._wanted(request)
        report = self._consulting.statistics.report(identity, wanted)
        name = self._namer(reader, wanted.by)
        head = [consultation_wording.DIMENSIONS[wanted.by], *COLUMNS.values()]
        total: list[_Cell] = [self._pages.translate(reader, _("Всего")), *_values(report.total)]
        return [
            [self._pages.translate(reader, words) for words in head],
            *([name(row.value), *_values(row)] for row in report.rows),
            total,
        ]

    def _namer(self, reader: Reader, by: str) -> Callable[[str], str]:
        words = consultation_wording
        known: Mapping[str, Mapping[str, str]] = {
            "urgency": {str(key): text for key, text in words.URGENCIES.items()},
            "kind": {str(key): text for key, text in words.KINDS.items()},
            "modality": wording.MODALITIES,
        }

        def name(value: str) -> str:
            if by in ("mo", "to_mo") and value:
                return self._pages.organization(value)
            if by == "profile":
                return self._consulting.consultations.routes.profile(value)
            told = known.get(by, {}).get(value)
            return self._pages.translate(reader, told) if told else value or "–"

        return name

    def _wanted(self, request: Request) -> Wanted:
        today = self._clock.now().astimezone(self._pages.zone).date()
        until = _date(request.query.get("until", "")) or today
        since = _date(request.query.get("since", "")) or until - timedelta(days=USUAL - 1)
        if not until - timedelta(days=LONGEST) < since <= until:
            since = until - timedelta(days=USUAL - 1)
        by = request.query.get("by", "mo")
        filters = {name: request.query.get(name, "") for name in ("mo", "profile", "urgency")}
        return Wanted(since, until, by if by in DIMENSIONS else "mo", **filters)


def _file(content: bytes, kind: str, ending: str) -> Response:
    headers = [
        ("Cache-Control", "no-store"),
        ("Content-Disposition", f'attachment; filename="consultations.{ending}"'),
    ]
    return secured(Response(200, content, kind, headers), PAGE_POLICY)


def _values(row: Row) -> list[_Cell]:
    """Return the numbers of a row in the order of the columns; times in minutes."""
    found: list[_Cell] = []
    for name in COLUMNS:
        value = getattr(row, name)
        if value is None:
            found.append("")
        elif isinstance(value, timedelta):
            found.append(round(value.total_seconds() / 60, 1))
        else:
            found.append(round(value, 4) if isinstance(value, float) else value)
    return found


def _words(row: Row, amounts: Amounts) -> list[str]:
    """Return the figures of a row as people read them, in the order of the columns."""
    found = []
    for name in COLUMNS:
        value = getattr(row, name)
        if value is None:
            found.append("–")
        elif isinstance(value, timedelta):
            found.append(amounts.duration(value.total_seconds()))
        else:
            found.append(amounts.share(value) if name == "in_time" else amounts.number(value))
    return found


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
