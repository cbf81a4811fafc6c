"""«Карантин»: what must not be joined to the archive, and the technologist's decisions on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from cami.access import Action, Identity
from cami.access.hygiene import forged
from cami.errors import Denied, Invalid, NotFound
from cami.portal import dicom_text, quarantine_wording, static_files, wording
from cami.portal.entry import Entry as Entrance
from cami.portal.forms import fields
from cami.portal.headers import PAGE_POLICY, secured
from cami.portal.navigation import QUARANTINE
from cami.portal.pages import Pages, Reader
from cami.quarantine import Attribute, Compared, Group, QuarantineDesk, Shown
from cami.quarantine.sides import FoundStudy
from cami.web import Endpoint, Request, Response, redirect

_GROUP = "([0-9a-f]{32})"
_NAME, _ID, _BIRTH, _SEX = 0x00100010, 0x00100020, 0x00100030, 0x00100040
_DATE, _TIME, _MODALITY, _DESCRIPTION, _ACCESSION = 0x00080020, 0x00080030, 0x00080060, 0x00081030, 0x00080050


@dataclass(frozen=True, slots=True)
class Row:
    """A group as the pages show it."""

    id: str
    group: Group
    cause: str
    advice: str
    patient: str
    birth_date: str
    card: str
    moment: str
    modality: str
    description: str
    accession: str
    device: str
    organization: str
    shows_patient: bool


@dataclass(frozen=True, slots=True)
class Line:
    """An attribute as the pages show it."""

    place: str
    name: str
    """A message id, or nothing."""
    english: str
    depth: int
    held: str | None
    stored: str | None


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody has filled in so far."""

    action: str = ""
    target: str = ""
    reason: str = ""
    scope: str = "all"
    words: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who looks at a group."""

    request: Request
    reader: Reader
    identity: Identity
    shown: Shown


class QuarantinePage:
    """Handlers of ``/cami/quarantine``."""

    def __init__(self, pages: Pages, desk: QuarantineDesk, *, devices: Mapping[str, str]) -> None:
        """Make them; `devices` are the registry's names of devices by AE title."""
        self._pages = pages
        self._desk = desk
        self._devices = devices

    def endpoints(self, entrance: Entrance) -> list[Endpoint]:
        """Return what has to be registered."""
        read = Action.QUARANTINE_READ
        return [
            Endpoint(QUARANTINE, entrance.page(read, self.list)),
            Endpoint(f"{QUARANTINE}/decided", entrance.page(read, self.decided)),
            Endpoint(f"{QUARANTINE}/{_GROUP}", entrance.page(read, self.group)),
            Endpoint(f"{QUARANTINE}/{_GROUP}/([0-9]{{1,6}})/(held|stored)", entrance.page(read, self.picture)),
        ]

    def list(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show what waits for a decision."""
        try:
            shown = self._desk.groups(identity)
        except Denied:
            return self._pages.page("not_found.html", reader)
        recorded = request.query.get("recorded", "")
        return self._pages.page(
            "quarantine.html",
            reader,
            rows=[self._row(each) for each in shown],
            patients=self._desk.sees_patients(identity),
            recorded=int(recorded) if recorded.isascii() and recorded.isdigit() and len(recorded) < 7 else 0,
        )

    def decided(self, _request: Request, reader: Reader, identity: Identity) -> Response:
        """Show what was decided: who, when, why, and what came of it."""
        try:
            decisions = self._desk.decided(identity)
        except Denied:
            return self._pages.page("not_found.html", reader)
        return self._pages.page("quarantine_decided.html", reader, rows=decisions, words=quarantine_wording)

    def group(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show one group, or take a decision on it."""
        try:
            shown = self._desk.group(identity, request.groups[0])
            visit = Visit(request, reader, identity, shown)
            if request.method != "POST":
                return self._group(visit, Form(), _number(request.query.get("n", "")))
            if forged(request.method, request.headers):
                return redirect(request.path)
            return self._posted(visit)
        except (NotFound, Denied):
            return self._pages.page("not_found.html", reader)

    def picture(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Answer a picture, or a sign that there is none."""
        name, number, which = request.groups
        try:
            png = self._desk.picture(identity, name, int(number), stored=which == "stored")
        except (NotFound, Denied):
            return self._pages.page("not_found.html", reader)
        if png is None:
            return redirect(static_files.address("nopicture.svg"))
        return secured(Response(200, png, "image/png", [("Cache-Control", "no-store")]), PAGE_POLICY)

    def _posted(self, visit: Visit) -> Response:
        given = fields(visit.request)
        form = Form(
            action=given.get("action", ""),
            target=given.get("target", ""),
            reason=given.get("reason", ""),
            scope=given.get("scope", "all"),
            words=given.get("words", ""),
        )
        number = _number(given.get("n", ""))
        if given.get("step") == "find":
            return self._searched(visit, form, number)
        group = visit.shown.group
        try:
            recorded = self._desk.decide(
                visit.identity,
                group.id,
                form.action,
                form.reason,
                target=form.target,
                number=number if form.scope == "one" else None,
            )
        except Invalid as error:
            told = quarantine_wording.REFUSALS.get(str(error), quarantine_wording.REFUSALS["action"])
            found = self._desk.studies(visit.identity, group.id, form.words)
            return self._group(visit, replace(form, error=told), number, found)
        return redirect(f"{QUARANTINE}?{urlencode({'recorded': recorded})}")

    def _searched(self, visit: Visit, form: Form, number: int) -> Response:
        found = self._desk.studies(visit.identity, visit.shown.group.id, form.words)
        if found:
            return self._group(visit, replace(form, action="link", target=""), number, found)
        error = _("Такого исследования в архиве вашей МО нет. Проверьте номер.")
        return self._group(visit, replace(form, error=error), number)

    def _group(self, visit: Visit, form: Form, number: int, found: Sequence[FoundStudy] = ()) -> Response:
        shown, identity = visit.shown, visit.identity
        group = shown.group
        current = min(max(number, 1), group.entries)
        compared = self._desk.compare(self._desk.entry(identity, group.id, current))
        resend = quarantine_wording.RESEND[group.kind]
        return self._pages.page(
            "quarantine_group.html",
            visit.reader,
            row=self._row(shown),
            number=current,
            compared=compared,
            differences=_differences(compared),
            lines=[_line(attribute) for attribute in compared.header.attributes] if shown.patient else [],
            others=group.cause in quarantine_wording.OF_ANOTHER_MO,
            refusals=self._desk.refusals(group),
            actions=self._desk.actions(group) if self._desk.may_decide(identity) else (),
            labels={"resend": resend, "link": quarantine_wording.LINK, "reject": quarantine_wording.REJECT},
            targets=[(target, quarantine_wording.TARGETS[target]) for target in self._desk.targets(group)],
            preferred=self._desk.targets(group)[0],
            found=[_study(study, patient=shown.patient) for study in found],
            form=form,
            words=quarantine_wording,
        )

    def _row(self, shown: Shown) -> Row:
        group, header = shown.group, shown.header
        title, advice = quarantine_wording.cause(group.cause)
        patient = shown.patient

        def of_patient(text: str) -> str:
            return text if patient else ""

        modality = header.text(_MODALITY)
        return Row(
            id=group.id,
            group=group,
            cause=title,
            advice=advice,
            patient=of_patient(dicom_text.person_name(header.text(_NAME))),
            birth_date=of_patient(dicom_text.date(header.text(_BIRTH))),
            card=of_patient(header.text(_ID)),
            moment=dicom_text.moment(header.text(_DATE), header.text(_TIME)),
            modality=wording.MODALITIES.get(modality, modality),
            description=of_patient(header.text(_DESCRIPTION)),
            accession=of_patient(header.text(_ACCESSION)),
            device=self._devices.get(shown.device, shown.device),
            organization="" if group.source == "device" else self._pages.organization(group.source),
            shows_patient=patient,
        )


def _(message: str) -> str:
    return message


def _differences(compared: Compared) -> list[Line]:
    return [_line(found.attribute, found.held, found.stored) for found in compared.differences]


def _line(attribute: Attribute, held: str | None = None, stored: str | None = None) -> Line:
    return Line(
        place=attribute.place,
        name=quarantine_wording.ATTRIBUTES.get(attribute.tag, ""),
        english=attribute.description,
        depth=min(attribute.depth, 6),
        held=_readable(attribute, attribute.value if held is None and stored is None else held),
        stored=_readable(attribute, stored),
    )


def _readable(attribute: Attribute, value: str | None) -> str | None:
    if value is None:
        return None
    writers = {"PN": dicom_text.person_name, "DA": dicom_text.date, "TM": dicom_text.time}
    return writers.get(attribute.vr, str)(value)


def _study(study: FoundStudy, *, patient: bool) -> tuple[str, str]:
    """Return the id of a study and how it is called in a list."""
    tags = study.tags
    shown = [dicom_text.moment(tags.get("StudyDate", ""), tags.get("StudyTime", ""))]
    if patient:
        shown = [dicom_text.person_name(tags.get("PatientName", "")), *shown, tags.get("StudyDescription", "")]
    return study.study_id, ", ".join(filter(None, [*shown, tags.get("AccessionNumber", "")]))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
