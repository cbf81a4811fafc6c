"""Who looks after whose accounts.

* The administrator of a МО: the people of that МО, in the roles that people of a МО have.
* The region administrator: everybody but auditors. Who could set an auditor's password, could be the auditor.
* An auditor: auditors. The first comes from the registry, by whoever runs the server.
* Nobody: the own account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cami.errors import Denied
from cami.people.identity import Identity
from cami.people.places import OF_A_MO, Place
from cami.people.roles import NOT_GIVEN, Role


@dataclass(frozen=True, slots=True)
class Person:
    """An account as who looks after it sees it."""

    login: str
    name: str
    places: tuple[Place, ...]
    """The account's own first."""
    disabled: bool
    locked: bool
    must_change: bool
    factor: bool
    """Whether a second factor is in force."""
    provider: bool
    """Whether an identity provider vouches for it: its name and roles come from there."""
    signed_in_at: datetime | None
    editable: bool
    """Whether it is all in the hands of who looks; otherwise only the place in the own МО is."""

    @property
    def own(self) -> Place:
        """The account's own place."""
        return self.places[0]


def roles_for(actor: Identity) -> list[Role]:
    """Return the roles that somebody may give."""
    if actor.role is Role.MO_ADMIN:
        return sorted(OF_A_MO)
    if actor.role is Role.REGION_ADMIN:
        return [role for role in Role if role not in NOT_GIVEN and role is not Role.AUDITOR]
    return [Role.AUDITOR] if actor.role is Role.AUDITOR else []


def require_separate(actor: Identity, places: Sequence[Place]) -> None:
    """Refuse to let anybody but an auditor touch an auditor's account, and an auditor any other.

    Raises
    ------
    cami.errors.Denied
        That is not theirs.
    """
    auditor = any(place.role is Role.AUDITOR for place in places)
    if auditor != (actor.role is Role.AUDITOR):
        raise Denied("auditors look after auditors")


def in_sight(actor: Identity, places: Sequence[Place]) -> bool:
    """Say whether somebody sees an account in the list."""
    if not places:
        return False
    auditor = places[0].role is Role.AUDITOR
    if actor.role is Role.REGION_ADMIN:
        return True
    if actor.role is Role.AUDITOR:
        return auditor
    return actor.role is Role.MO_ADMIN and any(place.mo == actor.mo for place in places)


def in_hand(actor: Identity, places: Sequence[Place]) -> bool:
    """Say whether an account is all in somebody's hands: that of the account's own МО, or of the region."""
    if actor.role is Role.REGION_ADMIN:
        return places[0].role is not Role.AUDITOR
    if actor.role is Role.AUDITOR:
        return places[0].role is Role.AUDITOR
    # Who works elsewhere too is still the own МО's person; who also has a role in the region is the region's.
    of_mo = all(place.role in OF_A_MO for place in places)
    return actor.role is Role.MO_ADMIN and places[0].mo == actor.mo and of_mo
