"""What somebody is granted at a moment, as parts of queries: the one place that says which grants count.

The study index joins with them (`cami.index.Granted`), the table of owners asks for single studies.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
)

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import study, study_grant

#: Studies that lists hold at most.
MOST = 500
_OPEN = study_grant.c.ended_at.is_(None)


def in_force(at: datetime) -> ColumnElement[bool]:
    """Return the condition on `study_grant` that a grant holds at a moment."""
    return and_(_OPEN, or_(study_grant.c.until.is_(None), study_grant.c.until > at))


def given_to(mo: str, login: str) -> ColumnElement[bool]:
    """Return the condition on `study_grant` that somebody of an МО (or of none) is meant."""
    anybody = and_(study_grant.c.mo == mo, study_grant.c.login == "") if mo else false()
    if not login:
        return anybody
    return or_(anybody, and_(study_grant.c.login == login, study_grant.c.mo.in_(["", mo])))


@dataclass(frozen=True, slots=True)
class Received:
    """The studies that somebody is granted."""

    mo: str
    """For which МО the person acts; empty: for none."""
    login: str
    at: datetime

    def givers(self, connection: Connection, most: int) -> dict[str, int]:
        """Return owners and how many open grants of theirs there are, counted to a limit.

        An owner may have no grant that still counts. Written so that the index of the table is looked at once for each
        owner, not for each grant (a loose scan): there may be a hundred thousand.
        """
        values = {"mo": self.mo, "login": self.login, "most": most}
        found: dict[str, int] = {}
        for row in connection.execute(_givers(of_mo=bool(self.mo), of_login=bool(self.login)), values):
            found[row.owner] = found.get(row.owner, 0) + row.number
        return found

    def studies(self, owners: Collection[str]) -> Select[tuple[str, str]]:
        """Return a query for owner and Study Instance UID of what is granted of some owners' studies."""
        query = select(study_grant.c.owner, study_grant.c.study_uid)
        return query.where(given_to(self.mo, self.login), in_force(self.at), study_grant.c.owner.in_(sorted(owners)))

    def holds(self, owner: ColumnElement[str], study_uid: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the condition that a study, named by two columns of another table, is granted."""
        return exists(
            select(literal(1))
            .select_from(study_grant)
            .where(
                study_grant.c.study_uid == study_uid,
                study_grant.c.owner == owner,
                given_to(self.mo, self.login),
                in_force(self.at),
            )
            .correlate_except(study_grant)
        )


class GrantedStudies:
    """Lists what somebody is granted, for what is no search of the archive. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = reading(engine)
        self._clock = clock

    def pairs(self, mo: str, login: str, study_uids: Collection[str] | None = None) -> frozenset[tuple[str, str]]:
        """Return Study Instance UID and owner of what is granted, the newest grants first.

        Parameters
        ----------
        mo, login
            For whom.
        study_uids
            Only of these; None: of all, `MOST` at most.
        """
        query = (
            select(study_grant.c.study_uid, study_grant.c.owner)
            .where(given_to(mo, login), in_force(self._clock.now()))
            .order_by(study_grant.c.number.desc())
        )
        query = query.limit(MOST) if study_uids is None else query.where(study_grant.c.study_uid.in_(list(study_uids)))
        with self._reader.connect() as connection:
            return frozenset((row.study_uid, row.owner) for row in connection.execute(query))

    def ids(self, mo: str, login: str) -> list[str]:
        """Return the Orthanc ids of what is granted and here, `MOST` at most."""
        names = (study.c.study_uid == study_grant.c.study_uid, study.c.owner == study_grant.c.owner)
        query = (
            select(study.c.study_id)
            .join_from(study_grant, study, and_(*names))
            .where(given_to(mo, login), in_force(self._clock.now()), study.c.owner != mo)
            .order_by(study_grant.c.number.desc())
            .limit(MOST)
        )
        with self._reader.connect() as connection:
            return list(dict.fromkeys(connection.scalars(query)))


@cache
def _givers(*, of_mo: bool, of_login: bool) -> Select[tuple[str, int]]:
    """Return the query of `Received.givers`: made once, since making it costs more than most answers to it."""
    parts = [_by_person()] if of_login else []
    if of_mo:
        parts.append(_by_organization())
    found = union_all(*parts).subquery() if len(parts) > 1 else parts[0].subquery()
    return select(found.c.owner, found.c.number)


def _by_person() -> Select[Any]:
    query = select(study_grant.c.owner, func.count().label("number"))
    return query.where(study_grant.c.login == bindparam("login"), _OPEN).group_by(study_grant.c.owner)


def _by_organization() -> Select[Any]:
    given = (study_grant.c.mo == bindparam("mo"), _OPEN)
    first = select(func.min(study_grant.c.owner)).where(*given).scalar_subquery()
    giver = select(first.label("owner")).cte("giver", recursive=True)
    following = (
        select(func.min(study_grant.c.owner))
        .where(*given, study_grant.c.owner > giver.c.owner)
        .correlate(giver)
        .scalar_subquery()
    )
    giver = giver.union_all(select(following).select_from(giver).where(giver.c.owner.is_not(None)))
    some = (
        select(literal(1))
        .select_from(study_grant)
        .where(*given, study_grant.c.owner == giver.c.owner)
        .limit(bindparam("most", type_=Integer))
        .correlate(giver)
        .subquery()
    )
    number = select(func.count()).select_from(some).correlate(giver).scalar_subquery()
    return select(giver.c.owner, number.label("number")).where(giver.c.owner.is_not(None))
