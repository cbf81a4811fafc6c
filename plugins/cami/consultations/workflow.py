"""The one place where a request changes its state: in one transaction with its rights, its history, timers and notices.

A change names the version that it was decided on; if somebody was quicker, nothing happens and the loser is told who.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, update

from cami.clock import Clock
from cami.consultations.notices import in_turn, notify, targets_of
from cami.consultations.ports import Act, Holder, Journal, NamedStudy, Outlet, Rights
from cami.consultations.request import Case, Consultation, Person, load
from cami.consultations.routes import Due, RouteTable
from cami.consultations.states import ENDED, HELD, OPEN, QUEUED, Command, State, Step, step
from cami.consultations.terms import Kind, Part
from cami.consultations.timers import set_timers
from cami.db.tables import consultation, consultation_event, consultation_member, consultation_offer
from cami.errors import Conflict

_SENDING = frozenset({Command.SEND, Command.APPROVE})
#: Rows that somebody may still be at work on keep their consultant.
_KEEP_CONSULTANT = frozenset({*HELD, State.DONE, State.REJECTED, State.CANCELLED})


class Taken(Conflict):
    """Somebody else has it."""

    def __init__(self, person: str) -> None:
        super().__init__("somebody else has taken it")
        self.person = person
        """Who; for the one who came second, never for a log."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is wanted of a request."""

    command: Command
    by: Person
    version: int | None = None
    """On which it was decided; None: on whatever is there."""
    reason: str = ""
    """Code."""
    text: str = ""
    """In the person's words."""
    to: Person | None = None
    """Who gets it."""
    offers: Sequence[str] | None = None
    """МО that it is offered to from now on."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Further columns."""


def record(
    connection: Connection, case: Case, by: Person, command: str, *, at: datetime, before: str, **more: str
) -> int:
    """Add to the history of a request; return the number of the entry, which is now the newest."""
    in_turn(connection)
    added = connection.execute(
        insert(consultation_event).values(
            number=case.request.number,
            version=case.request.version,
            at=at,
            login=by.login,
            person=by.name,
            role=by.role,
            mo=by.mo,
            command=command,
            before=before,
            after=case.request.state.value,
            **more,
        )
    ).inserted_primary_key
    number = int(added[0]) if added else 0
    row = update(consultation).where(consultation.c.number == case.request.number)
    connection.execute(row.values(last_event=number))
    return number


def holders(case: Case) -> tuple[Holder, ...]:
    """Return who sees the studies of a request in its state: the МО that it waits at, or whoever has it."""
    if case.request.state in QUEUED:
        return tuple(Holder(mo=mo) for mo in sorted(case.offers))
    if case.request.state in HELD:
        invited = [member.login for member in case.members if member.part == Part.MEMBER]
        people = {case.request.consultant: None} | dict.fromkeys(invited)
        return tuple(Holder(login=login) for login in people if login)
    return ()


class Workflow:
    """Carries out commands."""

    def __init__(
        self,
        clock: Clock,
        routes: RouteTable,
        *,
        rights: Rights,
        journal: Journal,
        outlet: Outlet,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Make it; `changed` is called when images may have to be brought or let go."""
        self._clock = clock
        self._routes = routes
        self._rights = rights
        self._journal = journal
        self._outlet = outlet
        self.changed = changed

    def move(self, connection: Connection, case: Case, change: Change) -> Case:
        """Carry out a command that its actor may give; return the request as it is now.

        Raises
        ------
        cami.consultations.workflow.Taken
            Somebody else has it.
        cami.errors.Conflict
            It cannot be done in this state, or the request has changed since it was looked at.
        """
        request = case.request
        found = self._step(case, change)
        now = self._clock.now()
        due = self._due(case, change, found, now)
        values = self._values(case, change, found, now, due)
        here = (consultation.c.number == request.number, consultation.c.version == request.version)
        moved = update(consultation).where(*here).values(**values, version=request.version + 1, changed_at=now)
        if not connection.execute(moved).rowcount:
            raise Conflict("the request has just been changed by somebody else")
        if change.offers is not None:
            _offer(connection, request.number, change.offers)
        if change.command is Command.REDIRECT:  # another МО calls its own
            invited = consultation_member.c.part == Part.MEMBER.value  # who has read, has read
            connection.execute(
                delete(consultation_member).where(consultation_member.c.number == request.number, invited)
            )
        after = self._again(connection, request.number)
        set_timers(connection, after.request, due)
        self.rights(connection, case, after, change.by)
        self._write_down(connection, case, after, change=change, found=found, now=now)
        return after

    def rights(self, connection: Connection, before: Case, after: Case, by: Person) -> None:
        """Let see those who are to see now, and nobody else."""
        had, wanted = holders(before), holders(after)
        if had == wanted and before.studies == after.studies:
            return
        number = after.request.number
        if had:
            self._rights.end(connection, number, by.login, after.request.state.value)
        if wanted:
            studies = [NamedStudy(study.study_uid, study.owner) for study in after.studies]
            self._rights.give(connection, number, studies, wanted, by.login)

    def _step(self, case: Case, change: Change) -> Step:
        request = case.request
        if change.command is Command.TAKE and request.held and request.consultant != change.by.login:
            raise Taken(request.consultant_name)
        if change.version is not None and change.version != request.version:
            raise Conflict("the request has been changed since you opened it")
        return step(request.state, change.command, request.reading)

    def _due(self, case: Case, change: Change, found: Step, now: datetime) -> Due | None:
        """Return the deadlines of a request that is sent; of one that waits for its next reader, to call for one."""
        if change.command not in _SENDING and not (found.then and found.to in QUEUED):
            return None
        route = str(change.values.get("route", case.request.route))
        urgency = str(change.values.get("urgency", case.request.urgency))
        return self._routes.due(route, urgency, now)

    def _values(self, case: Case, change: Change, found: Step, now: datetime, due: Due | None) -> dict[str, Any]:
        request = case.request
        values: dict[str, Any] = {**change.values, "state": found.to.value}
        if due is not None and change.command in _SENDING:
            values |= {"sent_at": now, "accept_by": due.accept_by, "answer_by": due.answer_by}
        if found.to is State.RECEIVED and request.received_at is None:
            values["received_at"] = now
        if change.command in _SENDING and request.kind is Kind.DOUBLE_READING:
            values["reading"] = 1
        elif found.then is not None:
            values["reading"] = found.then
        values |= self._hands(case, change, found, now)
        values |= self._clockwork(case, found, now)
        if found.to in ENDED and request.state not in ENDED:
            values["ended_at"] = now
        if change.command in (Command.REJECT, Command.CANCEL):
            values |= {"reason": change.reason, "reason_text": change.text}
        if change.command in (Command.SIGN, Command.CORRECT):
            values["acknowledge_by"] = self._acknowledge_by(request, values, now)
        return values

    def _acknowledge_by(self, request: Consultation, values: Mapping[str, Any], now: datetime) -> datetime | None:
        """Return by when a critical finding is to be acknowledged (F-37): from when it was first told."""
        if not values["critical"]:
            return None
        if request.critical and request.acknowledge_by is not None:
            return request.acknowledge_by
        return self._routes.acknowledge(request.route, request.urgency, now)

    def _hands(self, case: Case, change: Change, found: Step, now: datetime) -> dict[str, Any]:
        """Say who has it now, and for how long without a word."""
        request = case.request
        person = change.by if change.command is Command.TAKE else change.to
        values: dict[str, Any] = {}
        if person is not None:
            values = {"consultant": person.login, "consultant_name": person.name, "to_mo": person.mo}
        elif found.to not in _KEEP_CONSULTANT:
            values = {"consultant": "", "consultant_name": "", "to_mo": ""}
        if found.to in HELD:
            if request.accepted_at is None:
                values["accepted_at"] = now
            waits = found.to is State.INFO_REQUESTED
            values["lease_until"] = None if waits else self._routes.lease(request.route, request.urgency, now)
        else:
            values["lease_until"] = None
        return values

    def _clockwork(self, case: Case, found: Step, now: datetime) -> dict[str, Any]:
        """Stop the clock while the consultant waits for an answer, and start it again."""
        request = case.request
        values: dict[str, Any] = {}
        if found.to is State.INFO_REQUESTED:
            values["paused_at"] = now
        elif request.paused_at is not None:
            values["paused_at"] = None
            if request.answer_by is not None:
                values["answer_by"] = request.answer_by + (now - request.paused_at)
        elif request.state in OPEN:
            due = request.due_at()
            values["late"] = request.late or (due is not None and now > due)
        return values

    def _write_down(
        self, connection: Connection, before: Case, after: Case, *, change: Change, found: Step, now: datetime
    ) -> None:
        request = after.request
        subject = change.to.name if change.to else ", ".join(change.offers or ()) if before.request.open else ""
        record(
            connection, after, change.by, change.command.value, at=now, before=before.request.state.value,
            subject=subject, reason=change.reason, text=change.text,
        )  # fmt: skip
        approvers = self._routes.approvers(request.mo)
        for told, target in targets_of(before, after, change.command, approvers):
            if target.login != change.by.login:
                notify(connection, after, now, told, [target])
        if request.state is not State.DRAFT or before.request.state is not State.DRAFT:
            self._tell(connection, after, found.event)
        act = Act(
            number=request.number,
            what=change.command.value,
            actor=change.by.login,
            role=change.by.role,
            mo=change.by.mo,
            owner=request.mo,
            studies=tuple(study.study_uid for study in after.studies),
            reason=change.reason,
            details={"state": request.state.value},
        )
        self._journal.record_in(connection, act)

    def _tell(self, connection: Connection, case: Case, event: str) -> None:
        request = case.request
        key = case.studies[0].study_uid if case.studies else str(request.number)
        payload = {
            "number": request.number, "version": request.version, "state": request.state.value, "event": event,
            "mo": request.mo, "to_mo": request.to_mo, "urgency": request.urgency.value, "kind": request.kind.value,
            "studies": [study.study_uid for study in case.studies],
        }  # fmt: skip
        self._outlet.append(connection, "consultation.state", key, payload)
        if event in ("done", "corrected"):
            self._outlet.append(connection, "report.signed", key, payload)

    def _again(self, connection: Connection, number: int) -> Case:
        case = load(connection, number)
        if case is None:
            raise Conflict("the request is gone")
        return case


def _offer(connection: Connection, number: int, offers: Sequence[str]) -> None:
    connection.execute(delete(consultation_offer).where(consultation_offer.c.number == number))
    for mo in dict.fromkeys(offers):
        connection.execute(insert(consultation_offer).values(number=number, mo=mo))
