"""Grants: who else than its owner may see a study, why, and until when. The table ``study_grant`` is the truth.

A grant is from one owner for one study, to everybody of an МО who may see images there, or to one person. It holds from
the moment it is given until its time is over or somebody ends it; both are decided when somebody asks
(`cami.access.granted`), so a grant ends on time whatever runs or does not. Rows are never removed: they are the record
of who could see what (приказ ФСТЭК № 21, РСБ.3). Labels in Orthanc only mirror them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, insert, select, update

from cami.access.granted import in_force
from cami.audit import AuditEvent, Kind
from cami.clock import Clock, iso
from cami.db.tables import study_grant
from cami.errors import Invalid

_CHUNK = 500


class Cause(StrEnum):
    """Why somebody may see another МО's study."""

    BREAK_GLASS = "break-glass"
    """«Экстренный доступ»: somebody has taken it, with a reason, for a day."""
    CONSULTATION = "consultation"
    """A consultation about it is open."""
    ORDER = "order"
    """An order makes the МО responsible for the patient: the patient's earlier studies, for a set time."""
    ROUTING = "routing"
    """A routing rule of the owner shares it."""
    SHARE = "share"
    """Somebody of the owner shares it until a date."""


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A grant that is to be given."""

    study_uid: str
    """The study may still be on its way, or at its МО."""
    owner: str
    """Code of the МО whose study it is; if the study turns out to be another's, the grant opens nothing."""
    mo: str = ""
    """To everybody who may see images at this МО …"""
    login: str = ""
    """… or to one person; with `mo` too: while that person acts for this МО."""
    cause: Cause = Cause.SHARE
    reference: str = ""
    """Number of the consultation or order, name of the rule."""
    reason: str = ""
    by: str = ""
    until: datetime | None = None
    """Aware; None: until it is ended."""


@dataclass(frozen=True, slots=True)
class Actor:
    """What the journal is told of somebody who gives or ends a grant, besides the login."""

    role: str = ""
    mo: str = ""
    source: str = ""
    """Network address."""


class Trail(Protocol):
    """The journal; `cami.audit.AuditTrail` is one."""

    def record_in(self, connection: Connection, event: AuditEvent) -> None:
        """Write an event in the caller's transaction."""
        ...


class PatientStudies(Protocol):
    """Knows the studies of a patient, whoever has them; patients are numbered by who implements this."""

    def studies_of(self, connection: Connection, patient: str) -> Iterable[tuple[str, str]]:
        """Yield Study Instance UID and owner."""
        ...


#: Nothing more is known: the system, a machine.
NOBODY = Actor()
#: Why grants end by themselves.
EXPIRED = "expired"
REPLACED = "replaced"


class GrantBook:
    """Gives and ends grants. Thread-safe.

    Parameters
    ----------
    trail
        The journal that each giving and ending is written to, in the same transaction.
    changed
        Called when something was given or ended, perhaps a moment before it is committed: to bring labels in line.
    """

    def __init__(self, clock: Clock, trail: Trail | None = None, *, changed: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._trail = trail
        self.changed = changed

    def give(self, connection: Connection, grant: NewGrant, actor: Actor = NOBODY) -> int:
        """Give a grant in the caller's transaction; return its number.

        The same grant given again while it is open is the one that is there: who gives after a crash gives once. With
        another reason, giver or end it takes the place of the one that is there, which is ended.

        Raises
        ------
        cami.errors.Invalid
            It is for nobody, for no study, by nobody, or already over.
        """
        now = self._clock.now()
        _check(grant, now)
        known = connection.execute(select(study_grant).where(*_same(grant), in_force(now)).limit(1)).first()
        if known is not None:
            if (known.reason, known.given_by, known.until) == (grant.reason, grant.by, grant.until):
                return int(known.number)
            self.revoke(connection, [known.number], by=grant.by, why=REPLACED, actor=actor)
        values = {name: value for name, value in asdict(grant).items() if name != "by"}
        made = insert(study_grant).values(**values, given_by=grant.by, given_at=now, labelled=False)
        number = int(connection.execute(made.returning(study_grant.c.number)).scalar_one())
        kind = Kind.BREAK_GLASS if grant.cause is Cause.BREAK_GLASS else Kind.GRANT
        self._record(connection, _event(kind, grant.by, actor, number, asdict(grant)))
        self.changed()
        return number

    def give_patient(
        self, connection: Connection, patients: PatientStudies, patient: str, grant: NewGrant
    ) -> list[int]:
        """Give an МО the studies that other МО have of a patient: the care relation of an order.

        Parameters
        ----------
        connection
            Of the caller's transaction.
        patients
            Knows the patient's studies.
        patient
            As `patients` numbers them.
        grant
            To whom, why and until when; its study and owner are filled in for each study.

        Returns
        -------
        list of int
            The numbers of the grants.

        Raises
        ------
        cami.errors.Invalid
            It names nobody, or no end: a care relation is for a set time.
        """
        if grant.until is None:
            raise Invalid("a care relation has an end")
        found = sorted(set(patients.studies_of(connection, patient)))
        return [
            self.give(connection, replace(grant, study_uid=study_uid, owner=owner))
            for study_uid, owner in found
            if owner != grant.mo or grant.login
        ]

    def end(
        self, connection: Connection, *, cause: Cause, reference: str, by: str, why: str, actor: Actor = NOBODY
    ) -> int:
        """End all grants of a consultation, an order, a rule; return how many.

        Raises
        ------
        cami.errors.Invalid
            The reference is empty: that would end what has nothing to do with each other.
        """
        if not reference:
            raise Invalid("which grants are to end?")
        meant = (study_grant.c.cause == cause, study_grant.c.reference == reference)
        return self._end(connection, *meant, by=by, why=why, actor=actor)

    def revoke(
        self, connection: Connection, numbers: Collection[int], *, by: str, why: str, actor: Actor = NOBODY
    ) -> int:
        """End grants by their numbers; return how many of them were open."""
        ordered = sorted(set(numbers))
        parts = (ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK))
        return sum(self._end(connection, study_grant.c.number.in_(part), by=by, why=why, actor=actor) for part in parts)

    def expire(self, connection: Connection) -> int:
        """Write down which grants have come to their end; return how many. They hold no more either way."""
        return self._end(connection, study_grant.c.until <= self._clock.now(), by="system", why=EXPIRED, actor=NOBODY)

    def _end(self, connection: Connection, *conditions: ColumnElement[bool], by: str, why: str, actor: Actor) -> int:
        open_ones = (study_grant.c.ended_at.is_(None), *conditions)
        ending = connection.execute(select(study_grant).where(*open_ones).order_by(study_grant.c.number)).all()
        if not ending:
            return 0
        values = {"ended_at": self._clock.now(), "ended_by": by, "ended_why": why}
        connection.execute(update(study_grant).where(*open_ones).values(values))
        for row in ending:
            told = row._asdict() | {"reason": why}
            self._record(connection, _event(Kind.REVOKE, by, actor, row.number, told))
        self.changed()
        return len(ending)

    def _record(self, connection: Connection, event: AuditEvent) -> None:
        if self._trail is not None:
            self._trail.record_in(connection, event)


def _event(kind: Kind, by: str, actor: Actor, number: int, grant: Mapping[str, Any]) -> AuditEvent:
    details = {name: str(grant[name]) for name in ("cause", "reference", "mo", "login") if grant[name]}
    if grant["until"]:
        details["until"] = iso(grant["until"])
    about = {"studies": (grant["study_uid"],), "owner": grant["owner"], "subject": f"grant-{number}"}
    return AuditEvent(kind, by, **asdict(actor), **about, reason=grant["reason"], details=details)


def _same(grant: NewGrant) -> Iterable[ColumnElement[bool]]:
    names = ("study_uid", "owner", "mo", "login", "cause", "reference")
    return [study_grant.c[name] == getattr(grant, name) for name in names]


def _check(grant: NewGrant, now: datetime) -> None:
    if not (grant.mo or grant.login):
        raise Invalid("to whom is the study to be granted?")
    if not (grant.study_uid and grant.owner):
        raise Invalid("a grant names one study of one owner")
    if not grant.by:
        raise Invalid("who gives the grant?")
    if grant.until is not None and grant.until <= now:
        raise Invalid("the end of the grant is past")
