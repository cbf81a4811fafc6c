"""What the workflow needs of others, as small protocols: rights, the journal, events for other systems, passwords."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class NamedStudy:
    """A study, and whose it is."""

    study_uid: str
    owner: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is to see the studies of a request: everybody who reads at an МО, or one person."""

    mo: str = ""
    login: str = ""


class Rights(Protocol):
    """Gives and ends rights to see studies, within the caller's transaction; over `cami.access.grants`."""

    def give(
        self, connection: Connection, number: int, studies: Sequence[NamedStudy], holders: Sequence[Holder], by: str
    ) -> None:
        """Let `holders` see `studies` for request `number`."""
        ...

    def end(self, connection: Connection, number: int, by: str, why: str) -> None:
        """End all rights of a request."""
        ...


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody did with a request, for the journal of accesses."""

    number: int
    what: str
    """Command, or: read, list, report, file."""
    actor: str
    role: str = ""
    mo: str = ""
    owner: str = ""
    """МО of the data."""
    studies: tuple[str, ...] = ()
    """Study Instance UIDs."""
    reason: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    """Codes only."""


class Journal(Protocol):
    """The journal of accesses; over `cami.audit`."""

    def record(self, act: Act) -> None:
        """Write down what somebody has read; durable when it returns.

        Raises
        ------
        cami.errors.Transient
            It cannot be written: nothing may be shown then.
        """
        ...

    def record_in(self, connection: Connection, act: Act) -> None:
        """Write down a change within the transaction that makes it."""
        ...


class Outlet(Protocol):
    """Events that other systems are told of; over `cami.events`."""

    def append(self, connection: Connection, kind: str, key: str, payload: Mapping[str, Any]) -> None:
        """Add an event within the caller's transaction."""
        ...


class PasswordCheck(Protocol):
    """Whether a password is somebody's; over `cami.access.Accounts`."""

    def confirmed(self, login: str, password: str) -> bool:
        """Return whether it is."""
        ...


class NoRights:
    """Gives nothing: where nobody may see anything by a request."""

    def give(
        self, connection: Connection, number: int, studies: Sequence[NamedStudy], holders: Sequence[Holder], by: str
    ) -> None:
        """Give nothing."""

    def end(self, connection: Connection, number: int, by: str, why: str) -> None:
        """End nothing."""


class NoJournal:
    """Writes nothing down."""

    def record(self, act: Act) -> None:
        """Write nothing."""

    def record_in(self, connection: Connection, act: Act) -> None:
        """Write nothing."""


class NoOutlet:
    """Tells nobody."""

    def append(self, connection: Connection, kind: str, key: str, payload: Mapping[str, Any]) -> None:
        """Add nothing."""
