"""What the report of consultations is drawn from: the same bars on the page and on paper."""

from collections.abc import Callable
from datetime import timedelta

from cami.consultations.statistics import Report
from cami.portal import charts, consultation_wording
from cami.portal.amounts import Amounts

#: Title (a message id), and of each bar its name, its length and what stands at its end.
NamedBars = tuple[str, list[tuple[str, float, str]]]
#: Title (a message id), how it is drawn, and the drawing.
Drawing = tuple[str, str, charts.Chart]
#: Bars of one drawing.
MOST_BARS = 30


def _(message: str) -> str:
    return message


def bars_of(
    report: Report, name: Callable[[str], str], say: Callable[[str], str], amounts: Amounts
) -> list[NamedBars]:  # fmt: skip
    """Return the lists with bars that have something to show; `name` names a row, `say` translates."""
    answered = [row for row in report.rows if row.done][:MOST_BARS]
    times = [(name(row.value), row.answer_median.total_seconds()) for row in answered if row.answer_median is not None]
    shares = [(name(row.value), row.in_time) for row in answered if row.in_time is not None]
    reasons = [(consultation_wording.REASONS.get(code, code), count) for code, count in report.refusals]
    found: list[NamedBars] = [
        (_("Ответ, медиана"), [(of, seconds, amounts.duration(seconds)) for of, seconds in times]),
        (_("В срок"), [(of, share, amounts.share(share)) for of, share in shares]),
        (_("Почему отклонены"), [(say(words), count, amounts.number(count)) for words, count in reasons]),
    ]
    return [(title, rows) for title, rows in found if rows]


def drawn(report: Report) -> Drawing:
    """Return the drawing of requests by day, days without any among them."""
    counted = dict(report.days)
    span = (report.wanted.until - report.wanted.since).days + 1
    days = [report.wanted.since + timedelta(days=place) for place in range(span)]
    upright = charts.columns([(f"{day:%d.%m}", counted.get(day, 0)) for day in days])
    return _("Заявки по дням"), "columns", upright


def lying(title: str, rows: list[tuple[str, float, str]]) -> Drawing:
    """Return the drawing of a list with bars."""
    return title, "rows", charts.rows(rows)
