"""What a server does with its journal in threads of its own: hand it on, put old parts away, note where it ends."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from cami import __version__
from cami.audit import AuditEvent, AuditTrail, Kind
from cami.audit.archiving import Archiving
from cami.audit.chain import head_of
from cami.audit.forwarding import REST, Forwarding
from cami.audit.gathering import Shipping
from cami.audit.syslog import Collector
from cami.clock import Clock
from cami.db import reading
from cami.edge.background import WHILE_AWAY, Worker
from cami.errors import Transient
from cami.region import Region
from cami.settings import Settings
from cami.watch.figures import Source, of_journal

log = logging.getLogger(__name__)

#: Seconds between two looks for records that the centre does not have.
SHIPPING_INTERVAL = 2.0
#: Seconds between two looks for records that are old enough to be put away.
ARCHIVING_INTERVAL = 3600.0
#: Seconds between two lines of the log that say where the journal ends.
HEADS_INTERVAL = 900.0


class JournalWork:
    """The workers of a server's journal, and what a monitoring system is told of it."""

    def __init__(self, settings: Settings, region: Region, engine: Engine, trail: AuditTrail, clock: Clock) -> None:
        self._settings = settings
        self._region = region
        self._engine = engine
        self._trail = trail
        self._clock = clock
        self._waiting: dict[str, Callable[[], float]] = {}
        self._logged = 0

    def started(self) -> None:
        """Record that this server runs, of which release and by which registry: so a changed one shows."""
        registry = hashlib.sha256(self._settings.region.read_bytes()).hexdigest()
        details = {"release": __version__, "registry": registry}
        self._trail.record(
            AuditEvent(Kind.START, "system", "system", self._settings.mo, subject=self._trail.server, details=details)
        )

    def workers(self) -> list[Worker]:
        """Return what every server does."""
        keep = timedelta(days=self._region.journal.keep_days)
        archiving = Archiving(self._engine, self._clock, self._trail, self._settings.audit, keep=keep)

        def put_away() -> float:
            return 0.1 if archiving.step() else ARCHIVING_INTERVAL

        return [Worker("journal-archive", put_away), Worker("journal-head", self._log_head)]

    def to_centre(self, tell: Callable[[str, Mapping[str, Any]], Mapping[str, Any]]) -> Worker:
        """Return what hands a proxy's journal to the centre."""
        shipping = Shipping(self._engine, self._clock, self._trail.server, tell)
        self._waiting["centre"] = shipping.waiting
        return Worker("journal", lambda: 0.0 if shipping.step() else SHIPPING_INTERVAL, rest_most=WHILE_AWAY)

    def to_collector(self) -> list[Worker]:
        """Return what sends the journals to the collector, if the registry names one."""
        named = self._region.journal.collector
        if named is None:
            return []
        secrets = self._settings.secrets
        collector = Collector(
            named.address,
            named.port,
            named.transport,
            secrets / named.ca if named.ca else None,
            secrets / named.certificate if named.certificate else None,
        )
        forwarding = Forwarding(self._engine, self._clock, collector)
        self._waiting["collector"] = forwarding.waiting
        rest = 0.0

        def forward() -> float:
            nonlocal rest
            if rest:
                # `Worker` tries again after a second what is `Transient`; a collector is given more time.
                pause, rest = rest, 0.0
                return pause
            try:
                return forwarding.step()
            except Transient:
                rest = REST
                raise

        return [Worker("collector", forward)]

    def figures(self) -> Source:
        """Return how old the oldest record is that waits, by whom it waits for."""
        return of_journal(self._waiting)

    def _log_head(self) -> float:
        """Let the server's log say where the journal ends: who collects logs can hold the journal against it."""
        with reading(self._engine).connect() as connection:
            head = head_of(connection, self._trail.server)
        if head.seq != self._logged:
            log.info("journal of %s: record %d has the hash %s", head.server, head.seq, head.hash)
            self._logged = head.seq
        return HEADS_INTERVAL
