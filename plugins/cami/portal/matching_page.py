"""«Сверка»: studies whose order is in doubt, both sides beside each other, and what the technologist decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from cami.access import Action, Identity
from cami.access.hygiene import forged
from cami.errors import CamiError, Conflict, Invalid, NotFound
from cami.matching import Line, Match, MatchingDesk, Meant, State
from cami.portal import dicom_text, wording, worklist_wording
from cami.portal.entry import Entry as Entrance
from cami.portal.forms import fields
from cami.portal.navigation import MATCHING
from cami.portal.pages import Pages, Reader
from cami.web import Endpoint, Request, Response, redirect


def _(message: str) -> str:
    return message


_ID = "([0-9a-f]{8}(?:-[0-9a-f]{8}){4})"
VIEWS: Mapping[str, tuple[str, Sequence[State]]] = {
    "open": (_("Требуют решения"), (State.CONTRADICTORY, State.SUGGESTED)),
    # By itself: an МО whose МИС sends no orders yet has nothing else.
    "unmatched": (_("Направление не найдено"), (State.UNMATCHED,)),
    "linked": (_("Связанные"), (State.LINKED,)),
    "apart": (_("Без направления"), (State.APART,)),
}
NOTICES: Mapping[str, str] = {
    "link": _("Исследование связано с направлением."),
    "part": _("Связь снята. Направление снова ждёт снимков."),
    "apart": _("Записано: у исследования нет направления."),
    "replaced": _("Заявка вручную заменена направлением МИС."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A study in the list."""

    study_id: str
    study_uid: str
    patient: str
    birth_date: str
    card: str
    modality: str
    description: str
    moment: datetime | None
    state: str
    mark: str
    why: Sequence[str]
    candidates: int
    order: int | None


@dataclass(frozen=True, slots=True)
class Side:
    """An order beside the study."""

    number: int
    accession: str
    patient: str
    procedure: str
    planned: datetime | None
    score: int
    lines: Sequence[Line]
    against: Sequence[str]


class MatchingPage:
    """Handlers of ``/cami/matching``."""

    def __init__(self, pages: Pages, desk: MatchingDesk, devices: Mapping[str, str]) -> None:
        """Make them; `devices` are the registry's names of devices by AE title."""
        self._pages = pages
        self._desk = desk
        self._devices = devices

    def endpoints(self, entrance: Entrance) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(MATCHING, entrance.page(Action.MATCHING_DECIDE, self.list)),
            Endpoint(f"{MATCHING}/{_ID}", entrance.page(Action.MATCHING_DECIDE, self.study)),
        ]

    def list(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show what waits for a decision, or let an order of the МИС take the place of one written by hand."""
        if request.method == "POST":
            return self._replace(request, identity)
        view = request.query.get("view", "open")
        view = view if view in VIEWS else "open"
        found = self._desk.studies(identity.mo, VIEWS[view][1])
        pairs = self._desk.pairs(identity.mo) if view == "open" else []
        return self._pages.page(
            "matching.html",
            reader,
            rows=[_row(match) for match in found],
            pairs=pairs,
            person_name=dicom_text.person_name,
            view=view,
            views={key: words for key, (words, _states) in VIEWS.items()},
            notice=NOTICES.get(request.query.get("notice", ""), ""),
            failed=request.query.get("notice", "") == "conflict",
            here=MATCHING,
        )

    def study(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show one study beside its orders, or take a decision."""
        study_id = request.groups[0]
        try:
            if request.method != "POST":
                return self._show(reader, identity, study_id, {}, "")
            form = fields(request)
            if form.get("step") == "find":
                return self._show(reader, identity, study_id, form, "")
            if forged(request.method, request.headers):
                return redirect(request.path)
            return self._decided(reader, identity, study_id, form)
        except NotFound:
            return self._pages.page("not_found.html", reader)

    def _decided(self, reader: Reader, identity: Identity, study_id: str, form: Mapping[str, str]) -> Response:
        action, reason, by = form.get("action", ""), form.get("reason", ""), identity.login
        try:
            if action == "part":
                self._desk.part(identity.mo, study_id, by, reason)
            elif action == "apart":
                self._desk.set_apart(identity.mo, study_id, by, reason)
            elif action.startswith("link:") and action[5:].isascii() and action[5:].isdigit():
                self._desk.link(identity.mo, study_id, int(action[5:]), by, reason)
                action = "link"
            else:
                return self._show(reader, identity, study_id, form, _("Выберите, что сделать."))
        except Invalid:
            return self._show(reader, identity, study_id, form, _("Напишите причину: она останется в истории."))
        except Conflict:
            trouble = _("Пока вы решали, направление изменилось. Посмотрите ещё раз.")
            return self._show(reader, identity, study_id, form, trouble)
        return redirect(f"{MATCHING}?{urlencode({'notice': action})}")

    def _replace(self, request: Request, identity: Identity) -> Response:
        form = fields(request)
        numbers = [form.get(name, "") for name in ("manual", "order")]
        if forged(request.method, request.headers) or not all(one.isascii() and one.isdigit() for one in numbers):
            return redirect(MATCHING)
        try:
            self._desk.replace(identity.mo, int(numbers[0]), int(numbers[1]), identity.login)
        except CamiError:
            return redirect(f"{MATCHING}?{urlencode({'notice': 'conflict'})}")
        return redirect(f"{MATCHING}?{urlencode({'notice': 'replaced'})}")

    def _show(
        self, reader: Reader, identity: Identity, study_id: str, form: Mapping[str, str], trouble: str
    ) -> Response:
        words = form.get("words", "").strip()[:64]
        shown = self._desk.look(identity.mo, study_id, words)
        sides = [] if shown.order is None else [self._side(shown.match, shown.order)]
        linked = shown.match.state is State.LINKED
        candidates = [self._side(shown.match, each) for each in shown.candidates]
        return self._pages.page(
            "matching_study.html",
            reader,
            row=_row(shown.match),
            linked=sides[0] if linked and sides else None,
            sides=candidates if linked else [*sides, *candidates],
            cause=worklist_wording.CAUSES[shown.match.cause] if linked and shown.match.cause else "",
            history=shown.history,
            actions=worklist_wording.ACTIONS,
            names=worklist_wording.LINES,
            value=self._value,
            form={"action": form.get("action", ""), "reason": form.get("reason", ""), "words": words},
            trouble=trouble,
            here=MATCHING,
        )

    def _side(self, match: Match, meant: Meant) -> Side:
        lines = self._desk.lines(match.study, meant)
        return Side(
            number=meant.order.number,
            accession=meant.order.accession,
            patient=dicom_text.person_name(meant.name),
            procedure=meant.order.procedure_text,
            planned=meant.order.scheduled_at or meant.order.created_at,
            score=meant.score,
            lines=lines,
            against=[words for finding, words in worklist_wording.AGAINST.items() if finding in meant.findings],
        )

    def _value(self, name: str, value: str) -> str:
        """Write what a study or an order says, for people; message ids stay for the template."""
        if name == "name":
            return dicom_text.person_name(value)
        if name == "birth":
            return dicom_text.date(value)
        if name == "device":
            return self._devices.get(value, value)
        if name == "modality":
            return ", ".join(wording.MODALITIES.get(one, one) for one in value.split("\\") if one)
        return worklist_wording.SEXES.get(value, value) if name == "sex" else value


def _row(match: Match) -> Row:
    study = match.study
    state, mark = worklist_wording.MATCHES[match.state]
    return Row(
        study_id=study.study_id,
        study_uid=study.study_uid,
        patient=dicom_text.person_name(study.patient_name),
        birth_date=dicom_text.date(study.birth_date),
        card=study.patient_id,
        modality=wording.MODALITIES.get(study.modalities[0], study.modalities[0]) if study.modalities else "",
        description=study.description,
        moment=study.began_at,
        state=state,
        mark=mark,
        why=[words for finding, words in worklist_wording.AGAINST.items() if finding in match.findings],
        candidates=len(match.candidates),
        order=match.order,
    )
