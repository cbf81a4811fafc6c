"""What people are told, in the portal at once, by mail and webhook soon: that something happened, never about whom."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Engine, and_, insert, or_, select, text

from cami.access import Identity
from cami.consultations.parts import answers, dispatches
from cami.consultations.request import Case
from cami.consultations.states import Command
from cami.db import reading
from cami.db.tables import consultation, consultation_notice

DISPATCHER = "dispatcher"
#: Names the lock under which numbers of notices and of the history are given.
_WRITING = 0x6C616D70


class Told(StrEnum):
    """What a notice says."""

    APPROVAL = "approval"
    """A request waits for your approval."""
    SENT = "sent"
    """There is a new request."""
    RETURNED = "returned"
    """Your request was not approved yet."""
    ASSIGNED = "assigned"
    """A request was given to you."""
    TAKEN = "taken"
    """A consultant works on your request."""
    INFO_REQUESTED = "info-requested"
    INFO_GIVEN = "info-given"
    RELEASED = "released"
    """A request is in the queue again."""
    DONE = "done"
    CORRECTED = "corrected"
    CRITICAL = "critical"
    """The answer names a critical finding."""
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    MESSAGE = "message"
    ESCALATED = "escalated"
    """Nobody has taken a request."""
    CRITICAL_READING = "critical-reading"
    """One of two readers names a critical finding; the conclusion is still to come."""
    UNHEARD = "unheard"
    """Nobody of the asking МО has confirmed to know of a critical finding."""
    NEXT_READER = "next-reader"
    """A request waits for its second reader, or its third."""
    REVIEWED = "reviewed"
    """An answer of yours was reviewed."""
    LATE = "late"
    """A deadline has passed."""


@dataclass(frozen=True, slots=True)
class Target:
    """Who is told: one person, those of an МО who answer, or a role."""

    login: str = ""
    mo: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice as it is shown."""

    id: int
    number: int
    at: datetime
    kind: Told
    urgency: str


def in_turn(connection: Connection) -> None:
    """Let entries of the history and notices become visible in the order of their numbers.

    Pages ask for what is newer than the newest that they know. SQLite has one writer at a time; in PostgreSQL a lock is
    held to the end of the transaction, taken before those of the events and of the journal, which all of them take too.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITING})"))


def notify(connection: Connection, case: Case, at: datetime, told: Told, targets: Iterable[Target]) -> None:
    """Write notices within the caller's transaction."""
    in_turn(connection)
    for target in dict.fromkeys(targets):
        connection.execute(
            insert(consultation_notice).values(
                number=case.request.number,
                at=at,
                kind=told.value,
                urgency=case.request.urgency.value,
                login=target.login,
                mo=target.mo,
                role=target.role,
            )
        )


#: Who is told what of a command: the asker, the queue (МО that it is offered to, and the dispatcher), whoever has it.
_TOLD: Mapping[Command, tuple[Told, str]] = {
    Command.SUBMIT: (Told.APPROVAL, "approvers"),
    Command.RETURN: (Told.RETURNED, "asker"),
    Command.SEND: (Told.SENT, "queue"),
    Command.APPROVE: (Told.SENT, "queue"),
    Command.REDIRECT: (Told.SENT, "queue"),
    Command.ASSIGN: (Told.ASSIGNED, "new"),
    Command.HAND_OVER: (Told.ASSIGNED, "new"),
    Command.TAKE: (Told.TAKEN, "asker"),
    Command.RELEASE: (Told.RELEASED, "queue"),
    Command.EXPIRE: (Told.RELEASED, "queue"),
    Command.CONCLUDE: (Told.NEXT_READER, "queue"),
    Command.DIVERGE: (Told.NEXT_READER, "queue"),
    Command.DISAGREE: (Told.NEXT_READER, "queue"),
    Command.ASK_MORE: (Told.INFO_REQUESTED, "asker"),
    Command.TELL_MORE: (Told.INFO_GIVEN, "new"),
    Command.SIGN: (Told.DONE, "asker"),
    Command.CORRECT: (Told.CORRECTED, "asker"),
    Command.REJECT: (Told.REJECTED, "asker"),
    Command.CANCEL: (Told.CANCELLED, "old"),
}


def targets_of(before: Case, after: Case, command: Command, approvers: frozenset[str]) -> list[tuple[Told, Target]]:
    """Return who is told what of a command."""
    had, has = before.request.consultant, after.request.consultant
    people = {
        "approvers": [Target(login=login) for login in sorted(approvers)],
        "asker": [Target(login=after.request.asker)],
        "queue": [*(Target(mo=mo) for mo in sorted(after.offers)), Target(role=DISPATCHER)],
        "new": [Target(login=has)] if has else [],
        "old": [Target(login=had)] if had else [],
    }
    found: list[tuple[Told, Target]] = []
    if command in _TOLD:
        told, whom = _TOLD[command]
        told = Told.CRITICAL if command is Command.SIGN and after.request.critical else told
        found = [(told, target) for target in people[whom]]
    if command is Command.SIGN and after.reviewed:
        found.append((Told.REVIEWED, Target(login=after.reviewed)))
    if had and had != has and command in (Command.ASSIGN, Command.REDIRECT, Command.EXPIRE):
        found += [(Told.RELEASED, target) for target in people["old"]]
    return found


class Notices:
    """Reads notices for people."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def latest(self, identity: Identity, after: int, limit: int) -> list[Notice]:
        """List the newest notices that somebody is told of, with ids above `after`, the newest first."""
        columns = consultation_notice.c
        query = (
            select(columns.id, columns.number, columns.at, columns.kind, columns.urgency)
            .join(consultation, consultation.c.number == columns.number)
            .where(columns.id > after, or_(*addressed(identity)))
            .order_by(columns.id.desc())
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [
                Notice(row.id, row.number, row.at, Told(row.kind), row.urgency) for row in connection.execute(query)
            ]


def addressed(identity: Identity) -> list[ColumnElement[bool]]:
    """Return the ways in which a notice is somebody's, each answered by an index of its own."""
    columns = consultation_notice.c
    ways: list[ColumnElement[bool]] = [columns.login == identity.login]
    if answers(identity):
        ways.append(and_(columns.mo == identity.mo, columns.mo != ""))
    if dispatches(identity):
        ways.append(columns.role == DISPATCHER)
    return ways
