"""Who somebody is."""

from dataclasses import dataclass

from cami.people.roles import Role


@dataclass(frozen=True, slots=True)
class Identity:
    """An account that has proved itself."""

    login: str
    name: str
    """Full name, for pages; never for logs."""
    role: Role
    mo: str
    """Code of the МО; empty for people of the region."""
