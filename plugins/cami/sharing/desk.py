"""What people do with grants: share a study of theirs until a date, take it back, take note of emergency accesses.

Who shares is of the owner and either sees the study (radiologist, clinician) or administers the МО; the reason is
demanded and everything stands in the journal (приказ МЗ 947н, 152-ФЗ art. 6, 9, 19).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine, update

from cami.access import Action, Cause, GrantBook, Identity, NewGrant, allowed
from cami.access.grants import Actor
from cami.clock import Clock
from cami.db.tables import study_grant
from cami.errors import Denied, Invalid, NotFound
from cami.sharing.register import Grant, GrantRegister

#: How long a share may last.
LONGEST = timedelta(days=366)
#: A reason is at least a word …
SHORTEST_REASON = 5
#: … and no letter.
LONGEST_REASON = 500
#: What the owner's people may end; consultations and orders end where they are kept.
_ENDED_BY_HAND = frozenset({Cause.SHARE, Cause.ROUTING, Cause.BREAK_GLASS})


class People(Protocol):
    """Knows who may sign in."""

    def known(self, login: str) -> bool:
        """Say whether there is an account of that login that may sign in."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be shared, with whom, why, until when."""

    study_uid: str
    mo: str
    login: str
    reason: str
    until: datetime


class SharingDesk:
    """Carries out what people ask for, if they may. Thread-safe."""

    def __init__(
        self, engine: Engine, clock: Clock, book: GrantBook, people: People, organizations: Collection[str]
    ) -> None:
        """Make it; `organizations` are the codes of all МО."""
        self._engine = engine
        self._clock = clock
        self._book = book
        self._people = people
        self._organizations = frozenset(organizations)
        self.register = GrantRegister(engine, clock)

    def share(self, identity: Identity, source: str, wish: Wish) -> int:
        """Share a study of the own МО; return the number of the grant.

        Raises
        ------
        cami.errors.Denied
            Not for this role.
        cami.errors.NotFound
            There is no such study, or it is another МО's.
        cami.errors.Invalid
            The receiver, the reason or the end will not do.
        """
        self._require(identity, Action.GRANTS_GIVE)
        if self.register.owner_of(wish.study_uid) != identity.mo:
            raise NotFound("no such study")
        self._check(identity, wish)
        grant = NewGrant(
            wish.study_uid,
            identity.mo,
            mo=wish.mo,
            login=wish.login,
            cause=Cause.SHARE,
            reason=wish.reason,
            by=identity.login,
            until=wish.until,
        )
        with self._engine.begin() as connection:
            return self._book.give(connection, grant, actor_of(identity, source))

    def end(self, identity: Identity, source: str, number: int, why: str) -> None:
        """Take a grant back.

        Raises
        ------
        cami.errors.NotFound
            There is no such grant, or it is not for this person to know of.
        cami.errors.Denied
            It is not for this person to end.
        cami.errors.Invalid
            It says not why.
        """
        grant = self.register.one(number)
        own = grant.owner == identity.mo and allowed(identity.role, Action.GRANTS_GIVE, "central")
        taken = grant.cause == Cause.BREAK_GLASS and grant.given_by == identity.login
        if not (own or taken):
            raise NotFound("no such grant")
        if grant.cause not in _ENDED_BY_HAND:
            raise Denied("it ends with what it was given for")
        if grant.cause == Cause.BREAK_GLASS and not taken:
            self._require(identity, Action.GRANTS_REVIEW)
        reason = checked_reason(why)
        with self._engine.begin() as connection:
            self._book.revoke(connection, [number], by=identity.login, why=reason, actor=actor_of(identity, source))

    def reviewed(self, identity: Identity, number: int) -> None:
        """Take note of an emergency access.

        Raises
        ------
        cami.errors.Denied
            Not for this role.
        cami.errors.NotFound
            There is no such emergency access to a study of the own МО.
        """
        self._require(identity, Action.GRANTS_REVIEW)
        grant = self.register.one(number)
        if grant.owner != identity.mo or grant.cause != Cause.BREAK_GLASS:
            raise NotFound("no such grant")
        row = (study_grant.c.number == number, study_grant.c.reviewed_at.is_(None))
        with self._engine.begin() as connection:
            values = {"reviewed_at": self._clock.now(), "reviewed_by": identity.login}
            connection.execute(update(study_grant).where(*row).values(values))

    def may_end(self, identity: Identity, grant: Grant) -> bool:
        """Say whether somebody may take a grant back."""
        if not grant.holds or grant.cause not in _ENDED_BY_HAND:
            return False
        if grant.cause == Cause.BREAK_GLASS:
            if grant.given_by == identity.login:
                return True
            return grant.owner == identity.mo and allowed(identity.role, Action.GRANTS_REVIEW, "central")
        return grant.owner == identity.mo and allowed(identity.role, Action.GRANTS_GIVE, "central")

    def _check(self, identity: Identity, wish: Wish) -> None:
        checked_reason(wish.reason)
        if bool(wish.mo) == bool(wish.login):
            raise Invalid("either an МО or a person gets the study")
        if wish.mo and (wish.mo == identity.mo or wish.mo not in self._organizations):
            raise Invalid("there is no such other МО")
        if wish.login and not self._people.known(wish.login):
            raise Invalid("there is no such person")
        now = self._clock.now()
        if not now < wish.until <= now + LONGEST:
            raise Invalid("the share must end within a year")

    def _require(self, identity: Identity, action: Action) -> None:
        if not (identity.mo and allowed(identity.role, action, "central")):
            raise Denied("not for this role")


def actor_of(identity: Identity, source: str) -> Actor:
    """Return what the journal is told of a person."""
    return Actor(identity.role, identity.mo, source)


def checked_reason(text: str) -> str:
    """Return a reason without spaces around it.

    Raises
    ------
    cami.errors.Invalid
        It is none.
    """
    reason = text.strip()
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise Invalid("the reason must say why, in up to 500 characters")
    return reason
