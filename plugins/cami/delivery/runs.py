"""The record of reconciliations: when they ran, what they looked at, what they found; and when the next one is due."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import reconciliation
from cami.region import NightWindow


@dataclass(slots=True)
class Findings:
    """Counts of one run, in instances except the first."""

    studies: int = 0
    instances: int = 0
    """In the local archive."""
    unknown: int = 0
    """Which the queue did not know; queued."""
    missing: int = 0
    """Which the centre did not hold; queued again."""
    different: int = 0
    """Of which the centre holds other content; set apart."""
    lost: int = 0
    """Which are neither here nor at the centre."""
    absent: int = 0
    """Which the centre has, but which left the local archive without having been evicted."""


@dataclass(frozen=True, slots=True)
class Run:
    """One reconciliation."""

    run: int
    cause: str
    started_at: datetime
    ended_at: datetime | None
    studies: int
    instances: int
    unknown: int
    missing: int
    different: int
    lost: int
    absent: int


class Night:
    """When the nightly run of an МО begins: within the window, each МО at a moment of its own, the same each night."""

    def __init__(self, window: NightWindow, zone: ZoneInfo, mo: str) -> None:
        self._zone = zone
        first, last = _minutes(window.start), _minutes(window.end)
        spread = int.from_bytes(hashlib.sha256(mo.encode()).digest()[:4], "big") % (last - first)
        self.begins = time(*divmod(first + spread, 60))

    def last_beginning(self, now: datetime) -> datetime:
        """Return the latest moment up to `now` at which a run should have begun."""
        local = now.astimezone(self._zone)
        today = datetime.combine(local.date(), self.begins, self._zone)
        return today if today <= local else today - timedelta(days=1)


class Runs:
    """The table ``reconciliation``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def begin(self, cause: Literal["nightly", "asked"]) -> int:
        """Open a run and return its number; one that is open already is enough."""
        with self._engine.begin() as connection:
            return _open(connection) or self._insert(connection, cause)

    def begin_nightly(self, night: Night) -> int | None:
        """Open tonight's run if it has not been yet; a proxy that was off then does it when it is on again.

        The first night of a proxy is the one after its first day.
        """
        since = night.last_beginning(self._clock.now())
        latest = select(func.max(reconciliation.c.started_at)).where(reconciliation.c.cause.in_(["nightly", "first"]))
        with self._reader.connect() as connection:
            last = connection.scalar(latest)
        if last is not None and last >= since:
            return None
        with self._engine.begin() as connection:
            if last is None:
                now = self._clock.now()
                connection.execute(insert(reconciliation).values(cause="first", started_at=now, ended_at=now))
                return None
            return _open(connection) or self._insert(connection, "nightly")

    def open(self) -> int | None:
        """Return the number of the run that is open, if one is."""
        with self._reader.connect() as connection:
            return _open(connection)

    def restart(self, run: int) -> None:
        """Forget the counts of a run that begins from the start."""
        with self._engine.begin() as connection:
            connection.execute(update(reconciliation).where(reconciliation.c.run == run).values(**asdict(Findings())))

    def note(self, run: int, findings: Findings, *, ended: bool) -> None:
        """Add what a piece of a run has found."""
        counts = {name: reconciliation.c[name] + count for name, count in asdict(findings).items()}
        if ended:
            counts["ended_at"] = self._clock.now()
        with self._engine.begin() as connection:
            connection.execute(update(reconciliation).where(reconciliation.c.run == run).values(**counts))

    def latest(self, limit: int) -> list[Run]:
        """List runs, the newest first."""
        query = (
            select(reconciliation)
            .where(reconciliation.c.cause != "first")
            .order_by(reconciliation.c.run.desc())
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def unreported(self, limit: int) -> list[Run]:
        """List ended runs that the centre was not told of, the oldest first."""
        query = (
            select(reconciliation)
            .where(
                reconciliation.c.cause != "first",
                reconciliation.c.ended_at.is_not(None),
                reconciliation.c.reported_at.is_(None),
            )
            .order_by(reconciliation.c.run)
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def reported(self, runs: Sequence[int]) -> None:
        """Note that the centre was told of these runs."""
        with self._engine.begin() as connection:
            connection.execute(
                update(reconciliation).where(reconciliation.c.run.in_(runs)).values(reported_at=self._clock.now())
            )

    def _insert(self, connection: Connection, cause: str) -> int:
        connection.execute(insert(reconciliation).values(cause=cause, started_at=self._clock.now()))
        return _open(connection) or 0


def _run(row: Mapping[Any, Any]) -> Run:
    return Run(**{name: row[name] for name in Run.__dataclass_fields__})


def _open(connection: Connection) -> int | None:
    found: int | None = connection.scalar(
        select(func.max(reconciliation.c.run)).where(reconciliation.c.ended_at.is_(None))
    )
    return found


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
