"""A request as it is read from the tables, and what is written of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from cami.access import Identity
from cami.consultations.states import ENDED, HELD, OPEN, State
from cami.consultations.terms import Kind, Part, Urgency
from cami.db.tables import consultation, consultation_member, consultation_offer, consultation_study


@dataclass(frozen=True, slots=True)
class Person:
    """Who does something: an account, or the system."""

    login: str
    name: str
    role: str
    mo: str

    @classmethod
    def of(cls, identity: Identity) -> "Person":
        """Return the person of an account."""
        return cls(identity.login, identity.name, identity.role.value, identity.mo)


SYSTEM = Person("system", "", "", "")


@dataclass(frozen=True, slots=True)
class Consultation:
    """The row of a request."""

    number: int
    version: int
    state: State
    kind: Kind
    urgency: Urgency
    mode: str
    profile: str
    route: str
    mo: str
    asker: str
    asker_name: str
    phone: str
    to_mo: str
    consultant: str
    consultant_name: str
    question: str
    diagnosis: str
    diagnosis_text: str
    history: str
    inpatient: bool
    consent: bool
    patient_name: str
    patient_id: str
    patient_birth_date: str
    patient_sex: str
    modalities: str
    based_on: int | None
    reading: int
    """1, 2, 3 of a double reading; else 0."""
    agreement: str
    upheld: str
    created_at: datetime
    changed_at: datetime
    sent_at: datetime | None
    received_at: datetime | None
    accepted_at: datetime | None
    paused_at: datetime | None
    ended_at: datetime | None
    accept_by: datetime | None
    answer_by: datetime | None
    late: bool
    escalated: bool
    lease_until: datetime | None
    reason: str
    reason_text: str
    critical: bool
    acknowledge_by: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    last_event: int

    @property
    def open(self) -> bool:
        """Whether it is with the consulting side."""
        return self.state in OPEN

    @property
    def held(self) -> bool:
        """Whether one person has it."""
        return self.state in HELD

    @property
    def ended(self) -> bool:
        """Whether nothing leads on from here."""
        return self.state in ENDED

    def due_at(self) -> datetime | None:
        """Return the deadline that counts now: of acceptance, then of the answer; none while the clock stands."""
        if not self.open or self.paused_at is not None:
            return None
        return self.accept_by if self.accepted_at is None else self.answer_by


@dataclass(frozen=True, slots=True)
class ChosenStudy:
    """A study of a request."""

    study_uid: str
    study_id: str
    owner: str
    prior: bool = False
    study_date: str = ""
    study_time: str = ""
    modalities: str = ""
    description: str = ""
    accession: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """Whoever reads beside the consultant."""

    login: str
    name: str
    mo: str
    part: str


@dataclass(frozen=True, slots=True)
class Case:
    """A request with what decides who may do what with it."""

    request: Consultation
    offers: frozenset[str]
    """МО that it is offered to."""
    studies: tuple[ChosenStudy, ...] = ()
    members: tuple[Member, ...] = field(default=())
    reviewed: str = ""
    """Login of who gave the answer that is reviewed."""

    @property
    def readers(self) -> frozenset[str]:
        """Who has signed a reading: they do not read it again."""
        return frozenset(member.login for member in self.members if member.part == Part.READER)

    @property
    def barred(self) -> frozenset[str]:
        """Who must not answer: readers of this request, and who gave the answer that is reviewed."""
        return self.readers | ({self.reviewed} if self.reviewed else frozenset())


def consultation_of(row: Row[Any]) -> Consultation:
    """Return the request of a row of the table."""
    mapping = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    values: dict[str, Any] = {name: mapping[name] for name in Consultation.__dataclass_fields__}
    values["state"], values["kind"] = State(values["state"]), Kind(values["kind"])
    values["urgency"] = Urgency(values["urgency"])
    return Consultation(**values)


def load(connection: Connection, number: int) -> Case | None:
    """Read a request as it is in this transaction."""
    row = connection.execute(select(consultation).where(consultation.c.number == number)).first()
    if row is None:
        return None
    offers = connection.scalars(select(consultation_offer.c.mo).where(consultation_offer.c.number == number))
    return Case(
        consultation_of(row), frozenset(offers), studies_of(connection, number), _members(connection, number),
        _reviewed(connection, row),
    )  # fmt: skip


def studies_of(connection: Connection, number: int) -> tuple[ChosenStudy, ...]:
    """Read the studies of a request, in the order in which they were chosen."""
    columns = consultation_study.c
    query = select(
        columns.study_uid,
        columns.study_id,
        columns.owner,
        columns.prior,
        columns.study_date,
        columns.study_time,
        columns.modalities,
        columns.description,
        columns.accession,
    )
    rows = connection.execute(query.where(columns.number == number).order_by(columns.place))
    return tuple(ChosenStudy(*row) for row in rows)


def _reviewed(connection: Connection, row: Row[Any]) -> str:
    if row.kind != Kind.SECOND_OPINION or row.based_on is None:
        return ""
    found = connection.scalar(select(consultation.c.consultant).where(consultation.c.number == row.based_on))
    return str(found or "")


def _members(connection: Connection, number: int) -> tuple[Member, ...]:
    columns = consultation_member.c
    query = select(columns.login, columns.name, columns.mo, columns.part)
    rows = connection.execute(query.where(columns.number == number).order_by(columns.added_at, columns.login))
    return tuple(Member(*row) for row in rows)
