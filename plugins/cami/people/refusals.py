"""Why somebody was not let in."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why somebody was not let in."""

    BUSY = "busy"
    """Too many people are signing in at this moment."""
    ADDRESS = "address"
    """Too many wrong passwords from this address."""
    CHANGE_AT_CENTRE = "change-at-centre"
    """The password is right and must be changed, which a proxy cannot do."""
    CODE = "code"
    """The code of the second factor is wrong, or was used before."""
    DISABLED = "disabled"
    """The password is right, the account is switched off."""
    LOCKED = "locked"
    """Too many wrong passwords in a row."""
    NOT_ENOUGH = "not-enough"
    """The password is right; a second factor, or a new password, is wanted beside it, which a program cannot show."""
    NOT_MAPPED = "not-mapped"
    """The identity provider knows who it is, and nothing here is theirs."""
    OLD_COPY = "old-copy"
    """The centre was not heard for too long: nobody knows here who may still sign in."""
    PROVIDER = "provider"
    """The identity provider did not vouch for anybody."""
    WRONG = "wrong"
    """Login or password, nobody says which."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Somebody was not let in."""

    reason: Reason
