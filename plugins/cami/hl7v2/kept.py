"""Messages that were refused: kept as they came, until they are carried out or somebody dismisses them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, delete, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import hl7_refused
from cami.errors import NotFound
from cami.hl7v2.peers import Origin
from cami.hl7v2.problems import Wrong

#: What is kept of one system at most: more is a fault over there, and shows as what is here already.
MOST = 2000
#: How long rows are kept that somebody has dealt with; their messages go at once.
KEPT = timedelta(days=92)


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that was refused."""

    number: int
    system: str
    address: str
    kind: str
    control: str
    verdict: str
    reasons: tuple[str, ...]
    """Codes, each with the segment and field that it is about: ``CAMI-0012 PID-3``."""
    state: str
    times: int
    received_at: datetime
    last_at: datetime
    ended_at: datetime | None
    ended_by: str


class KeptMessages:
    """The table ``hl7_refused``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def keep(
        self,
        data: bytes,
        origin: Origin,
        *,
        system: str,
        kind: str,
        control: str,
        verdict: str,
        wrongs: Sequence[Wrong],
    ) -> None:
        """Keep a message; one that came before is counted."""
        now, table = self._clock.now(), hl7_refused
        digest = hashlib.sha256(data).hexdigest()
        reasons = "; ".join(dict.fromkeys(map(_reason, wrongs)))[:400]
        same = (table.c.system == system, table.c.control == control[:64], table.c.state == "open")
        with self._engine.begin() as connection:
            again = connection.execute(
                update(table)
                .where(*same, table.c.digest == digest)
                .values(times=table.c.times + 1, last_at=now, verdict=verdict, reasons=reasons)
            )
            waiting = select(func.count()).where(table.c.system == system, table.c.state == "open")
            if again.rowcount or int(connection.scalar(waiting) or 0) >= MOST:
                return
            connection.execute(
                insert(table).values(
                    system=system,
                    address=origin.address,
                    certificate=origin.certificate,
                    kind=kind[:16],
                    control=control[:64],
                    verdict=verdict,
                    reasons=reasons,
                    digest=digest,
                    message=data,
                    state="open",
                    times=1,
                    received_at=now,
                    last_at=now,
                )
            )

    def listed(self, limit: int = 100) -> list[Kept]:
        """Return what nobody has dealt with, the newest first."""
        query = select(hl7_refused).where(hl7_refused.c.state == "open").order_by(hl7_refused.c.number.desc())
        with self._reader.connect() as connection:
            return [_kept(row) for row in connection.execute(query.limit(limit))]

    def waiting(self) -> int:
        """Return how many there are that nobody has dealt with."""
        query = select(func.count()).where(hl7_refused.c.state == "open")
        with self._reader.connect() as connection:
            return int(connection.scalar(query) or 0)

    def message(self, number: int) -> tuple[bytes, Origin]:
        """Return a message as it came, and from where.

        Raises
        ------
        cami.errors.NotFound
            There is none, or somebody has dealt with it.
        """
        query = select(hl7_refused).where(hl7_refused.c.number == number, hl7_refused.c.state == "open")
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("no such message")
        return row.message, Origin(row.address, row.certificate)

    def open_numbers(self) -> list[int]:
        """Return the numbers of all that nobody has dealt with, the oldest first."""
        query = select(hl7_refused.c.number).where(hl7_refused.c.state == "open").order_by(hl7_refused.c.number)
        with self._reader.connect() as connection:
            return list(connection.scalars(query))

    def end(self, number: int, by: str, *, dismissed: bool = False) -> bool:
        """Note that a message was carried out, or is not wanted; its bytes go. Say whether it was open."""
        mine = (hl7_refused.c.number == number,)
        return self._end(mine, by, "dismissed" if dismissed else "done") > 0

    def came_right(self, system: str, control: str) -> None:
        """Note that a message was taken when it came again, put right."""
        mine = (hl7_refused.c.system == system, hl7_refused.c.control == control[:64], hl7_refused.c.state == "open")
        with self._reader.connect() as connection:
            if connection.scalar(select(hl7_refused.c.number).where(*mine).limit(1)) is None:
                return  # the usual case takes no lock
        self._end(mine, f"mis:{system}", "done")

    def tidy(self) -> int:
        """Forget what was dealt with long ago; return how many."""
        old = (hl7_refused.c.state != "open", hl7_refused.c.ended_at < self._clock.now() - KEPT)
        with self._engine.begin() as connection:
            return connection.execute(delete(hl7_refused).where(*old)).rowcount

    def _end(self, chosen: Sequence[Any], by: str, state: str) -> int:
        values = {"state": state, "ended_at": self._clock.now(), "ended_by": by[:64], "message": b""}
        with self._engine.begin() as connection:
            mine = (*chosen, hl7_refused.c.state == "open")
            return connection.execute(update(hl7_refused).where(*mine).values(**values)).rowcount


def _reason(found: Wrong) -> str:
    place = f" {found.segment}-{found.field}" if found.field else f" {found.segment}" if found.segment else ""
    return f"{found.code}{place}"


def _kept(row: Row[Any]) -> Kept:
    return Kept(
        number=row.number,
        system=row.system,
        address=row.address,
        kind=row.kind,
        control=row.control,
        verdict=row.verdict,
        reasons=tuple(filter(None, row.reasons.split("; "))),
        state=row.state,
        times=row.times,
        received_at=row.received_at,
        last_at=row.last_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )
