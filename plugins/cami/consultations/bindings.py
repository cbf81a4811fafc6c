"""The ports of the workflow over the packages that stand behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from cami.access import Accounts, Cause, GrantBook, Identity, NewGrant
from cami.audit import AuditEvent, AuditTrail, Kind
from cami.consultations.ports import Act, Holder, NamedStudy
from cami.events import EventLog, NewEvent


class GrantRights:
    """Rights to see studies are grants of the cause «consultation», under the number of the request."""

    def __init__(self, grants: GrantBook) -> None:
        self._grants = grants

    def give(
        self, connection: Connection, number: int, studies: Sequence[NamedStudy], holders: Sequence[Holder], by: str
    ) -> None:
        """Let `holders` see `studies`."""
        for study in studies:
            for holder in holders:
                self._grants.give(
                    connection,
                    NewGrant(
                        study_uid=study.study_uid,
                        owner=study.owner,
                        mo=holder.mo,
                        login=holder.login,
                        cause=Cause.CONSULTATION,
                        reference=str(number),
                        reason="consultation",
                        by=by,
                    ),
                )

    def end(self, connection: Connection, number: int, by: str, why: str) -> None:
        """End all rights of a request."""
        self._grants.end(connection, cause=Cause.CONSULTATION, reference=str(number), by=by, why=why)


class AuditJournal:
    """The journal of accesses."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    def record(self, act: Act) -> None:
        """Write down what somebody has read; durable when it returns."""
        self._trail.record(_event(act))

    def record_in(self, connection: Connection, act: Act) -> None:
        """Write down a change within the transaction that makes it."""
        self._trail.record_in(connection, _event(act))


class EventOutlet:
    """Events that the MIS and others are told of."""

    def __init__(self, events: EventLog) -> None:
        self._events = events

    def append(self, connection: Connection, kind: str, key: str, payload: Mapping[str, Any]) -> None:
        """Add an event within the caller's transaction."""
        self._events.append(connection, NewEvent(kind, key, payload))


class AccountPasswords:
    """Passwords of the accounts: what a simple electronic signature rests on (63-ФЗ art. 5, 9)."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def confirmed(self, login: str, password: str) -> bool:
        """Return whether a password is somebody's."""
        return isinstance(self._accounts.check(login, password), Identity)


def _event(act: Act) -> AuditEvent:
    return AuditEvent(
        kind=Kind.REPORT if act.what in ("sign", "correct") else Kind.CONSULTATION,
        actor=act.actor,
        role=act.role,
        mo=act.mo,
        owner=act.owner,
        studies=act.studies,
        subject=str(act.number),
        reason=act.reason,
        details={"what": act.what, **act.details},
    )
