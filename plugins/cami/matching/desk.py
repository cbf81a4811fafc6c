"""The technologist's desk: studies beside the orders that may be meant, what differs, and what somebody decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import imaging_order
from cami.errors import Conflict, Invalid, NotFound
from cami.events import EventLog
from cami.matching.decisions import Decision, Decisions, Match
from cami.matching.judgement import Candidate, Study, compare, score
from cami.matching.orders_near import OrdersNear, latin_name
from cami.matching.states import TO_DECIDE, Finding, State
from cami.orders import Order, Orders, Patient, Patients
from cami.orders import State as OrderState
from cami.orders.identifiers import Kind
from cami.orders.order import order_of

#: How far back the desk looks.
SHOWN = timedelta(days=30)
_LONGEST_REASON = 1000
_MOST_PAIRS = 100


@dataclass(frozen=True, slots=True)
class Meant:
    """An order with its patient, as the desk shows it."""

    order: Order
    patient: Patient
    score: int
    findings: frozenset[Finding]

    @property
    def name(self) -> str:
        """The patient's name, as DICOM writes it."""
        person = self.patient.person
        return "^".join([person.family, person.given, person.middle]).rstrip("^")

    @property
    def patient_id(self) -> str:
        """The patient's number in the МИС, else any."""
        known = self.patient.identifier(Kind.MIS) or self.patient.identifier(Kind.LOCAL)
        return known.value if known is not None else ""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a study and an order say."""

    name: str
    """A key of the page's words."""
    study: str
    order: str
    same: bool | None
    """None: one of them does not say."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A study on the desk."""

    match: Match
    order: Meant | None
    """The order that it is linked to, or that is claimed."""
    candidates: Sequence[Meant]
    history: Sequence[Decision]


@dataclass(frozen=True, slots=True)
class Pair:
    """An order written by hand, and the МИС's order that may be for the same visit."""

    manual: Meant
    other: Meant


class MatchingDesk:
    """What people of an МО see of matching and do with it; they are checked before."""

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock,
        events: EventLog,
        orders: Orders,
        patients: Patients,
        near: OrdersNear,
        decisions: Decisions,
    ) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._events = events
        self._orders = orders
        self._patients = patients
        self._near = near
        self._decisions = decisions

    def studies(self, mo: str, states: Sequence[State] = TO_DECIDE) -> list[Match]:
        """List the studies of an МО in these states, the newest first."""
        since = (self._clock.now() - SHOWN).strftime("%Y%m%d")
        return self._decisions.to_decide(mo, since, states)

    def look(self, mo: str, study_id: str, words: str = "") -> Shown:
        """Show a study with what may be meant; `words` look for other orders of those days.

        Raises
        ------
        cami.errors.NotFound
            The МО has no such study.
        """
        match = self._of(mo, study_id)
        order = None if match.order is None else self._meant(match.study, match.order)
        found = {one.number: self._meant(match.study, one.number) for one in match.candidates}
        if words:
            for one in self._near.open_near(match.study):
                meant = self._meant(match.study, one.number)
                if _contains(meant, words):
                    found.setdefault(one.number, meant)
        found.pop(match.order or 0, None)
        candidates = sorted(found.values(), key=lambda each: (-each.score, each.order.number))
        return Shown(match, order, candidates, self._decisions.history(study_id))

    def lines(self, study: Study, meant: Meant) -> list[Line]:
        """Compare a study with an order, line by line."""
        person, order, found = meant.patient.person, meant.order, meant.findings
        planned = order.scheduled_at or order.created_at
        rows = (
            ("name", study.patient_name, meant.name, Finding.NAME, Finding.NAME_OTHER),
            ("birth", study.birth_date, person.birth_date.replace("-", ""), Finding.BIRTH, Finding.BIRTH_OTHER),
            ("sex", study.sex, person.sex, Finding.SEX, Finding.SEX_OTHER),
            ("patient", study.patient_id, meant.patient_id, Finding.ID, Finding.ID_OTHER),
            ("accession", study.accession, order.accession, Finding.ACCESSION, Finding.ACCESSION_OTHER),
            ("modality", "\\".join(study.modalities), order.modality, Finding.MODALITY, Finding.MODALITY_OTHER),
            ("device", study.device, order.device_aet, Finding.DEVICE, Finding.DEVICE_OTHER),
            ("procedure", study.description, order.procedure_text, None, None),
            ("moment", _moment(study.began_at), _moment(planned), Finding.HOURS, Finding.TIME_OTHER),
        )
        return [
            Line(name, mine, theirs, True if same in found else False if other in found else None)
            for name, mine, theirs, same, other in rows
        ]

    def link(self, mo: str, study_id: str, number: int, by: str, reason: str) -> None:
        """Link a study to an order of the same МО.

        Raises
        ------
        cami.errors.NotFound
            The МО has no such study or no such order.
        cami.errors.Conflict
            The order was withdrawn.
        cami.errors.Invalid
            There is no reason.
        """
        match = self._of(mo, study_id)
        order = self._orders.get(number)
        if order.mo != mo:
            raise NotFound("no such order")
        if order.state in {OrderState.CANCELLED, OrderState.ANNULLED, OrderState.REPLACED}:
            raise Conflict("the order was withdrawn")
        findings = self._meant(match.study, number).findings
        self._decisions.link(match.study, number, tuple(sorted(findings)), by, _checked(reason))

    def part(self, mo: str, study_id: str, by: str, reason: str) -> None:
        """Undo a match."""
        if not self._decisions.part(self._of(mo, study_id).study, by, _checked(reason)):
            raise Conflict("the study is not linked")

    def set_apart(self, mo: str, study_id: str, by: str, reason: str) -> None:
        """Say that a study belongs to no order."""
        self._decisions.set_apart(self._of(mo, study_id).study, by, _checked(reason))

    def pairs(self, mo: str) -> list[Pair]:
        """List orders written by hand with the МИС's orders that may be for the same visit (F-30)."""
        order = imaging_order.c
        manual = (
            select(imaging_order)
            .where(
                order.mo == mo,
                order.source.like("manual:%"),
                order.state.in_([OrderState.ACCEPTED.value, OrderState.STARTED.value, OrderState.COMPLETED.value]),
                order.created_at > self._clock.now() - SHOWN,
            )
            .order_by(order.number.desc())
            .limit(_MOST_PAIRS)
        )
        with self._reader.connect() as connection:
            written = [order_of(row) for row in connection.execute(manual)]
        return [pair for one in written for pair in self._pairs(one)]

    def replace(self, mo: str, manual: int, number: int, by: str) -> None:
        """Let the МИС's order stand for one that was written by hand; their patients become one.

        Raises
        ------
        cami.errors.NotFound
            The pair is none of this МО.
        cami.errors.Conflict
            One of them has changed meanwhile.
        """
        wanted = (manual, number)
        known = {(each.manual.order.number, each.other.order.number): each for each in self.pairs(mo)}
        pair = known.get(wanted)
        if pair is None:
            raise NotFound("no such pair of orders")
        with self._engine.begin() as connection:
            roots = [self._patients.root_in(connection, each.order.patient) for each in (pair.manual, pair.other)]
            if roots[0] != roots[1]:
                self._patients.merge(connection, roots[0], roots[1], by)
            self._orders.replaced(connection, manual, number, by=by)
            self._decisions.move(connection, manual, number, by)
        self._events.announce()

    def _pairs(self, manual: Order) -> list[Pair]:
        here = self._near.candidate(manual)
        study = Study(
            study_id="",
            study_uid="",
            owner=manual.mo,
            patient_name=here.patient_name,
            birth_date=here.birth_date,
            sex=here.sex,
            modalities=(manual.modality,),
            began_at=manual.started_at or manual.scheduled_at or manual.created_at,
        )
        holders = {here.patient}
        found = []
        for one in self._near.candidates(study, holders):
            order = self._orders.get(one.number)
            if one.number == manual.number or order.state is not OrderState.ACCEPTED or order.manual:
                continue
            findings = set(compare(study, one, holders=holders, latin_name=here.patient_name))
            same = Finding.ID in findings or {Finding.NAME, Finding.BIRTH} <= findings
            if same and Finding.MODALITY in findings and {Finding.HOURS, Finding.DAY} & findings:
                found.append(Pair(self._told(manual, here), self._told(order, one)))
        return found

    def _of(self, mo: str, study_id: str) -> Match:
        match = self._decisions.of(study_id)
        if match is None or match.study.owner != mo:
            raise NotFound("no such study")
        return match

    def _meant(self, study: Study, number: int) -> Meant:
        order = self._orders.get(number)
        candidate = self._near.candidate(order)
        holders = self._near.holders(study)
        findings = compare(study, candidate, holders=holders, latin_name=latin_name(study.patient_name))
        return Meant(order, self._patients.standing_for(order.patient), score(findings), frozenset(findings))

    def _told(self, order: Order, candidate: Candidate) -> Meant:
        return Meant(order, self._patients.get(candidate.patient), 0, frozenset())


def _contains(meant: Meant, words: str) -> bool:
    told = [meant.order.accession, meant.order.placer_number, meant.patient_id, latin_name(meant.name)]
    asked = words.strip()
    return any(asked in each for each in told[:3]) or latin_name(asked) in told[3]


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _checked(reason: str) -> str:
    text = reason.strip()
    if not text or len(text) > _LONGEST_REASON:
        raise Invalid("write a reason")
    return text
