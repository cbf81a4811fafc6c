"""«Обмен с МИС»: what waits to be told, what was given up, why, and «Повторить». No patient."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from cami.access import Action, Identity
from cami.access.hygiene import forged
from cami.mis.messages import Counts, Messages
from cami.mis.subscriptions import Subscription, Subscriptions
from cami.portal.entry import Entry
from cami.portal.forms import fields
from cami.portal.navigation import MIS
from cami.portal.pages import Pages, Reader
from cami.web import Endpoint, Request, Response, redirect


def _(message: str) -> str:
    return message


#: Messages that the page lists.
LISTED = 100
WHAT: Mapping[str, str] = {
    "*": _("Направления, исследования и протоколы (HL7)"),
    "Task": _("Состояния направлений и консультаций"),
    "ImagingStudy": _("Исследования"),
    "DiagnosticReport": _("Протоколы"),
}
KINDS: Mapping[str, str] = {
    "consultation.state": _("Состояние консультации"),
    "order.accepted": _("Направление принято"),
    "order.annulled": _("Направление аннулировано"),
    "order.cancelled": _("Направление отменено"),
    "order.changed": _("Направление изменено"),
    "order.completed": _("Снимки получены"),
    "order.released": _("Снимки отвязаны от направления"),
    "order.replaced": _("Направление заменено"),
    "order.started": _("Исследование начато"),
    "report.signed": _("Протокол подписан"),
    "study.available": _("Снимки доступны"),
    "study.matched": _("Исследование найдено"),
    "study.parted": _("Исследование отвязано"),
}
REASONS: Mapping[str, str] = {
    "http-400": _("МИС не принимает: запрос неверен (400)"),
    "http-401": _("МИС не принимает: нет доступа (401)"),
    "http-403": _("МИС не принимает: запрещено (403)"),
    "http-404": _("По этому адресу МИС ничего нет (404)"),
    "http-422": _("МИС не принимает содержимое (422)"),
    "http-500": _("Ошибка в МИС (500)"),
    "http-502": _("Шлюз МИС не отвечает (502)"),
    "http-503": _("МИС занята (503)"),
    "hl7-ae": _("МИС не принимает содержимое (AE)"),
    "hl7-answer": _("МИС отвечает не по HL7"),
    "hl7-ar": _("МИС отклоняет сообщения (AR)"),
    "hl7-text": _("Сообщение HL7 не составляется: направления больше нет"),
    "no-answer": _("МИС не отвечает"),
    "timeout": _("МИС отвечает слишком долго"),
    "tls": _("Сертификат МИС не принят"),
}


class Exchange(Protocol):
    """What the page needs of the face to the МИС."""

    @property
    def subscriptions(self) -> Subscriptions:
        """Who wants to be told."""
        ...

    @property
    def messages(self) -> Messages:
        """What is to be told."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One subscription as the page shows it."""

    id: str
    client: str
    what: str
    host: str
    counts: Counts
    reason: str
    rests: bool
    succeeded_at: datetime | None


class MisPage:
    """Handlers of ``/cami/mis``."""

    def __init__(self, pages: Pages, exchange: Exchange) -> None:
        self._pages = pages
        self._exchange = exchange

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(MIS, entry.page(Action.MIS_WATCH, self.answer))]

    def answer(self, request: Request, reader: Reader, _identity: Identity) -> Response:
        """Show the page, or have messages tried again."""
        if request.method == "POST":
            return self._repeat(request)
        messages = self._exchange.messages
        counts = messages.counts()
        lines = [_line(each, counts.get(each.id, Counts(0, 0, 0, None))) for each in self._exchange.subscriptions.all()]
        listed = messages.listed(["parked"], LISTED)
        return self._pages.page(
            "mis.html",
            reader,
            lines=lines,
            listed=[(message, _said(KINDS, message.kind)) for message in listed],
            reasons=[(_said(REASONS, reason), number) for reason, number in messages.reasons()],
            said=lambda reason: _said(REASONS, reason),
            parked=sum(line.counts.parked for line in lines),
            done=request.query.get("done") == "repeated",
        )

    def _repeat(self, request: Request) -> Response:
        if forged(request.method, request.headers):
            return redirect(MIS)
        form = fields(request)
        chosen, number = form.get("subscription", ""), form.get("number", "")
        self._exchange.messages.repeat(chosen or None, int(number) if number.isdecimal() else None)
        self._exchange.subscriptions.wake(chosen or None)
        return redirect(f"{MIS}?done=repeated")


def _line(subscription: Subscription, counts: Counts) -> Line:
    return Line(
        id=subscription.id,
        client=subscription.client,
        what=WHAT.get(subscription.resource, subscription.resource),
        host=urlsplit(subscription.endpoint).netloc,
        counts=counts,
        reason=subscription.reason,
        rests=subscription.failures > 0,
        succeeded_at=subscription.succeeded_at,
    )


def _said(words: Mapping[str, str], code: str) -> str:
    return words.get(code, code)
