"""What somebody is, and where: the account's own place and further ones in other МО; and what excludes what."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.engine import Connection

from cami.db.tables import account, account_place
from cami.errors import Conflict
from cami.people.roles import MACHINES, Role

#: Roles of people who work for one МО.
OF_A_MO = frozenset({Role.CLINICIAN, Role.CONSULTANT, Role.MO_ADMIN, Role.RADIOLOGIST, Role.TECHNOLOGIST})
#: Who looks over the shoulders of others is nothing else: neither who administers the region nor who works in it.
ALONE = frozenset({Role.AUDITOR}) | MACHINES


@dataclass(frozen=True, slots=True)
class Place:
    """A role in a МО; no МО: in the region."""

    mo: str
    role: Role


def require_compatible(places: Iterable[Place]) -> None:
    """Refuse roles that one person must not have together.

    The administrator of ЦАМИ is not its security auditor (приказ ФСТЭК № 21, УПД.4: separation of duties).

    Raises
    ------
    cami.errors.Conflict
        They exclude each other, or one has no МО, or one too many.
    """
    found = list(places)
    roles = {place.role for place in found}
    if len(found) > 1 and roles & ALONE:
        raise Conflict("exclusive")
    if len({place.mo for place in found}) < len(found):
        raise Conflict("twice")
    if any((place.role in OF_A_MO) != bool(place.mo) for place in found):
        raise Conflict("mo")


def places_in(connection: Connection, login: str) -> list[Place]:
    """Return all places of an account, its own first."""
    own = connection.execute(select(account.c.mo, account.c.role).where(account.c.login == login)).first()
    if own is None:
        return []
    query = select(account_place).where(account_place.c.login == login).order_by(account_place.c.mo)
    return [Place(own.mo, Role(own.role))] + [Place(row.mo, Role(row.role)) for row in connection.execute(query)]


def replace_places(connection: Connection, login: str, places: Iterable[Place]) -> None:
    """Make the further places of an account these."""
    connection.execute(delete(account_place).where(account_place.c.login == login))
    for place in places:
        connection.execute(account_place.insert().values(login=login, mo=place.mo, role=place.role))
