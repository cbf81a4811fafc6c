"""What has to reach other destinations: one row for each image and destination, as durable as the way to the centre."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import forwarding, forwarding_destination
from cami.delivery.steps import parts
from cami.routing.states import TRANSITIONS, WAITING, Command, State, states_before

#: Longest rest of a destination that cannot be reached, and longest pause of one image.
LONGEST_REST = timedelta(minutes=5)

#: Reasons for which a destination may fail because of one image, not as a whole.
_OVER_AN_IMAGE = frozenset(["out-of-resources", "server-error", "broken", "no-answer", "no-search"])

_Values = dict[str, datetime | str | int | None]


@dataclass(frozen=True, slots=True)
class Task:
    """An image that a sender has taken."""

    destination: str
    instance_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image that has to go somewhere."""

    destination: str
    instance_id: str
    study_id: str
    size: int
    lane: int
    seq: int
    rule: str
    version: int
    by_centre: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """How it is with one destination; counts are images."""

    counts: Mapping[State, int]
    waiting_bytes: int
    oldest: datetime | None
    """Since when the image waits that waits longest."""
    succeeded_at: datetime | None
    failed_at: datetime | None
    rests_until: datetime | None
    reason: str
    """Code of the last failure since the last success; empty if there was none."""
    detail: str
    refused: Mapping[str, int]
    """Of the images that have failed, how many for which reason."""


class Forwardings:
    """The table ``forwarding``, changed only along `cami.routing.states.TRANSITIONS`."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def enter(self, connection: Connection, wanted: Sequence[Wanted]) -> int:
        """Enter images in the caller's transaction; what is there already stays as it is. Return how many are new."""
        rows = {(entry.destination, entry.instance_id): entry for entry in wanted}
        for part in parts(list({instance_id for _, instance_id in rows})):
            known = connection.execute(
                select(forwarding.c.destination, forwarding.c.instance_id).where(forwarding.c.instance_id.in_(part))
            )
            for row in known.all():
                rows.pop((row.destination, row.instance_id), None)
        now = self._clock.now()
        new = [
            {
                "destination": entry.destination,
                "instance_id": entry.instance_id,
                "study_id": entry.study_id,
                "size": entry.size,
                "lane": entry.lane,
                "seq": entry.seq,
                "rule": entry.rule,
                "version": entry.version,
                "by_centre": entry.by_centre,
                "state": State.QUEUED,
                "queued_at": now,
            }
            for entry in rows.values()
        ]
        if new:
            connection.execute(insert(forwarding), new)
        return len(new)

    def recover(self) -> int:
        """Put back what was being sent when this server stopped; return how many."""
        with self._engine.begin() as connection:
            return _move(connection, Command.RETURN, [])

    def rests_until(self, destination: str) -> datetime | None:
        """Return until when a destination that failed is left alone, or None if it may be tried now."""
        known = forwarding_destination.c
        with self._reader.connect() as connection:
            until = connection.scalar(select(known.rests_until).where(known.destination == destination))
        now = self._clock.now()
        # A clock that was set back must not make the rest longer than any rest is.
        return until if until is not None and now < until <= now + LONGEST_REST else None

    def take(self, destination: str) -> Task | None:
        """Take the image whose turn it is and that may be tried now, or None."""
        row_of = forwarding.c
        with self._engine.begin() as connection:
            row = connection.execute(
                select(row_of.instance_id, row_of.attempts)
                .where(
                    row_of.destination == destination,
                    row_of.state == State.QUEUED,
                    (row_of.not_before.is_(None)) | (row_of.not_before <= self._clock.now()),
                )
                .order_by(row_of.lane, row_of.seq)
                .limit(1)
            ).first()
            if row is None:
                return None
            _move(connection, Command.SEND, _one(destination, row.instance_id))
        return Task(destination, row.instance_id, row.attempts)

    def deliver(self, task: Task) -> None:
        """Note that the destination has the image."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            settled: _Values = {"ended_at": now, "not_before": None, "reason": None, "detail": None}
            _move(connection, Command.DELIVER, _of(task), **settled)
            health: _Values = {"failures": 0, "rests_until": None, "succeeded_at": now, "reason": None, "detail": None}
            _note(connection, task.destination, **health)

    def give_back(self, task: Task, reason: str = "", detail: str = "", delay: timedelta = timedelta()) -> None:
        """Return an image to the queue, to be tried again after `delay`; without a `reason` it was not tried."""
        with self._engine.begin() as connection:
            tried: _Values = {"attempts": task.attempts + 1, "reason": reason, "detail": detail[:200]} if reason else {}
            _move(connection, Command.RETURN, _of(task), not_before=self._clock.now() + delay, **tried)
            if reason:
                _note(connection, task.destination, failed_at=self._clock.now(), reason=reason, detail=detail[:200])

    def rest(self, task: Task, reason: str, detail: str) -> timedelta:
        """Return an image that could not go since its destination fails, and let that rest: 2 s, doubling.

        An image that never got there keeps its place. Where the destination failed over it (`_OVER_AN_IMAGE`) it may be
        at fault itself, so others go before it and its own pauses grow: one image cannot hold up the rest.
        """
        now = self._clock.now()
        known = forwarding_destination.c
        with self._engine.begin() as connection:
            failures = connection.scalar(select(known.failures).where(known.destination == task.destination)) or 0
            pause = min(timedelta(seconds=2 * 2 ** min(failures, 10)), LONGEST_REST)
            blamed: _Values = {}
            if reason in _OVER_AN_IMAGE:
                own = min(max(2 * pause, timedelta(seconds=2 * 2 ** min(task.attempts, 10))), LONGEST_REST)
                blamed = {"not_before": now + own, "attempts": task.attempts + 1}
            _move(connection, Command.RETURN, _of(task), reason=reason, detail=detail[:200], **blamed)
            health: _Values = {"failures": failures + 1, "rests_until": now + pause, "failed_at": now}
            _note(connection, task.destination, **health, reason=reason, detail=detail[:200])
        return pause

    def fail(self, task: Task, reason: str, detail: str = "") -> None:
        """Note that an image will not get through by itself."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            ended: _Values = {"ended_at": now, "reason": reason, "detail": detail[:200]}
            _move(connection, Command.FAIL, _of(task), attempts=task.attempts + 1, **ended)
            _note(connection, task.destination, failed_at=now, reason=reason, detail=detail[:200])

    def resend(self, destination: str) -> int:
        """Queue again what has failed, and try all that waits now; return how many had failed."""
        anew: _Values = {"attempts": 0, "not_before": None, "ended_at": None}
        with self._engine.begin() as connection:
            failed = _move(connection, Command.RESEND, [forwarding.c.destination == destination], **anew)
            connection.execute(
                update(forwarding)
                .where(forwarding.c.destination == destination, forwarding.c.state == State.QUEUED)
                .values(not_before=None)
            )
            _note(connection, destination, failures=0, rests_until=None)
        return failed

    def cancel(self, destination: str) -> int:
        """Note that nothing of what waits or has failed need go to a destination; return how many images."""
        with self._engine.begin() as connection:
            of_it = [forwarding.c.destination == destination]
            return _move(connection, Command.CANCEL, of_it, ended_at=self._clock.now())

    def totals(self) -> dict[str, Totals]:
        """Count for each destination that anything was ever to be sent to."""
        row_of = forwarding.c
        grouped = select(
            row_of.destination,
            row_of.state,
            func.count().label("number"),
            func.sum(row_of.size).label("size"),
            func.min(row_of.queued_at).label("oldest"),
        ).group_by(row_of.destination, row_of.state)
        refused = (
            select(row_of.destination, row_of.reason, func.count().label("number"))
            .where(row_of.state == State.FAILED)
            .group_by(row_of.destination, row_of.reason)
        )
        with self._reader.connect() as connection:
            counted = connection.execute(grouped).all()
            failed = connection.execute(refused).all()
            health = {row.destination: row for row in connection.execute(select(forwarding_destination))}
        found = {}
        for name in {row.destination for row in counted} | set(health):
            own = [row for row in counted if row.destination == name]
            waiting = [row for row in own if row.state in WAITING]
            state = health.get(name)
            found[name] = Totals(
                counts={State(row.state): row.number for row in own},
                waiting_bytes=sum(int(row.size) for row in waiting),
                oldest=min((row.oldest for row in waiting), default=None),
                succeeded_at=state.succeeded_at if state else None,
                failed_at=state.failed_at if state else None,
                rests_until=state.rests_until if state else None,
                reason=(state.reason if state else "") or "",
                detail=(state.detail if state else "") or "",
                refused={row.reason or "": row.number for row in failed if row.destination == name},
            )
        return found


def studies_waiting() -> Select[Any]:
    """Return a query for the studies of which images still have to be forwarded."""
    return select(forwarding.c.study_id).where(forwarding.c.state.in_(WAITING))


def _one(destination: str, instance_id: str) -> list[Any]:
    return [forwarding.c.destination == destination, forwarding.c.instance_id == instance_id]


def _of(task: Task) -> list[Any]:
    return _one(task.destination, task.instance_id)


def _move(connection: Connection, command: Command, where: Sequence[Any], **values: datetime | str | int | None) -> int:
    """Take the rows of `where` one step along the table of states; return how many were in a state for it."""
    moved = 0
    for state in states_before(command):
        statement = update(forwarding).where(forwarding.c.state == state, *where)
        moved += connection.execute(statement.values(state=TRANSITIONS[state, command], **values)).rowcount
    return moved


def _note(connection: Connection, destination: str, **values: datetime | str | int | None) -> None:
    here = forwarding_destination.c.destination == destination
    if not connection.execute(update(forwarding_destination).where(here).values(**values)).rowcount:
        connection.execute(insert(forwarding_destination).values(destination=destination, **values))
