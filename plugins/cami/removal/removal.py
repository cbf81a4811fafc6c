"""One removal, and what becomes of the copies that others hold of the study."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from sqlalchemy import Connection, RowMapping

from cami.removal.states import State


@dataclass(frozen=True, slots=True)
class Removal:
    """One study that somebody wants deleted."""

    number: int
    study_id: str
    study_uid: str
    owner: str
    state: State
    reason: str
    instances: int
    marked_by: str
    marked_at: datetime
    confirmed_by_mo: str
    confirmed_by_mo_at: datetime | None
    confirmed_by_region: str
    confirmed_by_region_at: datetime | None
    ended_by: str
    ended_at: datetime | None
    deleted: int
    copy: str = ""
    """How the copy at the МО's proxy stands, by `Copies.standing`."""

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """Make it of a row of the table ``removal``."""
        return cls(**{**row, "state": State(row["state"])})

    def to_json(self) -> dict[str, Any]:
        """Return it for the interface."""
        return {name: _plain(value) for name, value in asdict(self).items()}


class Copies(Protocol):
    """Copies of a deleted study that others hold; `cami.removal.copies.ProxyCopies` has them removed."""

    def remove(self, found: Removal) -> None:
        """Have them removed, durably: called again after a crash."""
        ...

    def standing(self, found: Sequence[Removal]) -> Mapping[int, str]:
        """Return by number how it stands: ``asked``, ``removed`` or ``kept``; nothing where there is none."""
        ...

    def forget(self, connection: Connection, found: Removal) -> None:
        """End, in the caller's transaction, what else the centre gives others of the study."""
        ...


class NoCopies:
    """Nobody else holds a copy."""

    def remove(self, found: Removal) -> None:
        """Do nothing."""

    def standing(self, found: Sequence[Removal]) -> Mapping[int, str]:  # noqa: ARG002 - there is nothing to tell
        """Return nothing."""
        return {}

    def forget(self, connection: Connection, found: Removal) -> None:
        """Do nothing."""


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
