"""The journal on its way to the collector of the security department: in order, at least once, also after an outage."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from cami.audit.chain import servers
from cami.audit.cursors import Cursors
from cami.audit.message import message
from cami.audit.syslog import Collector, Connection, connect, frame
from cami.clock import Clock
from cami.db import reading
from cami.errors import Transient

log = logging.getLogger(__name__)

READER = "collector"
#: Records of one chain that go before the others have their turn.
BATCH = 200
#: Seconds that a connection must have stood after something was sent on it, before that counts as arrived.
SETTLING = 2.0
#: Seconds between two looks for new records, and after a try that failed.
INTERVAL, REST = 1.0, 10.0


@dataclass(slots=True)
class _Way:
    """A connection, and what went over it that does not count as arrived yet."""

    connection: Connection
    sent: dict[str, int] = field(default_factory=dict)
    """The last record that was sent, by chain."""
    sent_at: float = 0.0


class Forwarding:
    """Sends all chains of this server's database. For one thread.

    The places in the table move when what was sent has arrived; a connection that breaks is opened anew and goes on
    from there, so the collector may get some records twice, and can tell by number and hash.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        collector: Collector,
        opening: Callable[[Collector], Connection] = connect,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reading(engine)
        self._cursors = Cursors(engine, clock, READER)
        self._clock = clock
        self._collector = collector
        self._opening = opening
        self._monotonic = monotonic
        self._way: _Way | None = None

    def step(self) -> float:
        """Send what there is; return how many seconds to wait.

        Raises
        ------
        cami.errors.Transient
            The collector is away: everything waits in the table.
        """
        try:
            way = self._way or self._open()
            more = self._send(way)
            self._settle(way)
        except Transient:
            self.close()
            raise
        return 0.0 if more else INTERVAL

    def close(self) -> None:
        """Close the connection; what does not count as arrived is sent again on the next."""
        if self._way is not None:
            self._way.connection.close()
            self._way = None

    def waiting(self) -> float:
        """Return the age in seconds of the oldest record that has not arrived; 0 if none waits."""
        found: list[datetime] = [moment for name in self._servers() if (moment := self._cursors.oldest(name))]
        return max(0.0, (self._clock.now() - min(found)).total_seconds()) if found else 0.0

    def _open(self) -> _Way:
        self._way = _Way(self._opening(self._collector))
        return self._way

    def _send(self, way: _Way) -> bool:
        more = False
        for server in self._servers():
            after = way.sent.get(server)
            records = self._cursors.next(server, self._cursors.of(server) if after is None else after, BATCH)
            for record in records:
                way.connection.send(frame(record, message(record)))
                way.sent[server] = record.seq
                way.sent_at = self._monotonic()
            more |= len(records) == BATCH
        return more

    def _settle(self, way: _Way) -> None:
        if not way.sent or way.connection.unacknowledged():
            return
        if self._collector.transport != "udp" and self._monotonic() - way.sent_at < SETTLING:
            return
        for server, seq in way.sent.items():
            if seq > self._cursors.of(server):
                self._cursors.move(server, seq)

    def _servers(self) -> list[str]:
        with self._reader.connect() as connection:
            return servers(connection)
