"""How far each chain was handed on, by reader: rows of ``audit_cursor``."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, insert, select, update

from cami.audit.chain import contents
from cami.audit.record import Record
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import audit_cursor, audit_record


class Cursors:
    """The places of one reader in all chains."""

    def __init__(self, engine: Engine, clock: Clock, reader: str) -> None:
        self._engine = engine
        self._reading = reading(engine)
        self._clock = clock
        self._reader = reader

    def of(self, server: str) -> int:
        """Return the number of the last record that was handed on; 0 if none was."""
        with self._reading.connect() as connection:
            return connection.scalar(select(audit_cursor.c.seq).where(self._this(server))) or 0

    def move(self, server: str, seq: int) -> None:
        """Go on after that record from now on."""
        with self._engine.begin() as connection:
            self.move_in(connection, server, seq)

    def move_in(self, connection: Connection, server: str, seq: int) -> None:
        """Go on after that record, in the caller's transaction."""
        values = {"seq": seq, "moved_at": self._clock.now()}
        done = connection.execute(update(audit_cursor).where(self._this(server)).values(values)).rowcount
        if not done:
            connection.execute(insert(audit_cursor).values(reader=self._reader, server=server, **values))

    def oldest(self, server: str) -> datetime | None:
        """Return the time of the oldest record that was not handed on; None if all were."""
        query = (
            select(audit_record.c.at)
            .where(audit_record.c.server == server, audit_record.c.seq > self.of(server))
            .order_by(audit_record.c.seq)
            .limit(1)
        )
        with self._reading.connect() as connection:
            found: datetime | None = connection.scalar(query)
        return found

    def next(self, server: str, after: int, limit: int) -> list[Record]:
        """Return the records after a number, in order."""
        with self._reading.connect() as connection:
            return [Record.parse(content) for content in contents(connection, server, after, limit)]

    def _this(self, server: str) -> ColumnElement[bool]:
        return (audit_cursor.c.reader == self._reader) & (audit_cursor.c.server == server)
