"""A consumer of events: what it has dealt with is a cursor in the database."""

from collections.abc import Collection

from sqlalchemy import Connection, Engine, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import event_cursor
from cami.events.log import Event, EventLog


class Reader:
    """Reads events of some kinds after its cursor.

    ``moved_to`` belongs into the transaction that keeps what came of the events. Two processes with the same name do
    not take an event twice: the cursor is compared and set, and who comes second rolls back.
    """

    def __init__(self, engine: Engine, clock: Clock, log: EventLog, consumer: str, kinds: Collection[str]) -> None:
        self._clock = clock
        self._log = log
        self._reader = reading(engine)
        self._consumer = consumer
        self._kinds = frozenset(kinds)

    def position(self) -> int:
        """Return the number of the last event that was dealt with."""
        query = select(event_cursor.c.number).where(event_cursor.c.consumer == self._consumer)
        with self._reader.connect() as connection:
            return int(connection.scalar(query) or 0)

    def read(self, limit: int = 100) -> tuple[int, list[Event]]:
        """Return where the cursor stands and what comes after it."""
        position = self.position()
        return position, self._log.after(position, self._kinds, limit)

    def moved_to(self, connection: Connection, before: int, number: int) -> bool:
        """Move the cursor from `before` to `number`; say whether it still stood there.

        If not, another process has dealt with those events: roll back and read again.
        """
        now = self._clock.now()
        mine = event_cursor.c.consumer == self._consumer
        moved = connection.execute(
            update(event_cursor).where(mine, event_cursor.c.number == before).values(number=number, moved_at=now)
        )
        if moved.rowcount:
            return True
        if before or connection.scalar(select(event_cursor.c.number).where(mine)) is not None:
            return False
        connection.execute(insert(event_cursor).values(consumer=self._consumer, number=number, moved_at=now))
        return True
