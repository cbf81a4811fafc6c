"""Writing a request: saved as it is typed, complete when it is sent (F-39)."""

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from cami.access import Identity
from cami.clock import Clock
from cami.consultations.catalogue import Found
from cami.consultations.ports import Act, Journal
from cami.consultations.request import Case, ChosenStudy, Consultation, Person, load
from cami.consultations.routes import Asked, RouteTable, modality_set
from cami.consultations.states import Command, State
from cami.consultations.terms import Kind, Mode, Urgency
from cami.consultations.workflow import record
from cami.db.tables import consultation, consultation_file, consultation_study
from cami.errors import Conflict, Invalid, NotFound

#: Studies of one request.
MOST_STUDIES = 30
_LONGEST = {"question": 4000, "history": 20_000, "diagnosis_text": 500, "phone": 64}
_DIAGNOSIS = re.compile(r"[A-Z][0-9]{2}(\.[0-9]{1,2})?")


class Incomplete(Invalid):
    """Something is missing before a request can be sent."""

    def __init__(self, codes: Sequence[str]) -> None:
        super().__init__(", ".join(codes))
        self.codes = tuple(codes)


class Studies(Protocol):
    """Finds the studies that an МО may ask about; `cami.consultations.catalogue` does."""

    def find(self, mo: str, study_uid: str) -> Found | None:
        """Return a study of an МО, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """What the form of a request holds."""

    kind: Kind = Kind.CONSULTATION
    urgency: Urgency = Urgency.ROUTINE
    mode: Mode = Mode.DEFERRED
    profile: str = ""
    route: str = ""
    phone: str = ""
    question: str = ""
    diagnosis: str = ""
    diagnosis_text: str = ""
    history: str = ""
    inpatient: bool = False
    consent: bool = False

    @classmethod
    def of(cls, request: Consultation) -> "Content":
        """Return what a request holds."""
        mine = cls.__dataclass_fields__
        values = {name: getattr(request, name) for name in mine}
        return cls(**values | {"mode": Mode(request.mode)})

    def changed(self, given: Mapping[str, Any]) -> "Content":
        """Return it with what somebody has filled in.

        Raises
        ------
        cami.errors.Invalid
            A value is none of those that a field takes; the message is its name.
        """
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name not in self.__dataclass_fields__:
                continue
            values[name] = _value(name, value)
        return replace(self, **values)


def _value(name: str, value: Any) -> Any:
    enums: dict[str, type[Kind] | type[Urgency] | type[Mode]] = {"kind": Kind, "urgency": Urgency, "mode": Mode}
    if name in ("inpatient", "consent"):
        return value in (True, "1", "on", "true")
    if not isinstance(value, str):
        raise Invalid(name)
    if name in enums:
        try:
            return enums[name](value)
        except ValueError:
            raise Invalid(name) from None
    text = value.replace("\r\n", "\n").strip() if name != "history" else value.replace("\r\n", "\n")
    if len(text) > _LONGEST.get(name, 32):
        raise Invalid(name)
    return text.upper() if name == "diagnosis" else text


class Drafts:
    """Makes and changes drafts; the author alone does."""

    def __init__(self, engine: Engine, clock: Clock, routes: RouteTable, studies: Studies, journal: Journal) -> None:
        self._engine = engine
        self._clock = clock
        self._routes = routes
        self._studies = studies
        self._journal = journal

    def create(
        self, identity: Identity, study_uids: Sequence[str], content: Content, *, before: Case | None = None,
        within: Connection | None = None,
    ) -> Case:  # fmt: skip
        """Make a draft about studies of the own МО; the first is the one that it is about, the others are earlier.

        It may follow another request (`before`), of the same patient. It is made in a transaction of its own, or
        `within` the caller's.

        Raises
        ------
        cami.errors.NotFound
            One of the studies does not exist, or is another МО's.
        cami.errors.Invalid
            There is no study, or too many.
        """
        found = self._found(identity.mo, study_uids)
        about, columns = found[0].study, found[0].columns
        if before is not None and (before.request.mo, before.request.patient_id) != (identity.mo, columns.patient_id):
            raise Invalid("patient")
        now = self._clock.now()
        values = {name: getattr(content, name) for name in Content.__dataclass_fields__}
        texts = {name: str(value) for name, value in values.items() if isinstance(value, Kind | Urgency | Mode)}
        with self._engine.begin() if within is None else nullcontext(within) as connection:
            made = connection.execute(
                insert(consultation)
                .values(
                    **(values | texts),
                    version=1,
                    state=State.DRAFT.value,
                    mo=identity.mo,
                    asker=identity.login,
                    asker_name=identity.name,
                    patient_name=columns.patient_name,
                    patient_id=columns.patient_id,
                    patient_birth_date=columns.patient_birth_date,
                    patient_sex=columns.patient_sex,
                    modalities=_bars(about.modalities),
                    based_on=before.request.number if before else None,
                    created_at=now,
                    changed_at=now,
                    late=False,
                    escalated=False,
                    critical=False,
                )
                .returning(consultation.c.number)
            )
            number = int(made.scalar_one())
            _write_studies(connection, number, [each.study for each in found])
            case = _again(connection, number)
            person = Person.of(identity)
            record(connection, case, person, Command.CREATE.value, at=now, before="")
            self._journal.record_in(connection, _act(case, person, Command.CREATE.value))
            return _again(connection, number)

    def save(
        self,
        connection: Connection,
        case: Case,
        given: Mapping[str, Any],
        *,
        version: int | None,
        study_uids: Sequence[str] | None = None,
    ) -> Case:
        """Keep what the author has typed.

        Raises
        ------
        cami.errors.Conflict
            It is no draft any more, or was saved elsewhere since.
        cami.errors.Invalid, cami.errors.NotFound
            A value, or a study.
        """
        request = case.request
        if request.state is not State.DRAFT:
            raise Conflict("the request has been sent")
        if version is not None and version != request.version:
            raise Conflict("the request has been changed since you opened it")
        content = Content.of(request).changed(given)
        values: dict[str, Any] = {
            name: str(value) if isinstance(value, Kind | Urgency | Mode) else value
            for name, value in ((name, getattr(content, name)) for name in Content.__dataclass_fields__)
        }
        if study_uids is not None:
            found = self._found(request.mo, study_uids)
            _write_studies(connection, request.number, [each.study for each in found])
            values["modalities"] = _bars(found[0].study.modalities)
        here = (consultation.c.number == request.number, consultation.c.version == request.version)
        changed = update(consultation).where(*here)
        values |= {"version": request.version + 1, "changed_at": self._clock.now()}
        if not connection.execute(changed.values(**values)).rowcount:
            raise Conflict("the request has been changed since you opened it")
        return _again(connection, request.number)

    def missing(self, connection: Connection, case: Case) -> list[str]:
        """Return what has to be filled in before a request may be sent, as codes."""
        request = case.request
        wanted = {
            "question": bool(request.question.strip()),
            "studies": bool(case.studies),
            "profile": request.profile in self._routes.profiles,
            # Without consent only when life is at stake (323-ФЗ art. 20 p. 9).
            "consent": request.consent or request.urgency is Urgency.STAT,
            "phone": bool(request.phone) or request.urgency is not Urgency.STAT,
            "diagnosis": not request.diagnosis or bool(_DIAGNOSIS.fullmatch(request.diagnosis)),
            # What is reviewed: an answer given here, or a protocol of the МО's own, told or attached.
            "reviewed": request.kind is not Kind.SECOND_OPINION or bool(case.reviewed or self._told(connection, case)),
        }
        codes = [code for code, fine in wanted.items() if not fine]
        if not codes:
            try:
                self._routes.checked(request.route, asked(case), self._clock.now(), self._today(connection, case))
            except Invalid as error:
                codes.append(str(error))
        return codes

    def _told(self, connection: Connection, case: Case) -> bool:
        files = consultation_file.c
        attached = select(func.count()).where(files.number == case.request.number)
        return bool(case.request.history.strip()) or bool(connection.scalar(attached))

    def _today(self, connection: Connection, case: Case) -> int:
        calendar = self._routes.calendar
        today = calendar.start_of_day(calendar.day(self._clock.now()))
        query = select(func.count()).where(
            consultation.c.sent_at >= today,
            consultation.c.mo == case.request.mo,
            consultation.c.route == case.request.route,
        )
        return connection.scalar(query) or 0

    def _found(self, mo: str, study_uids: Sequence[str]) -> list[Found]:
        uids = list(dict.fromkeys(study_uids))
        if not uids or len(uids) > MOST_STUDIES:
            raise Invalid("studies")
        found: list[Found] = []
        for place, uid in enumerate(uids):
            known = self._studies.find(mo, uid)
            if known is None:
                raise NotFound("no such study")
            found.append(replace(known, study=replace(known.study, prior=place > 0)))
        if any(each.columns.patient_id != found[0].columns.patient_id for each in found):
            raise Invalid("patient")
        return found


def asked(case: Case) -> Asked:
    """Return what of a request decides over its route."""
    request = case.request
    return Asked(
        request.mo, request.kind.value, request.urgency.value, request.profile, modality_set(request.modalities)
    )  # fmt: skip


def _bars(modalities: str) -> str:
    codes = [code for code in modalities.split("\\") if code]
    return "\\" + "\\".join(codes)[:190] + "\\" if codes else ""


def _write_studies(connection: Connection, number: int, studies: Sequence[ChosenStudy]) -> None:
    connection.execute(delete(consultation_study).where(consultation_study.c.number == number))
    for place, study in enumerate(studies):
        connection.execute(
            insert(consultation_study).values(
                number=number,
                place=place,
                study_uid=study.study_uid,
                study_id=study.study_id,
                owner=study.owner,
                prior=study.prior,
                study_date=study.study_date,
                study_time=study.study_time,
                modalities=study.modalities[:200],
                description=study.description,
                accession=study.accession,
            )
        )


def _again(connection: Connection, number: int) -> Case:
    case = load(connection, number)
    if case is None:
        raise NotFound("no such request")
    return case


def _act(case: Case, person: Person, what: str) -> Act:
    studies = tuple(study.study_uid for study in case.studies)
    return Act(case.request.number, what, person.login, person.role, person.mo, case.request.mo, studies)
