"""«Рабочий список»: who is to be examined at this МО, and «Заявка вручную» for who comes without the МИС (F-30)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from cami.access import Action, Identity, allowed
from cami.access.hygiene import forged
from cami.portal import dicom_text, wording, worklist_wording
from cami.portal.entry import Entry as Entrance
from cami.portal.forms import fields
from cami.portal.headers import LIVE_POLICY
from cami.portal.navigation import WORKLIST
from cami.portal.pages import Pages, Reader
from cami.web import Endpoint, Request, Response, redirect
from cami.worklist import Listed, Priority, WorklistDesk, Written
from cami.worklist.listing import waiting_first


def _(message: str) -> str:
    return message


NEW = WORKLIST + "/new"
_BIRTH = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})|(\d{4})-(\d{2})-(\d{2})")
NOTICES: Mapping[str, str] = {
    "written": _("Заявка в рабочем списке аппарата. В центр она уйдёт, как только позволит связь."),
    "withdrawn": _("Заявка отозвана."),
    "late": _("Отозвать уже нельзя: заявка в центре или снимки по ней начали поступать."),
}
_NEEDED: Mapping[str, str] = {
    "family": _("Укажите фамилию."),
    "birth": _("Укажите дату рождения, например 14.03.1961."),
    "sex": _("Укажите пол."),
    "patient": _("Укажите номер карты."),
    "device": _("Выберите аппарат."),
    "procedure": _("Напишите, какое исследование нужно."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """An entry on the page. Texts that are message ids are translated by the template."""

    number: str
    listed: Listed
    patient: str
    birth_date: str
    state: str
    mark: str
    priority: str
    urgent: bool
    modality: str
    device: str
    refusal: str
    may_withdraw: bool


class WorklistPage:
    """Handlers of ``/cami/worklist``."""

    def __init__(self, pages: Pages, desk: WorklistDesk, mo: str) -> None:
        self._pages = pages
        self._mo = mo
        self._listing = desk.listing
        self._entries = desk.entries
        self._manual = desk.manual
        self._devices = desk.devices

    def endpoints(self, entrance: Entrance) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(WORKLIST, entrance.page(Action.WORKLIST_READ, self.answer)),
            Endpoint(NEW, entrance.page(Action.WORKLIST_WRITE, self.write)),
        ]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show a day, or take an order back that was written by hand."""
        if not self._is_here(identity):
            return self._pages.page("not_found.html", reader)
        if request.method == "POST":
            return self._withdraw(request, identity)
        day = _day(request.query.get("day", "")) or self._listing.today()
        words = request.query.get("words", "").strip()[:64]
        aet = request.query.get("device", "")
        device = self._devices.get(aet)
        named = allowed(identity.role, Action.STUDIES_READ, "proxy")
        found, more = self._listing.of_day(
            day,
            device=device.aet if device else "",
            modality=device.modality if device else "",
            words=words if named else "",
        )
        known = self._listing.known()
        may_write = allowed(identity.role, Action.WORKLIST_WRITE, "proxy")
        return self._pages.page(
            "worklist.html",
            reader,
            policy=LIVE_POLICY,
            rows=[self._row(each, may_write=may_write) for each in waiting_first(found)],
            more=more,
            day=day,
            today=self._listing.today(),
            before=day - timedelta(days=1),
            after=day + timedelta(days=1),
            words=words,
            device=aet if device else "",
            devices=self._devices,
            named=named,
            may_write=may_write,
            known=known,
            notice=NOTICES.get(request.query.get("notice", ""), ""),
            new=NEW,
            here=WORKLIST,
        )

    def write(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the form of an order, or take it."""
        if not self._is_here(identity):
            return self._pages.page("not_found.html", reader)
        if request.method != "POST":
            return self._form(reader, {"priority": Priority.ROUTINE.value}, "")
        form = fields(request)
        if forged(request.method, request.headers):
            return self._form(reader, form, _("Форма пришла не с этой страницы. Откройте страницу заново."))
        trouble = self._trouble(form)
        if trouble:
            return self._form(reader, form, trouble)
        self._manual.write(self._written(form), identity.login)
        return redirect(f"{WORKLIST}?{urlencode({'notice': 'written'})}")

    def _is_here(self, identity: Identity) -> bool:
        return identity.mo in (self._mo, "")

    def _withdraw(self, request: Request, identity: Identity) -> Response:
        if forged(request.method, request.headers) or not allowed(identity.role, Action.WORKLIST_WRITE, "proxy"):
            return redirect(WORKLIST)
        gone = self._entries.withdraw(fields(request).get("number", ""), identity.login)
        return redirect(f"{WORKLIST}?{urlencode({'notice': 'withdrawn' if gone else 'late'})}")

    def _form(self, reader: Reader, form: Mapping[str, str], trouble: str) -> Response:
        return self._pages.page(
            "worklist_new.html",
            reader,
            form={name: form.get(name, "") for name in _FIELDS},
            trouble=trouble,
            devices=self._devices,
            modalities=wording.MODALITIES,
            priorities=worklist_wording.PRIORITIES,
            sexes=worklist_wording.SEXES,
            issuers=self._listing.issuers(),
            new=NEW,
            back=WORKLIST,
        )

    def _trouble(self, form: Mapping[str, str]) -> str:
        given = {name: form.get(name, "").strip() for name in _NEEDED}
        given["birth"] = _birth_date(given["birth"], self._listing.today())
        given["device"] = given["device"] if given["device"] in self._choices() else ""
        given["sex"] = given["sex"] if given["sex"] in worklist_wording.SEXES else ""
        return next((words for name, words in _NEEDED.items() if not given[name]), "")

    def _choices(self) -> set[str]:
        return set(self._devices) | {f"any:{device.modality}" for device in self._devices.values()}

    def _written(self, form: Mapping[str, str]) -> Written:
        chosen = form["device"]
        device = self._devices.get(chosen)
        issuer = form.get("issuer", "")
        priority = form.get("priority", "")
        return Written(
            family=form["family"][:64],
            given=form.get("given", "")[:64],
            middle=form.get("middle", "")[:64],
            birth_date=_birth_date(form["birth"].strip(), self._listing.today()),
            sex=form["sex"],
            patient_id=form["patient"][:64],
            issuer=issuer if issuer in self._listing.issuers() else "",
            modality=device.modality if device else chosen.removeprefix("any:"),
            device=device.aet if device else "",
            procedure=form["procedure"][:200],
            priority=Priority(priority) if priority in set(Priority) else Priority.ROUTINE,
            referrer=form.get("referrer", "")[:128],
            diagnosis=form.get("diagnosis", "")[:16],
            note=form.get("note", "")[:400],
        )

    def _row(self, listed: Listed, *, may_write: bool) -> Row:
        entry = listed.entry
        state, mark = worklist_wording.STATES[listed.state]
        device = self._devices.get(entry.device)
        return Row(
            number=entry.number,
            listed=listed,
            patient=dicom_text.person_name(entry.patient_name),
            birth_date=dicom_text.date(entry.birth_date),
            state=state,
            mark=mark,
            priority=worklist_wording.PRIORITIES[entry.priority],
            urgent=entry.priority is not Priority.ROUTINE,
            modality=wording.MODALITIES.get(entry.modality, entry.modality),
            device=device.name if device else entry.device,
            refusal=worklist_wording.REFUSALS.get(listed.refused, ""),
            may_withdraw=may_write and entry.manual and not listed.sent and not listed.seen,
        )


_FIELDS = (
    "family", "given", "middle", "birth", "sex", "patient", "issuer", "device", "procedure", "priority", "referrer",
    "diagnosis", "note",
)  # fmt: skip


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _birth_date(text: str, today: date) -> str:
    """Return a date of birth as DICOM writes it; nothing for what is none."""
    found = _BIRTH.fullmatch(text)
    if found is None:
        return ""
    parts = found.group(3, 2, 1) if found[1] else found.group(4, 5, 6)
    try:
        day = datetime(*map(int, parts)).date()  # type: ignore[arg-type] # noqa: DTZ001 - a day, no moment
    except ValueError:
        return ""
    return day.strftime("%Y%m%d") if date(1880, 1, 1) <= day <= today else ""
