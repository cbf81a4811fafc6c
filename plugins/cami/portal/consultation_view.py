"""What one request shows to one person: its form while it is a draft, then question, studies, answer, talk, history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from cami.access import Identity
from cami.clock import Clock
from cami.consultations import parts
from cami.consultations.council import member_of
from cami.consultations.phrases import fitting
from cami.consultations.readings import Agreement, Upheld, blinded
from cami.consultations.request import Case
from cami.consultations.routes import modality_set
from cami.consultations.states import BLINDED, HELD, THIRD, Actor, Command, State
from cami.consultations.terms import Kind
from cami.consultations.texts import Text
from cami.portal import consultation_wording
from cami.portal.consultation_live import live_of
from cami.portal.consultation_ports import Consulting
from cami.portal.consultation_rows import Rows, StudyRow, study_row
from cami.portal.headers import LIVE_POLICY
from cami.portal.pages import Pages, Reader
from cami.web import Request, Response


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
    told: str = ""
    """What is said afterwards; empty: as the step says."""

    def value(self, name: str) -> str:
        """Return the first value of a field of the form."""
        return self.given.get(name, [""])[0]


class ConsultationView:
    """Renders one request."""

    def __init__(self, pages: Pages, consulting: Consulting, rows: Rows, clock: Clock) -> None:
        self._pages = pages
        self._consulting = consulting
        self._rows = rows
        self._clock = clock

    def shown(self, visit: Visit) -> Response:
        """Return the page."""
        case, identity = visit.case, visit.identity
        if case.request.state is State.DRAFT and identity.login == case.request.asker:
            return self._draft(visit)
        beat = self._consulting.beats.of(identity)  # before the rest: what changes meanwhile is asked for again
        self._consulting.desk.seen(identity, case.request)
        self._consulting.consultations.keep_alive(identity, case)
        patient = parts.sees_patient(identity, case)
        number, talk = case.request.number, self._consulting.consultations.talk
        messages, history = self._consulting.consultations.said(identity, case)
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
            messages=messages if patient else [],
            history=history,
            files=talk.files(number) if patient else [],
            versions=versions,
            invites=self._invites(visit),
            opines=member_of(identity, case) and case.request.held,
            asks=parts.asks(identity) and identity.mo == case.request.mo,
            **self._answering(visit),
            **self._compared(visit),
            **self._choices(visit),
            troubles=visit.troubles,
            words=consultation_wording,
            live=live_of(beat, identity),
            organization=self._pages.organization,
            told=TOLD.get(visit.request.query.get("done", ""), ""),
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
            "provider": self._consulting.provider_for(identity.login) if writes else "",
            "prepared": self._consulting.answers.prepared(identity, case.request.number) if writes else None,
            "signs": writes and case.request.state in (State.IN_WORK, State.COMPARING, State.DONE),
            "text": text,
            "revision": draft.revision if draft else 0,
            "templates": fitting(modality_set(case.request.modalities)),
        }

    def _compared(self, visit: Visit) -> dict[str, Any]:
        """Return what stands beside the answer: readings, the answer that is reviewed, what has to be said of them."""
        case, identity = visit.case, visit.identity
        request, answers = case.request, self._consulting.answers
        mine = identity.login == request.consultant
        asks = parts.asks(identity) and identity.mo == request.mo
        reviews = request.kind is Kind.SECOND_OPINION and (mine or asks)
        found: Any = []
        if mine and request.state is State.COMPARING:
            found = [each for each in Agreement if each is not Agreement.SIGNIFICANT]
        elif mine and request.state is State.IN_WORK and request.reading == THIRD:
            found = list(Upheld)
        elif mine and request.state is State.IN_WORK and request.kind is Kind.SECOND_OPINION:
            found = list(Agreement)
        return {
            "readings": answers.readings(identity, case),
            "reviewed": answers.reviewed(case) if reviews else None,
            "agreements": [(each.value, consultation_wording.AGREEMENTS[each]) for each in found],
            "agreed": visit.value("agreed"),
            "blind": mine and blinded(case) and request.state in HELD,
            "reads": mine and request.reading in BLINDED and request.state is not State.COMPARING,
            "attaches": not request.ended and not (blinded(case) and not asks),
            "alarm": answers.alarm(case) if asks else None,
            "verdict": self._verdict(visit),
        }

    def _verdict(self, visit: Visit) -> str:
        """Return how far the texts agree, once it is decided, as a message id."""
        request = visit.case.request
        if request.ended_at is None or not parts.sees_patient(visit.identity, visit.case):
            return ""
        code = request.upheld or request.agreement
        return consultation_wording.VERDICTS.get(code, "") if code else ""

    def _choices(self, visit: Visit) -> dict[str, Any]:
        """Return whom and what a command can be given."""
        case, identity = visit.case, visit.identity
        consultations = self._consulting.consultations
        may = consultations.may(identity, case)
        people = consultations.consultants
        return {
            "assignable": people.of(None, case.request.mo, case.barred) if Command.ASSIGN in may else [],
            "colleagues": people.colleagues(identity, case.barred) if Command.HAND_OVER in may else [],
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


#: What is said after a step, by the code in the address.
TOLD: Mapping[str, str] = {
    "send": _("Заявка отправлена."),
    "sign": _("Заключение подписано и отправлено МО-заявителю."),
    "read": _("Чтение подписано. МО-заявитель получит одно заключение по итогам обоих чтений."),
    "not-signed": _("Не подписано: вход не подтверждён или текст изменился. Попробуйте ещё раз."),
    "say": _("Сообщение отправлено."),
    "answer": _("Текст сохранён."),
}


def _viewer(case: Case) -> str:
    return "/ohif/viewer?" + urlencode({"StudyInstanceUIDs": ",".join(study.study_uid for study in case.studies)})
