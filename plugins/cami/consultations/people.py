"""Who can be given a request: the accounts of the centre, as far as they may answer."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Select, func, select

from cami.access import Action, Identity, Role, allowed
from cami.consultations.request import Person
from cami.consultations.states import HELD
from cami.db import reading
from cami.db.tables import account, consultation

#: Roles that may answer.
ANSWERING = tuple(role.value for role in Role if allowed(role, Action.CONSULTATIONS_ANSWER, "central"))


@dataclass(frozen=True, slots=True)
class Load:
    """A consultant, and how much they have."""

    person: Person
    held: int


class Consultants:
    """Reads the accounts of those who answer."""

    def __init__(self, engine: Engine) -> None:
        self._reader = reading(engine)

    def find(self, connection: Connection, login: str) -> Person | None:
        """Return somebody who may answer, or None."""
        row = connection.execute(_answering().where(account.c.login == login)).first()
        return None if row is None else Person(row.login, row.name, row.role, row.mo)

    def of(self, organizations: frozenset[str] | None, but_of: str, but: frozenset[str] = frozenset()) -> list[Load]:
        """List those who may answer, by МО and name, with how many requests each has.

        Parameters
        ----------
        organizations
            Only people of these МО; None: consultants of all, radiologists of none.
        but_of
            Code of the МО that asks: nobody answers their own.
        but
            Logins of who must not.
        """
        query = _answering().where(account.c.mo != but_of)
        if organizations is None:
            query = query.where(account.c.role == Role.CONSULTANT.value)
        else:
            query = query.where(account.c.mo.in_(sorted(organizations)))
        held = (
            select(consultation.c.consultant, func.count().label("held"))
            .where(consultation.c.ended_at.is_(None), consultation.c.state.in_([state.value for state in HELD]))
            .group_by(consultation.c.consultant)
        )
        with self._reader.connect() as connection:
            counts = {row.consultant: row.held for row in connection.execute(held)}
            rows = connection.execute(query.order_by(account.c.mo, account.c.name)).all()
        people = [Person(row.login, row.name, row.role, row.mo) for row in rows if row.login not in but]
        return [Load(person, counts.get(person.login, 0)) for person in people]

    def colleagues(self, identity: Identity, but: frozenset[str] = frozenset()) -> list[Load]:
        """List those of somebody's МО who may answer, but them, and those who must not."""
        return self.of(frozenset({identity.mo}), "", but | {identity.login})


def _answering() -> Select[tuple[str, str, str, str]]:
    columns = (account.c.login, account.c.name, account.c.role, account.c.mo)
    return select(*columns).where(account.c.role.in_(ANSWERING), account.c.disabled.is_(False), account.c.mo != "")
