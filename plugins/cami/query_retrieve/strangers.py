"""Callers that were refused: which AE title, from where, why, how often and when last.

Where a device was given a wrong title or another address, this is what tells the technologist; where somebody tries
what is not theirs, the operator. A flood of invented titles only pushes out what was seen longest ago.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Engine, delete, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import refused_caller

Reason = Literal["unknown", "address", "service"]
_REASONS: frozenset[str] = frozenset({"unknown", "address", "service"})
#: Rows that are kept.
MOST = 500


@dataclass(frozen=True, slots=True)
class Refused:
    """One refusal, as it is reported."""

    aet: str
    address: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A caller and its refusals."""

    aet: str
    address: str
    reason: str
    detail: str
    count: int
    first_at: datetime
    last_at: datetime


class Strangers:
    """The table ``refused_caller``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def note(self, refusals: Iterable[Refused]) -> None:
        """Count refusals; what is none is passed over."""
        counts: dict[Refused, int] = {}
        for refusal in refusals:
            if _is_one(refusal):
                counts[refusal] = counts.get(refusal, 0) + 1
        if not counts:
            return
        with self._engine.begin() as connection:
            for refusal, count in counts.items():
                self._count(connection, refusal, count)
            self._push_out(connection)

    def listed(self, limit: int = 100) -> Sequence[Stranger]:
        """List callers, the latest first."""
        query = select(refused_caller).order_by(refused_caller.c.last_at.desc(), refused_caller.c.aet).limit(limit)
        with self._reader.connect() as connection:
            return [Stranger(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's name

    def _count(self, connection: Connection, refusal: Refused, count: int) -> None:
        now = self._clock.now()
        this = (
            (refused_caller.c.aet == refusal.aet)
            & (refused_caller.c.address == refusal.address)
            & (refused_caller.c.reason == refusal.reason)
        )
        again = update(refused_caller).where(this)
        changed = again.values(count=refused_caller.c.count + count, last_at=now, detail=refusal.detail)
        if not connection.execute(changed).rowcount:
            connection.execute(
                insert(refused_caller).values(
                    aet=refusal.aet,
                    address=refusal.address,
                    reason=refusal.reason,
                    detail=refusal.detail,
                    count=count,
                    first_at=now,
                    last_at=now,
                )
            )

    def _push_out(self, connection: Connection) -> None:
        oldest = (
            select(refused_caller.c.last_at)
            .order_by(refused_caller.c.last_at.desc(), refused_caller.c.aet)
            .offset(MOST)
            .limit(1)
        )
        limit = connection.scalar(oldest)
        if limit is not None:
            connection.execute(delete(refused_caller).where(refused_caller.c.last_at <= limit))


def _is_one(refusal: Refused) -> bool:
    try:
        if refusal.address:
            ipaddress.ip_address(refusal.address)
    except ValueError:
        return False
    fits = len(refusal.aet) <= 16 and len(refusal.detail) <= 32
    return fits and refusal.aet.isprintable() and refusal.detail.isprintable() and refusal.reason in _REASONS
