"""In which parts somebody acts on a request, and whether they may see it at all.

While a request waits, whoever may answer for an МО that it is offered to sees it; once somebody has it, only they (and
the members of a консилиум) do: the patient is no business of the colleagues (323-ФЗ ст. 13). A dispatcher sees what
is asked, not of whom: never the patient's name.
"""

from cami.access import Action, Identity, Role, allowed
from cami.consultations.request import Case
from cami.consultations.states import QUEUED, Actor, Command, State, commands


def asks(identity: Identity) -> bool:
    """Return whether somebody may ask for consultations, for their МО."""
    return bool(identity.mo) and allowed(identity.role, Action.CONSULTATIONS_ASK, "central")


def answers(identity: Identity) -> bool:
    """Return whether somebody may answer, for their МО."""
    return bool(identity.mo) and allowed(identity.role, Action.CONSULTATIONS_ANSWER, "central")


def dispatches(identity: Identity) -> bool:
    """Return whether somebody hands requests out."""
    return allowed(identity.role, Action.CONSULTATIONS_DISPATCH, "central")


def actors(identity: Identity, case: Case, approvers: frozenset[str]) -> frozenset[Actor]:
    """Return in which parts somebody acts on a request."""
    request = case.request
    parts: set[Actor] = set()
    if asks(identity) and identity.mo == request.mo:
        parts.add(Actor.ASKER)
        if identity.login == request.asker:
            parts.add(Actor.AUTHOR)
        if identity.login in approvers:
            parts.add(Actor.APPROVER)
    if answers(identity) and identity.mo != request.mo:
        if identity.login == request.consultant:
            parts.add(Actor.CONSULTANT)
        if identity.mo in case.offers and request.state in QUEUED and identity.login not in case.barred:
            parts.add(Actor.CONSULTING)
    if dispatches(identity):
        parts.add(Actor.DISPATCHER)
    return frozenset(parts)


def sees(identity: Identity, case: Case, approvers: frozenset[str]) -> bool:
    """Return whether somebody may know that a request exists."""
    parts = actors(identity, case, approvers)
    state = case.request.state
    if Actor.AUTHOR in parts:
        return True
    if state is State.DRAFT or (state is State.CANCELLED and case.request.sent_at is None):
        return False
    if state is State.APPROVAL:
        return Actor.ASKER in parts
    return bool(parts) or _is_member(identity, case)


def sees_patient(identity: Identity, case: Case) -> bool:
    """Return whether somebody, who sees the request, may see whose it is."""
    return identity.mo == case.request.mo or answers(identity)


def may(identity: Identity, case: Case, approvers: frozenset[str]) -> list[Command]:
    """Return what somebody may do with a request now."""
    possible = commands(case.request.state, actors(identity, case, approvers), case.request.reading)
    unread = case.request.critical and case.request.acknowledged_at is None
    return [command for command in possible if command is not Command.ACKNOWLEDGE or unread]


def _is_member(identity: Identity, case: Case) -> bool:
    return answers(identity) and any(member.login == identity.login for member in case.members)


def loads(identity: Identity) -> bool:
    """Return whether somebody may load the classifiers of the installation."""
    return identity.role in (Role.OPERATOR, Role.REGION_ADMIN)
