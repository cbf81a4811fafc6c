"""What is to be told: the queue of outgoing messages, in order for each key, until they are acknowledged or parked.

A message goes only when no earlier one of the same subscription and key waits. Whoever sends has a lease in the
table, so two replicas do not send the same; a sender that died is forgotten when its lease ends, and the message goes
again under the same event id: at least once. What could not be told within 72 hours, or is refused for good, is parked
and lets those behind it pass; a person has it tried again.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, and_, delete, exists, func, insert, or_, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import mis_message
from cami.mis.subscriptions import Subscription

#: Pauses after the first failure, the second …; the last one is repeated (reference/domain.md §4.6).
PAUSES = (60, 300, 900, 3600, 21_600)
GIVE_UP = timedelta(hours=72)
#: Longer than a batch can take: a sender that is silent for so long is dead.
LEASE = timedelta(seconds=120)
KEPT = timedelta(days=30)
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the queue."""

    number: int
    subscription: str
    event: int
    event_id: str
    key: str
    kind: str
    about: str
    body: str
    state: str
    attempts: int
    created_at: datetime
    give_up_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How the messages of a subscription stand."""

    queued: int
    parked: int
    delivered: int
    oldest: datetime | None
    """Since when the message waits that waits longest."""


class Messages:
    """The table ``mis_message``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, chance: random.Random | None = None) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - spreads retries, no secret

    def add(
        self,
        connection: Connection,
        subscription: Subscription,
        *,
        event: int,
        kind: str,
        key: str,
        about: str,
        body: str,
    ) -> None:
        """Queue a message in the caller's transaction; the same event about the same is one message."""
        now = self._clock.now()
        same = (
            mis_message.c.subscription == subscription.id,
            mis_message.c.event == event,
            mis_message.c.about == about,
        )
        if connection.scalar(select(mis_message.c.number).where(*same)) is not None:
            return
        connection.execute(
            insert(mis_message).values(
                subscription=subscription.id,
                event=event,
                event_id=str(uuid4()),
                key=key,
                kind=kind,
                about=about,
                body=body,
                state="queued" if subscription.hook else "kept",
                created_at=now,
                not_before=now,
                give_up_at=now + GIVE_UP,
            )
        )

    def claim(self, owner: str, subscription: str, limit: int) -> list[Message]:
        """Lease up to `limit` messages that may go now: the first of their keys, of different keys."""
        now = self._clock.now()
        table, earlier = mis_message, mis_message.alias("earlier")
        blocked = exists().where(
            earlier.c.subscription == table.c.subscription,
            earlier.c.state == "queued",
            earlier.c.key == table.c.key,
            earlier.c.number < table.c.number,
        )
        free = or_(table.c.leased_until.is_(None), table.c.leased_until < now)
        query = (
            select(table)
            .where(table.c.subscription == subscription, table.c.state == "queued", table.c.not_before <= now)
            .where(free, ~blocked)
            .order_by(table.c.number)
            .limit(limit)
        )
        with self._reader.connect() as connection:
            if connection.scalar(query.with_only_columns(table.c.number).limit(1)) is None:
                return []  # the usual case takes no lock
        with self._engine.begin() as connection:
            found = [_message(row) for row in connection.execute(query)]
            taken = []
            for message in found:
                leased = connection.execute(
                    update(table)
                    .where(table.c.number == message.number, table.c.state == "queued", free)
                    .values(leased_by=owner, leased_until=now + LEASE)
                )
                if leased.rowcount:
                    taken.append(message)
        return taken

    def delivered(self, connection: Connection, message: Message, owner: str) -> None:
        """Note that a message was acknowledged; its body is not needed any more."""
        self._end(connection, message, owner, state="delivered", body="", reason="")

    def failed(self, connection: Connection, message: Message, owner: str, reason: str, *, counts: bool) -> None:
        """Note that a message was not taken: it goes again after a pause, or is parked.

        Parameters
        ----------
        counts
            Whether it was its fault; a receiver that cannot be reached at all is nobody's.
        """
        now = self._clock.now()
        if now >= message.give_up_at:
            self.parked(connection, message, owner, reason)
            return
        attempts = message.attempts + int(counts)
        pause = timedelta()
        if counts:
            seconds = PAUSES[min(attempts, len(PAUSES)) - 1]
            pause = timedelta(seconds=seconds * self._chance.uniform(1 - _JITTER, 1 + _JITTER))
        self._write(
            connection, message, owner, attempts=attempts, reason=reason, not_before=now + pause,
            leased_by="", leased_until=None,
        )  # fmt: skip

    def parked(self, connection: Connection, message: Message, owner: str, reason: str) -> None:
        """Give a message up until somebody wants it tried again; those behind it may pass."""
        self._end(connection, message, owner, state="parked", reason=reason, attempts=message.attempts + 1)

    def repeat(self, by_subscription: str | None = None, number: int | None = None) -> int:
        """Have parked messages tried again, and waiting ones at once; return how many were parked."""
        table, now = mis_message, self._clock.now()
        chosen = [table.c.subscription == by_subscription] if by_subscription else []
        if number is not None:
            chosen.append(table.c.number == number)
        fresh = {"not_before": now, "give_up_at": now + GIVE_UP, "attempts": 0}
        with self._engine.begin() as connection:
            parked = connection.execute(
                update(table)
                .where(table.c.state == "parked", *chosen)
                .values(state="queued", done_at=None, leased_by="", leased_until=None, **fresh)
            ).rowcount
            connection.execute(
                update(table).where(table.c.state == "queued", table.c.not_before > now, *chosen).values(not_before=now)
            )
        return parked

    def after(self, subscription: str, number: int, limit: int) -> list[Message]:
        """Return messages of one who asks by himself, in order."""
        mine = (mis_message.c.subscription == subscription, mis_message.c.number > number)
        query = select(mis_message).where(*mine, mis_message.c.state == "kept")
        with self._reader.connect() as connection:
            return [_message(row) for row in connection.execute(query.order_by(mis_message.c.number).limit(limit))]

    def counts(self) -> dict[str, Counts]:
        """Return how the messages of each subscription stand."""
        table = mis_message.c
        query = select(
            table.subscription, table.state, func.count().label("n"), func.min(table.created_at).label("oldest")
        )
        found: dict[str, dict[str, Row[Any]]] = {}
        with self._reader.connect() as connection:
            for row in connection.execute(query.group_by(table.subscription, table.state)):
                found.setdefault(row.subscription, {})[row.state] = row
        return {id_: _counts(states) for id_, states in found.items()}

    def listed(self, states: Sequence[str], limit: int) -> list[Message]:
        """Return messages in these states, those that wait longest first."""
        query = select(mis_message).where(mis_message.c.state.in_(states)).order_by(mis_message.c.number).limit(limit)
        with self._reader.connect() as connection:
            return [_message(row) for row in connection.execute(query)]

    def reasons(self) -> list[tuple[str, int]]:
        """Return why messages wait or are parked: codes with counts, the most frequent first."""
        table = mis_message.c
        query = select(table.reason, func.count().label("n")).where(
            and_(table.state.in_(["queued", "parked"]), table.reason != "")
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query.group_by(table.reason).order_by(func.count().desc()).limit(20))
            return [(row.reason, row.n) for row in rows]

    def tidy(self) -> int:
        """Forget what was told long ago; return how many messages."""
        old = (
            mis_message.c.state.in_(["delivered", "cancelled", "kept"]),
            mis_message.c.created_at < self._clock.now() - KEPT,
        )
        with self._engine.begin() as connection:
            return connection.execute(delete(mis_message).where(*old)).rowcount

    def _end(self, connection: Connection, message: Message, owner: str, **values: Any) -> None:
        done = {"done_at": self._clock.now(), "leased_by": "", "leased_until": None}
        self._write(connection, message, owner, **done, **values)

    def _write(self, connection: Connection, message: Message, owner: str, **values: Any) -> None:
        # Who has lost the lease has nothing to say any more: another sends it now.
        mine = (mis_message.c.number == message.number, mis_message.c.leased_by == owner)
        connection.execute(update(mis_message).where(*mine).values(**values))


def _message(row: Row[Any]) -> Message:
    return Message(
        number=row.number,
        subscription=row.subscription,
        event=row.event,
        event_id=row.event_id,
        key=row.key,
        kind=row.kind,
        about=row.about,
        body=row.body,
        state=row.state,
        attempts=row.attempts,
        created_at=row.created_at,
        give_up_at=row.give_up_at,
        reason=row.reason,
    )


def _counts(states: Mapping[str, Row[Any]]) -> Counts:
    queued, parked, delivered = (states[name].n if name in states else 0 for name in ("queued", "parked", "delivered"))
    return Counts(queued, parked, delivered, states["queued"].oldest if queued else None)
