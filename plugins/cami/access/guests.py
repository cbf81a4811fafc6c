"""Studies of other МО that a proxy keeps while they are granted to its МО: the table ``guest_study``, read.

They are seen as long as the grant holds, decided when somebody asks. What the centre has not confirmed for a while, as
the line is down, is not seen either: a revocation could not have come.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import guest_instance, guest_study

#: How long a guest is shown without word from the centre.
WITHOUT_WORD = timedelta(hours=72)
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Guest:
    """A study of another МО that may be seen here."""

    study_id: str
    owner: str
    until: datetime | None
    received: int
    expected: int | None


class Guests:
    """Reads which studies are guests, and which of these nobody may see now. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = reading(engine)
        self._clock = clock

    def hidden(self) -> frozenset[str]:
        """Return the guests that nobody may see now; few, as they are removed soon."""
        now = self._clock.now()
        over = (
            guest_study.c.ended_at.is_not(None)
            | (guest_study.c.until <= now)
            | (guest_study.c.heard_at <= now - WITHOUT_WORD)
        )
        with self._reader.connect() as connection:
            return frozenset(connection.scalars(select(guest_study.c.study_id).where(over)))

    def studies(self, study_ids: Collection[str]) -> frozenset[str]:
        """Return those of `study_ids` that are guests."""
        found: set[str] = set()
        with self._reader.connect() as connection:
            for ids in _parts(study_ids):
                found.update(connection.scalars(select(guest_study.c.study_id).where(guest_study.c.study_id.in_(ids))))
        return frozenset(found)

    def instances(self, instance_ids: Collection[str]) -> frozenset[str]:
        """Return those of `instance_ids` that have come as part of a guest: nothing for delivery."""
        found: set[str] = set()
        query = select(guest_instance.c.instance_id)
        with self._reader.connect() as connection:
            for ids in _parts(instance_ids):
                found.update(connection.scalars(query.where(guest_instance.c.instance_id.in_(ids))))
        return frozenset(found)

    def shown(self, study_ids: Collection[str]) -> dict[str, Guest]:
        """Return what pages say of guests among `study_ids`."""
        found: dict[str, Guest] = {}
        with self._reader.connect() as connection:
            for ids in _parts(study_ids):
                rows = connection.execute(select(guest_study).where(guest_study.c.study_id.in_(ids))).all()
                here = select(guest_instance.c.study_id).where(
                    guest_instance.c.study_id.in_(ids), guest_instance.c.stored_at.is_not(None)
                )
                stored = list(connection.scalars(here))
                for row in rows:
                    received = stored.count(row.study_id)
                    found[row.study_id] = Guest(row.study_id, row.owner, row.until, received, row.instances)
        return found


def _parts(ids: Collection[str]) -> list[list[str]]:
    ordered = list(ids)
    return [ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK)]
