"""One request: its form while it is a draft, then what is known of it, what can be done, the answer, the talk."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from cami.access import Action, Identity
from cami.access.hygiene import CSRF_HEADER, forged
from cami.clock import Clock
from cami.consultations import parts
from cami.consultations.council import member_of
from cami.consultations.drafts import Incomplete
from cami.consultations.phrases import fitting, named
from cami.consultations.request import Case
from cami.consultations.routes import modality_set
from cami.consultations.service import Wish
from cami.consultations.states import HELD, Actor, Command, State
from cami.consultations.terms import MessageKind
from cami.consultations.texts import Text
from cami.consultations.workflow import Taken
from cami.errors import CamiError, Conflict, Denied, Invalid, NotFound, Transient
from cami.portal import consultation_wording
from cami.portal.consultation_live import live_of
from cami.portal.consultation_ports import Consulting
from cami.portal.consultation_rows import Rows, StudyRow, study_row
from cami.portal.consultations_page import values_of
from cami.portal.entry import Entry
from cami.portal.forms import lists
from cami.portal.headers import LIVE_POLICY
from cami.portal.navigation import CONSULTATIONS
from cami.portal.pages import Pages, Reader
from cami.web import Endpoint, Request, Response, answer_json, redirect

#: Bytes of a form: an answer of 60,000 Cyrillic letters, six bytes each on the way.
_LARGEST_FORM = 500_000
_TEXT = ("findings", "conclusion", "recommendations", "diagnosis", "pathology", "critical")


@dataclass(slots=True)
class Visit:
    """Somebody at one request, and what came of what they have done."""

    request: Request
    reader: Reader
    identity: Identity
    case: Case
    given: dict[str, list[str]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    """Message ids."""
    typed: Mapping[str, Any] = field(default_factory=dict)
    """What was not kept, to be shown again."""
    found: list[Any] = field(default_factory=list)
    """Diagnoses that were searched for."""

    def value(self, name: str) -> str:
        """Return the first value of a field of the form."""
        return self.given.get(name, [""])[0]


class ConsultationPage:
    """Handlers of ``/cami/consultations/{number}``."""

    def __init__(self, pages: Pages, consulting: Consulting, rows: Rows, clock: Clock) -> None:
        self._pages = pages
        self._consulting = consulting
        self._rows = rows
        self._clock = clock

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(f"{CONSULTATIONS}/([0-9]{{1,9}})", entry.page(Action.CONSULTATIONS_READ, self.answer))]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show a request, or do something with it."""
        number = int(request.groups[0])
        try:
            if request.method != "POST":
                return self._shown(
                    Visit(request, reader, identity, self._consulting.consultations.find(identity, number))
                )
            if forged(request.method, request.headers):
                return redirect(request.path)
            return self._posted(request, reader, identity, number)
        except NotFound:
            if CSRF_HEADER in request.headers:
                return answer_json({"trouble": self._pages.translate(reader, consultation_wording.TROUBLES["denied"])})
            return self._pages.page("not_found.html", reader)

    def _posted(self, request: Request, reader: Reader, identity: Identity, number: int) -> Response:
        given = lists(request, _LARGEST_FORM)
        if given.get("step") == [Command.TAKE.value]:
            return self._take(request, reader, identity, number)
        visit = Visit(request, reader, identity, self._consulting.consultations.find(identity, number), given)
        steps: dict[str, Callable[[Visit], None]] = {
            "save": self._save,
            "autosave": self._save,
            "find": self._find,
            "send": self._send,
            "answer": self._save_answer,
            "answer-autosave": self._save_answer,
            "template": self._template,
            "sign": self._sign,
            "say": self._say,
            "invite": self._invite,
            "opine": self._opine,
        }
        step = visit.value("step")
        try:
            steps.get(step, self._command)(visit)
        except Incomplete as error:
            visit.troubles = [consultation_wording.MISSING.get(code, "wrong") for code in error.codes]
        except (Conflict, Denied, Invalid, Transient) as error:
            visit.troubles = [_trouble(error, step)]
        if step.endswith("autosave"):
            return self._kept(visit)
        if visit.troubles or visit.found:
            return self._again(visit)
        return redirect(f"{request.path}{_after(step)}")

    def _take(self, request: Request, reader: Reader, identity: Identity, number: int) -> Response:
        """Take a request, or say who was quicker: then it is not to be seen any more."""
        try:
            self._consulting.consultations.do(identity, number, Wish(Command.TAKE))
        except Taken as error:
            return self._pages.page("consultation_taken.html", reader, person=error.person)
        except (Conflict, Denied):
            return self._pages.page("consultation_taken.html", reader, person="")
        return redirect(request.path)

    def _kept(self, visit: Visit) -> Response:
        """Answer the script that saves what is typed: every word that it shows comes from here."""
        if visit.troubles:
            return answer_json({"trouble": self._pages.translate(visit.reader, visit.troubles[0])})
        draft = self._consulting.answers.draft(visit.case.request.number, visit.identity.login)
        said = self._pages.translate(visit.reader, _("Сохранено"))
        zone = self._pages.zone
        version = visit.case.request.version
        return answer_json(
            {
                "said": f"{said} {self._clock.now().astimezone(zone):%H:%M:%S}",
                "version": version,
                "revision": draft.revision if draft else 0,
            }
        )

    def _again(self, visit: Visit) -> Response:
        """Show the request as it is now, with what went wrong; what was typed is not lost."""
        try:
            visit.case = self._consulting.consultations.find(visit.identity, visit.case.request.number)
        except NotFound:
            return self._pages.page("consultation_taken.html", visit.reader, person="")
        return self._shown(visit)

    def _save(self, visit: Visit) -> None:
        given = values_of(visit.given)
        visit.typed = given
        values = {name: given[name] for name in given if name not in ("inpatient", "consent")}
        values |= {"inpatient": "inpatient" in given, "consent": "consent" in given}
        uids = visit.given.get("study")
        version = _number(visit.value("version"))
        visit.case = self._consulting.consultations.save(
            visit.identity, visit.case.request.number, values, version=version, study_uids=uids
        )
        visit.typed = {}

    def _find(self, visit: Visit) -> None:
        words = visit.value("words")
        self._save(visit)
        visit.found = list(self._consulting.diagnoses.search(words))
        if not visit.found:
            visit.troubles = [_("По этим словам в МКБ-10 ничего не найдено.")]

    def _send(self, visit: Visit) -> None:
        self._save(visit)
        number = visit.case.request.number
        visit.case = self._consulting.consultations.submit(visit.identity, number, visit.case.request.version)

    def _save_answer(self, visit: Visit) -> None:
        given = values_of(visit.given)
        text = {name: given[name] for name in _TEXT if name in given} | {"critical": "critical" in given}
        visit.typed = text
        revision = _number(visit.value("revision"))
        self._consulting.answers.save(visit.identity, visit.case.request.number, text, revision)
        visit.typed = {}

    def _template(self, visit: Visit) -> None:
        self._save_answer(visit)
        number, login = visit.case.request.number, visit.identity.login
        template, draft = named(visit.value("template")), self._consulting.answers.draft(number, login)
        if template is None or draft is None:
            raise Invalid("wrong")
        before = draft.text.findings.rstrip()
        findings = f"{before}\n\n{template.findings}" if before else template.findings
        self._consulting.answers.save(visit.identity, number, {"findings": findings}, draft.revision)

    def _sign(self, visit: Visit) -> None:
        self._save_answer(visit)
        visit.case = self._consulting.answers.sign(
            visit.identity,
            visit.case.request.number,
            version=None,
            password=visit.value("password"),
            why=visit.value("why"),
        )

    def _say(self, visit: Visit) -> None:
        text = visit.value("text")
        talk = self._consulting.consultations.talk
        self._consulting.consultations.within(
            visit.identity,
            visit.case.request.number,
            lambda connection, case: talk.add(connection, visit.identity, case, text, MessageKind.NOTE),
        )

    def _invite(self, visit: Visit) -> None:
        self._consulting.council.invite(visit.identity, visit.case.request.number, visit.value("to"))

    def _opine(self, visit: Visit) -> None:
        self._consulting.council.opine(visit.identity, visit.case.request.number, visit.value("text"))

    def _command(self, visit: Visit) -> None:
        try:
            command = Command(visit.value("step"))
        except ValueError:
            raise Invalid("wrong") from None
        wish = Wish(
            command,
            version=_number(visit.value("version")),
            reason=visit.value("reason"),
            text=visit.value("text"),
            to=visit.value("to"),
            mo=visit.value("mo"),
        )
        visit.case = self._consulting.consultations.do(visit.identity, visit.case.request.number, wish)

    def _shown(self, visit: Visit) -> Response:
        case, identity = visit.case, visit.identity
        if case.request.state is State.DRAFT and identity.login == case.request.asker:
            return self._draft(visit)
        beat = self._consulting.beats.of(identity)  # before the rest: what changes meanwhile is asked for again
        self._consulting.desk.seen(identity, case.request)
        self._consulting.consultations.keep_alive(identity, case)
        patient = parts.sees_patient(identity, case)
        number, talk = case.request.number, self._consulting.consultations.talk
        versions = self._consulting.answers.versions(number) if patient else []
        return self._pages.page(
            "consultation.html",
            visit.reader,
            policy=LIVE_POLICY,
            case=case,
            row=self._rows.row(case.request, self._clock.now(), patient=patient),
            studies=self._studies(case) if patient else [],
            viewer=_viewer(case),
            offers=[self._pages.organization(mo) for mo in sorted(case.offers)],
            may=[command.value for command in self._consulting.consultations.may(identity, case)],
            messages=talk.messages(number) if patient else [],
            history=talk.history(number),
            files=talk.files(number) if patient else [],
            versions=versions,
            invites=self._invites(visit),
            opines=member_of(identity, case) and case.request.held,
            asks=parts.asks(identity) and identity.mo == case.request.mo,
            **self._answering(visit),
            **self._choices(visit),
            troubles=visit.troubles,
            words=consultation_wording,
            live=live_of(beat, identity),
            organization=self._pages.organization,
            told=_TOLD.get(visit.request.query.get("done", ""), ""),
        )

    def _invites(self, visit: Visit) -> list[tuple[str, str]]:
        """Return who can be invited to a консилиум."""
        case = visit.case
        if not self._consulting.council.may_invite(visit.identity, case):
            return []
        there = {case.request.consultant, *(member.login for member in case.members)}
        people = self._consulting.consultations.consultants.of(None, case.request.mo)
        return [
            (load.person.login, f"{load.person.name}, {self._pages.organization(load.person.mo)}")
            for load in people
            if load.person.login not in there
        ]

    def _answering(self, visit: Visit) -> dict[str, Any]:
        """Return what the form of the answer needs; nothing for who does not write it."""
        case, identity = visit.case, visit.identity
        mine = Actor.CONSULTANT in self._consulting.consultations.actors(identity, case)
        writes = mine and case.request.state in (*HELD, State.DONE)
        draft = self._consulting.answers.draft(case.request.number, identity.login) if writes else None
        text = (draft.text if draft else Text()).changed(visit.typed if writes and "conclusion" in visit.typed else {})
        return {
            "writes": writes,
            "signs": writes and case.request.state in (State.IN_WORK, State.DONE),
            "text": text,
            "revision": draft.revision if draft else 0,
            "templates": fitting(modality_set(case.request.modalities)),
        }

    def _choices(self, visit: Visit) -> dict[str, Any]:
        """Return whom and what a command can be given."""
        case, identity = visit.case, visit.identity
        consultations = self._consulting.consultations
        may = consultations.may(identity, case)
        people = consultations.consultants
        return {
            "assignable": people.of(None, case.request.mo) if Command.ASSIGN in may else [],
            "colleagues": people.colleagues(identity) if Command.HAND_OVER in may else [],
            "destinations": [
                (mo, self._pages.organization(mo)) for mo in consultations.destinations() if mo != case.request.mo
            ]
            if Command.REDIRECT in may
            else [],
        }

    def _draft(self, visit: Visit) -> Response:
        case = visit.case
        request = case.request
        consultations = self._consulting.consultations
        shown = {name: visit.typed.get(name, getattr(request, name)) for name in _DRAFT_FIELDS}
        chosen = {study.study_uid for study in case.studies}
        main = case.studies[0]
        columns = self._consulting.catalogue.find(request.mo, main.study_uid)
        others = self._consulting.catalogue.of_patient(request.mo, columns.columns) if columns else []
        more = [study_row(study, chosen=False) for study in others if study.study_uid not in chosen]
        return self._pages.page(
            "consultation_draft.html",
            visit.reader,
            policy=LIVE_POLICY,
            case=case,
            row=self._rows.row(request, self._clock.now(), patient=True),
            form=shown,
            studies=[study_row(study) for study in case.studies] + more,
            offered=consultations.offered(case),
            routes=[(route.name, route.title) for route in consultations.routes.open_to(request.mo)],
            profiles=consultations.routes.profiles,
            approval=Command.SUBMIT in consultations.may(visit.identity, case),
            files=consultations.talk.files(request.number),
            history=consultations.talk.history(request.number),
            troubles=visit.troubles,
            found=visit.found,
            words=consultation_wording,
        )

    def _studies(self, case: Case) -> list[StudyRow]:
        found = []
        for study in case.studies:
            place = self._consulting.catalogue.whereabouts(study)
            found.append(
                study_row(
                    study,
                    received=place.received if place else 0,
                    expected=place.expected if place else None,
                    whole=place.whole if place else False,
                )
            )
        return found


_DRAFT_FIELDS = (
    "kind", "urgency", "mode", "profile", "route", "phone", "question", "diagnosis", "diagnosis_text", "history",
    "inpatient", "consent",
)  # fmt: skip


def _(message: str) -> str:
    return message


_TOLD: Mapping[str, str] = {
    "send": _("Заявка отправлена."),
    "sign": _("Заключение подписано и отправлено МО-заявителю."),
    "say": _("Сообщение отправлено."),
    "answer": _("Текст сохранён."),
}


def _after(step: str) -> str:
    return "?" + urlencode({"done": step}) if step in _TOLD else ""


def _viewer(case: Case) -> str:
    return "/ohif/viewer?" + urlencode({"StudyInstanceUIDs": ",".join(study.study_uid for study in case.studies)})


def _trouble(error: CamiError, step: str) -> str:
    known = consultation_wording.TROUBLES
    if isinstance(error, Conflict):
        return known["newer" if step.startswith(("answer", "template", "sign")) else "changed"]
    if isinstance(error, Denied):
        return known["denied"]
    if isinstance(error, Transient):
        return known["busy"]
    return known.get(str(error), known["wrong"])


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
