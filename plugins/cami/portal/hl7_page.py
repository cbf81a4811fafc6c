"""«Сообщения HL7»: what was refused, why, «Повторить» and «Убрать». No patient: what was sent is not shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cami.access import Action, Identity
from cami.access.hygiene import forged
from cami.hl7v2.kept import Kept, KeptMessages
from cami.hl7v2.problems import wrong
from cami.portal.entry import Entry
from cami.portal.forms import fields
from cami.portal.navigation import HL7
from cami.portal.pages import Pages, Reader
from cami.region import Region, System
from cami.web import Endpoint, Request, Response, redirect


def _(message: str) -> str:
    return message


#: Messages that the page lists.
LISTED = 100
KINDS: Mapping[str, str] = {
    "OMI^O23": _("Направление"),
    "ORM^O01": _("Направление"),
    "ADT^A40": _("Объединение пациентов"),
    "ADT^A08": _("Данные пациента"),
    "ADT^A28": _("Данные пациента"),
    "ADT^A31": _("Данные пациента"),
}


class Messages(Protocol):
    """What the page needs of HL7 v2."""

    @property
    def kept(self) -> KeptMessages:
        """What was refused."""
        ...

    def repeat(self, number: int | None, by: str) -> tuple[int, int]:
        """Carry one or all out again; return how many went well, and how many did not."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A refused message as the page shows it."""

    kept: Kept
    system: str
    kind: str
    reasons: tuple[tuple[str, str], ...]
    """Words, and the place."""


class Hl7Page:
    """Handlers of ``/cami/hl7``."""

    def __init__(self, pages: Pages, messages: Messages, region: Region) -> None:
        self._pages = pages
        self._messages = messages
        self._rules = region.hl7
        self._titles = {each.name: each.title for each in region.hl7.systems}

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(HL7, entry.page(Action.MIS_WATCH, self.answer))]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the page, or do what somebody has decided of a message."""
        if request.method == "POST":
            return self._decide(request, identity)
        kept = self._messages.kept
        well, badly = request.query.get("well", ""), request.query.get("badly", "")
        return self._pages.page(
            "hl7.html",
            reader,
            systems=[(each, _place(each)) for each in self._rules.systems],
            listen=self._rules.listen,
            lines=[self._line(each) for each in kept.listed(LISTED)],
            waiting=kept.waiting(),
            well=int(well) if well.isdecimal() else None,
            badly=int(badly) if badly.isdecimal() else 0,
        )

    def _decide(self, request: Request, identity: Identity) -> Response:
        if forged(request.method, request.headers):
            return redirect(HL7)
        form = fields(request)
        said = form.get("number", "")
        number = int(said) if said.isdecimal() and len(said) < 19 else None
        if form.get("action") == "dismiss":
            if number is not None:
                self._messages.kept.end(number, identity.login, dismissed=True)
            return redirect(HL7)
        well, badly = self._messages.repeat(number, identity.login)
        return redirect(f"{HL7}?well={well}&badly={badly}")

    def _line(self, kept: Kept) -> Line:
        reasons = tuple(_said(each) for each in kept.reasons)
        return Line(kept, self._titles.get(kept.system, kept.address), KINDS.get(kept.kind, kept.kind), reasons)


def _place(system: System) -> str:
    return "" if system.send is None else f"{system.send.host}:{system.send.port}"


def _said(reason: str) -> tuple[str, str]:
    code, _blank, place = reason.partition(" ")
    return wrong(code).words, place
