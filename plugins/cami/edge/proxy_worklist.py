"""A proxy's worklist: read from the centre, answered to devices, written by hand; its services, put together."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cami.audit.recent import Recent
from cami.edge.background import WHILE_AWAY, Worker
from cami.edge.server import Services
from cami.edge.worklist import answer_worklists
from cami.retrieval.columns import Described
from cami.worklist import (
    Arrivals,
    Entries,
    Entry,
    Finding,
    Listing,
    ManualOrders,
    Pulling,
    WorklistDesk,
    WorklistJournal,
)

if TYPE_CHECKING:
    from cami.edge.proxy_server import ProxyServer

#: Seconds between two readings of the feed when nothing tells of news: the centre may be of a release that tells none.
PULL_INTERVAL = 60.0
#: Seconds between two tries to bring orders that were written by hand, when nothing wakes the sender.
SEND_INTERVAL = 5.0
#: Seconds between two looks whether studies are complete.
END_INTERVAL = 15.0
#: How long a console may go on reading its worklist without another record of it.
READ_WINDOW = timedelta(minutes=15)


class ProxyWorklist:
    """The part of a proxy that knows who is to be examined."""

    def __init__(self, server: "ProxyServer") -> None:
        self._server = server
        mo = server.settings.mo
        self._zone = ZoneInfo(server.region.time_zone)
        self._rules = server.own_proxy().worklist
        self.devices = {device.aet: device for device in server.region.organization(mo).devices}
        self._journal = WorklistJournal(server.audit, mo, Recent(server.clock, READ_WINDOW))
        self.entries = Entries(server.engine, server.clock, self._zone, self._journal)
        self.pulling = Pulling(server.link, self.entries, self._expected)
        self.manual = ManualOrders(mo, self.entries, server.link, server.clock, self._zone)
        listing = Listing(self.entries, server.clock, self._zone)
        self.desk = WorklistDesk(listing, self.entries, self.manual, self.devices)
        quiet = timedelta(minutes=self._rules.quiet_minutes)
        self._arrivals = Arrivals(server.engine, server.clock, self.entries, quiet)

    def services(self) -> Services:
        """Make the workers and answer the devices."""
        server = self._server
        finding = Finding(server.engine, server.clock, self._zone, self.devices, self._rules.keep_days)
        answer_worklists(finding, self._journal)
        server.retrieval.on_arrival(self._came)
        puller = Worker("worklist", self._pull, rest_most=WHILE_AWAY)
        sender = Worker("orders", self._send)
        self.pulling.wake = puller.wake
        self.manual.wake = sender.wake
        self._arrivals.catch_up()
        return [], [puller, sender, Worker("examinations", self._end)]

    def _pull(self) -> float:
        return PULL_INTERVAL if self.pulling.read_all() else PULL_INTERVAL * 5

    def _send(self) -> float:
        return 0.0 if self.manual.send() else SEND_INTERVAL

    def _end(self) -> float:
        self._arrivals.end()
        return END_INTERVAL

    def _came(self, studies: Sequence[Described]) -> None:
        self._arrivals.came(studies)

    def _expected(self, entries: Sequence[Entry]) -> None:
        """Fetch earlier studies of those who come today or later."""
        today = self._server.clock.now().astimezone(self._zone).date()
        for entry in entries:
            day = today if entry.scheduled_at is None else entry.scheduled_at.astimezone(self._zone).date()
            if day >= today:
                self._server.retrieval.expect(entry.patient_id, day, modality=entry.modality, body_part=entry.body_part)
