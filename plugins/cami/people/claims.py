"""What an identity provider's claims make of somebody: a login, a name, places. Without a place nobody comes in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cami.errors import Conflict
from cami.people.directory import is_login, normal_login
from cami.people.places import ALONE, Place, require_compatible
from cami.people.roles import Role
from cami.region import Provider


@dataclass(frozen=True, slots=True)
class Claimed:
    """Somebody as the provider and our mapping see them."""

    subject: str
    login: str
    name: str
    places: tuple[Place, ...]


def read_claims(provider: Provider, claims: Mapping[str, Any], organizations: frozenset[str]) -> Claimed | None:
    """Return who it is; None if nothing here is theirs, or the claims contradict each other."""
    login = normal_login(_text(_find(claims, provider.login_claim)))
    if not is_login(login):
        return None
    places: dict[str, Place] = {}
    roles: set[Role] = set()
    for rule in provider.roles:
        if not _holds(_find(claims, rule.claim), rule.value):
            continue
        for mo in _codes(claims, rule.mo, rule.mo_claim):
            if not mo or mo in organizations:
                roles.add(Role(rule.role))
                places.setdefault(mo, Place(mo, Role(rule.role)))
    found = tuple(places.values())
    if len(roles) > 1 and roles & ALONE:  # also where the first that fits would hide the other
        return None
    try:
        require_compatible(found)
    except Conflict:
        return None
    name = " ".join(_text(_find(claims, provider.name_claim)).split())[:200] or login
    return Claimed(_text(claims.get("sub")), login, name, found) if found else None


def _codes(claims: Mapping[str, Any], mo: str, claim: str) -> list[str]:
    if not claim:
        return [mo]
    value = _find(claims, claim)
    values = value if isinstance(value, list) else [value]
    return [_text(each) for each in values if _text(each)]


def _find(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim; a name with dots leads into objects, unless there is a claim of that very name."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _holds(value: Any, wanted: str) -> bool:
    return wanted in value if isinstance(value, list) else _text(value) == wanted


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
