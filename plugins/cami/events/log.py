"""The table ``event``: written with the change that it tells of, read in the order of its numbers."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, text

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import event, event_cursor

#: How long events are kept that every consumer has read.
KEPT = timedelta(days=92)
#: Number of our lock among PostgreSQL's advisory locks.
_APPENDING = 0x43414D49
_LOCK = text(f"SELECT pg_advisory_xact_lock({_APPENDING})")
_INSERT = insert(event)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that has happened."""

    kind: str
    key: str
    """What events are kept in order by: a patient's key or a Study Instance UID."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """Ids, codes, states; consumers read the rest from the tables. Names no patient."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the table."""

    number: int
    kind: str
    key: str
    payload: Mapping[str, Any]
    happened_at: datetime


class EventLog:
    """Appends and reads events. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []

    def append(self, connection: Connection, event_: NewEvent) -> int:
        """Note an event in the caller's transaction; return its number.

        Numbers become visible in their order: SQLite has one writer at a time, and in PostgreSQL a lock is held to
        the end of the transaction. Otherwise a reader could move past a number that is committed after it.
        """
        if connection.dialect.name == "postgresql":
            connection.execute(_LOCK)
        payload = json.dumps(event_.payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        values = {"kind": event_.kind, "key": event_.key, "payload": payload, "happened_at": self._clock.now()}
        made = connection.execute(_INSERT, values)
        return int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0

    def after(self, number: int, kinds: Collection[str], limit: int) -> list[Event]:
        """Return up to `limit` events of these kinds with a higher number, in order; no kinds: of any kind."""
        query = select(event).where(event.c.number > number).order_by(event.c.number).limit(limit)
        if kinds:
            query = query.where(event.c.kind.in_(sorted(kinds)))
        with self._reader.connect() as connection:
            return [_event(row) for row in connection.execute(query)]

    def last(self) -> int:
        """Return the highest number that was given; 0 before the first."""
        with self._reader.connect() as connection:
            return int(connection.scalar(select(func.max(event.c.number))) or 0)

    def listen(self, wake: Callable[[], None]) -> None:
        """Have `wake` called by `announce`: a consumer in this process need not wait for its next look."""
        self._listeners.append(wake)

    def announce(self) -> None:
        """Wake those who listen; called after a transaction that appended something has ended."""
        for wake in self._listeners:
            wake()

    def tidy(self) -> int:
        """Forget old events that every consumer has read; return how many."""
        with self._engine.begin() as connection:
            read = connection.scalar(select(func.min(event_cursor.c.number)))
            if read is None:
                return 0
            old = event.c.happened_at < self._clock.now() - KEPT
            return connection.execute(delete(event).where(event.c.number <= read, old)).rowcount


def _event(row: Row[Any]) -> Event:
    return Event(row.number, row.kind, row.key, json.loads(row.payload), row.happened_at)
