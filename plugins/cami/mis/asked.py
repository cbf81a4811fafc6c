"""Consultations that a МИС has asked for: its Task and the request that came of it, in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from cami.db import reading
from cami.db.tables import consultation, mis_consultation
from cami.mis import consultation_requests, fhir
from cami.mis.consultation_requests import REFUSALS, Lookup
from cami.mis.ports import ConsultationDesk, ConsultationRefused
from cami.mis.problems import Problem, Refusal, refuse
from cami.mis.studies import uid_of_ordered


@dataclass(frozen=True, slots=True)
class Asked:
    """A consultation that a МИС has asked for, as it stands."""

    number: int
    client: str
    task: str
    request: str
    patient: str
    mo: str
    to_mo: str
    state: str
    version: int
    reason: str
    reason_text: str
    changed_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None


class AskedConsultations:
    """The table ``mis_consultation``. Thread-safe."""

    def __init__(self, engine: Engine, desk: ConsultationDesk, code_of: Callable[[str], str | None]) -> None:
        self._reader = reading(engine)
        self._desk = desk
        self._code_of = code_of

    def place(
        self, connection: Connection, task: Mapping[str, Any], address: str, lookup: Lookup, *, patient: str,
        client: str, place: str,
    ) -> int:  # fmt: skip
        """Take a consultation into the desk; return its number.

        Raises
        ------
        Refusal
            It is not complete, no route leads there, or a study is none that this МИС has ordered.
        """
        mo = self._code_of(consultation_requests.asking(task, lookup)[0])
        to_mo = self._code_of(fhir.identified(task.get("owner"))[1])
        if mo is None or to_mo is None:
            raise refuse(422, "CAMI-0031", f"{place}.{'requester' if mo is None else 'owner'}")
        uids = self._uids(connection, consultation_requests.studies_of(task), f"mis:{client}")
        if uids is None:
            raise refuse(422, "CAMI-0081", f"{place}.input")
        request = fhir.referred(task.get("focus"))
        wanted = consultation_requests.wanted(
            task, lookup(request) or {}, lookup, system=f"mis:{client}", mo=mo, to_mo=to_mo, study_uids=uids
        )
        try:
            number = self._desk.place(connection, wanted)
        except ConsultationRefused as refused:
            raise Refusal(422, *_problems(refused, place)) from refused
        values = {"number": number, "client": client, "task": address.partition("/")[2], "request": request[:100]}
        connection.execute(insert(mis_consultation).values(**values, patient=patient))
        return number

    def withdraw(
        self, connection: Connection, asked: Asked, task: Mapping[str, Any], lookup: Lookup, place: str
    ) -> None:
        """Take a consultation back.

        Raises
        ------
        Refusal
            It has ended.
        """
        doctor = consultation_requests.asking(task, lookup)[1] or "Врач МИС"
        text = fhir.text(fhir.mapping(task.get("statusReason")).get("text"))
        try:
            self._desk.withdraw(
                connection, asked.number, system=f"mis:{asked.client}", doctor=doctor, mo=asked.mo, text=text
            )
        except ConsultationRefused as refused:
            raise Refusal(422, *_problems(refused, place)) from refused

    def of_task(self, connection: Connection, task: str, client: str) -> Asked | None:
        """Return the consultation of a client's Task, in the caller's transaction."""
        here = (mis_consultation.c.task == task, mis_consultation.c.client == client)
        return _asked(connection.execute(_QUERY.where(*here)).first())

    def shown(self, task: str, client: str) -> Asked | None:
        """Return the consultation of a client's Task."""
        with self._reader.connect() as connection:
            return self.of_task(connection, task, client)

    def numbered(self, number: object) -> Asked | None:
        """Return the consultation of that number, if a МИС has asked for it."""
        if not isinstance(number, int):
            return None
        with self._reader.connect() as connection:
            return _asked(connection.execute(_QUERY.where(mis_consultation.c.number == number)).first())

    def _uids(self, connection: Connection, named: Sequence[str], source: str) -> tuple[str, ...] | None:
        """Return the Study Instance UIDs of what a Task names; None if one is no study of an order of this МИС."""
        found: list[str] = []
        for name in named:
            uid = uid_of_ordered(connection, name, source)
            if uid is None:
                return None
            found.append(uid)
        return tuple(dict.fromkeys(found))


_COLUMNS = consultation.c
_QUERY = select(
    mis_consultation, _COLUMNS.mo, _COLUMNS.to_mo, _COLUMNS.state, _COLUMNS.version, _COLUMNS.reason,
    _COLUMNS.reason_text, _COLUMNS.changed_at, _COLUMNS.accepted_at, _COLUMNS.ended_at,
).join(consultation, consultation.c.number == mis_consultation.c.number)  # fmt: skip


def _asked(row: Row[Any] | None) -> Asked | None:
    return None if row is None else Asked(**dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's documented name


def _problems(refused: ConsultationRefused, place: str) -> list[Problem]:
    codes = dict.fromkeys(REFUSALS.get(code, "CAMI-0086") for code in refused.codes)
    return [Problem(code, f"{place}.input" if code != "CAMI-0043" else f"{place}.status") for code in codes]
