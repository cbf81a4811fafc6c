"""The centre's knowledge of its proxies: their last words, what is wrong and since when, alarms on their way out.

What is wrong is written down when it is found first, and is an alarm when it has lasted; it ends when it was not
found for a while. So a proxy that comes and goes is one alarm, not fifty (hysteresis). A row of an alarm and its
notices are written in one transaction.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, select, update

from cami.clock import Clock, iso
from cami.db import reading
from cami.db.tables import alarm_notice, fleet_trouble, heartbeat
from cami.fleet.judgement import Finding, Level, Reason, judge
from cami.fleet.vitals import Vitals

#: Heartbeats are written with what else is known; a document is small.
LARGEST = 64 * 1024
#: How long something must last before it is an alarm; what is not named, at once.
LASTS: Mapping[Reason, timedelta] = {
    Reason.DEVICE: timedelta(minutes=30),
    Reason.CLOCK: timedelta(minutes=5),
    Reason.TROUBLED: timedelta(minutes=15),
    Reason.NEVER: timedelta(days=3),
}
#: How long something must be gone to count as over.
GONE = timedelta(minutes=5)
CHANNELS = ("mail", "webhook")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong, since when."""

    reason: Reason
    level: Level
    detail: str
    since: datetime
    raised: bool


@dataclass(frozen=True, slots=True)
class Member:
    """One proxy as the centre knows it."""

    mo: str
    heard_at: datetime | None
    vitals: Vitals | None
    troubles: Sequence[Trouble]

    @property
    def level(self) -> str:
        """The colour: green, yellow or red."""
        if any(trouble.level is Level.RED for trouble in self.troubles):
            return "red"
        return "yellow" if self.troubles else "green"


class Fleet:
    """Keeps it, in SQL."""

    def __init__(
        self, engine: Engine, clock: Clock, organizations: Sequence[str], version: str, channels: Sequence[str] = ()
    ) -> None:
        """Make it for the МО that have a proxy; `channels` are those by which alarms leave."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._organizations = tuple(organizations)
        self._version = version
        self._channels = tuple(channels)
        self.on_alarm: Callable[[], None] = lambda: None

    def hear(self, mo: str, vitals: Vitals) -> None:
        """Take a heartbeat."""
        values = {"received_at": self._clock.now(), "document": json.dumps(vitals.to_json(), separators=(",", ":"))}
        with self._engine.begin() as connection:
            if not connection.execute(update(heartbeat).where(heartbeat.c.mo == mo).values(values)).rowcount:
                connection.execute(insert(heartbeat).values(mo=mo, **values))

    def members(self) -> list[Member]:
        """Return all proxies of the registry."""
        with self._reader.connect() as connection:
            heard = {row.mo: row for row in connection.execute(select(heartbeat))}
            known = _troubles(connection)
        found = []
        for mo in self._organizations:
            row = heard.get(mo)
            vitals = Vitals.parse(json.loads(row.document)) if row is not None else None
            found.append(Member(mo, row.received_at if row is not None else None, vitals, known.get(mo, ())))
        return found

    def judge(self) -> int:
        """Look at all proxies; write down what is wrong, what has ended, and whom to tell. Return how many alarms."""
        members, now = self.members(), self._clock.now()
        alarms = 0
        with self._engine.begin() as connection:
            for member in members:
                found = judge(member.vitals, member.heard_at, now, self._version)
                alarms += self._note(connection, member, found, now)
            connection.execute(delete(fleet_trouble).where(fleet_trouble.c.mo.not_in(self._organizations)))
        if alarms:
            self.on_alarm()
        return alarms

    def _note(self, connection: Connection, member: Member, found: Sequence[Finding], now: datetime) -> int:
        known = {trouble.reason: trouble for trouble in member.troubles}
        alarms = 0
        for finding in found:
            before = known.pop(finding.reason, None)
            since = before.since if before is not None else now
            lasted = now - since >= LASTS.get(finding.reason, timedelta())
            worse = before is not None and before.raised and (before.level, finding.level) == (Level.YELLOW, Level.RED)
            raised = before is not None and before.raised
            values = {"level": finding.level, "detail": finding.detail, "seen_at": now}
            if lasted and not raised:
                values["raised_at"] = now
            this = (fleet_trouble.c.mo == member.mo) & (fleet_trouble.c.reason == finding.reason)
            if before is None:
                row = {"mo": member.mo, "reason": finding.reason, "since": since, **values}
                connection.execute(insert(fleet_trouble).values(row))
            else:
                connection.execute(update(fleet_trouble).where(this).values(values))
            if (lasted and not raised) or worse:
                alarms += self._tell(connection, member.mo, finding, "raised", since)
        for trouble in known.values():
            alarms += self._end(connection, member.mo, trouble, now)
        return alarms

    def _end(self, connection: Connection, mo: str, trouble: Trouble, now: datetime) -> int:
        """Let something end that was not found, once it has been gone for a while."""
        this = (fleet_trouble.c.mo == mo) & (fleet_trouble.c.reason == trouble.reason)
        gone = this & ((fleet_trouble.c.seen_at <= now - GONE) | fleet_trouble.c.raised_at.is_(None))
        if not connection.execute(delete(fleet_trouble).where(gone)).rowcount:
            return 0
        finding = Finding(trouble.reason, trouble.level, trouble.detail)
        return self._tell(connection, mo, finding, "ended", trouble.since) if trouble.raised else 0

    def _tell(self, connection: Connection, mo: str, finding: Finding, state: str, since: datetime) -> int:
        now = self._clock.now()
        document = {
            "mo": mo,
            "reason": finding.reason,
            "level": finding.level,
            "detail": finding.detail,
            "state": state,
            "since": iso(since),
            "at": iso(now),
        }
        for channel in self._channels:
            values = {"channel": channel, "document": json.dumps(document), "made_at": now, "due_at": now}
            connection.execute(insert(alarm_notice).values(values))
        return 1


def _troubles(connection: Connection) -> dict[str, list[Trouble]]:
    found: dict[str, list[Trouble]] = {}
    for row in connection.execute(select(fleet_trouble).order_by(fleet_trouble.c.level, fleet_trouble.c.since)):
        trouble = Trouble(Reason(row.reason), Level(row.level), row.detail, row.since, row.raised_at is not None)
        found.setdefault(row.mo, []).append(trouble)
    return found
