"""A PACS Proxy: it takes images from the devices of its МО, keeps them and sends them to the centre."""

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cami.access import Directory
from cami.access.guests import Guests
from cami.access.witness import WINDOW
from cami.audit.recent import Recent
from cami.delivery import (
    CentralLink,
    CentralReadingsFollower,
    ChangeFeed,
    Coercing,
    Commitment,
    CommitmentReports,
    Confirming,
    Controls,
    Courier,
    DeliveryQueue,
    EventReports,
    Holdings,
    Keeper,
    Line,
    Listener,
    Lossless,
    Meter,
    Night,
    Pace,
    ProxyKeeper,
    Reconciliation,
    Repeats,
    Reporting,
    Retention,
    Runs,
    Timetable,
    TokenIssuer,
    completeness_endpoints,
    control_endpoints,
)
from cami.delivery.answers import cause_of
from cami.delivery.fitting import fit
from cami.delivery.items import Item
from cami.delivery.journal import DeviceJournal
from cami.delivery.newcomers import Newcomers
from cami.delivery.order import ALL, URGENT, Priority
from cami.delivery.transport import Transport
from cami.delivery.uploaded import UploadedHere
from cami.edge import commitment, disk, ingest, metrics, query_retrieve
from cami.edge.background import WHILE_AWAY, Worker
from cami.edge.desk import open_desk
from cami.edge.enrolling import renewing
from cami.edge.fleet import telling_the_centre
from cami.edge.origins import origin_of
from cami.edge.proxy_retrieval import ProxyRetrieval
from cami.edge.proxy_routing import ProxyRouting
from cami.edge.proxy_worklist import ProxyWorklist
from cami.edge.server import Server, Services, gathered
from cami.enrolment.line import link_certificates
from cami.errands import Handler, Kind, Runner, Watched
from cami.errors import Denied, Misconfigured, Transient
from cami.portal import Bringing, BringingToProxy
from cami.quarantine import ProxySide
from cami.region import Disk, Proxy
from cami.removal import ProxyRemoval
from cami.routing import studies_unread, studies_waiting
from cami.settings import Settings
from cami.watch import QueueWatch, Transfer
from cami.watch.figures import Source, of_proxy
from cami.worklist import Numbering

#: Seconds between looks at the change log when nothing wakes the feed.
FEED_INTERVAL = 2.0
#: Seconds that arrivals are gathered before they are read: one by one, reading costs more than storing them.
FEED_GATHERS = 0.25
#: The same while a device sends without a pause.
FEED_GATHERS_MOST = 1.0
#: Seconds between looks at the queue when nothing wakes the first sender: what waits out a failed try waits no longer.
SEND_INTERVAL = 0.5
#: The same for the other senders, which the first one wakes when it has found something.
FOLLOW_INTERVAL = 5.0
#: Senders that make the next objects of a study ready while its first one is written, and those that are left to carry
#: parts of that one.
_AHEAD, _CARRY = 2, 3
#: Seconds between two looks for studies whose manifest is due.
CONFIRM_INTERVAL = 1.0
#: Seconds between two measurements of the queue.
METRICS_INTERVAL = 5.0
#: Seconds between two looks whether retention must make room, when the last one had nothing to do.
RETENTION_INTERVAL = 60.0
#: Seconds between two questions what was read at the centre: retention goes by it, to the hour.
READINGS_INTERVAL = 900.0
#: Seconds between two looks whether it is time to compare with the centre.
RECONCILIATION_INTERVAL = 60.0
#: Seconds between two looks for comparisons of which the centre was not told.
REPORTS_INTERVAL = 10.0
#: Seconds between two fetches of the МО's accounts from the centre.
DIRECTORY_INTERVAL = 10.0


class ProxyServer(Server):
    """The services of a proxy."""

    def __init__(self, settings: Settings, engine: Engine, storage: Path) -> None:
        super().__init__(settings, engine, storage)
        self.line = self.region.link(settings.mo)
        self.fit = fit(self.line)
        self.timetable = Timetable(self.line, self.region.time_zone, self.clock)
        self.queue = DeliveryQueue(engine, self.clock)
        self.queue.tell_arrivals(DeviceJournal(self.audit, settings.mo, origin_of, Recent(self.clock, WINDOW)))
        self.newcomers = Newcomers(self.archive.parse, self.archive.has_series)
        self.archive.identities.heed(self.newcomers.told)
        self.holdings = Holdings(engine, self.clock, [studies_waiting(), studies_unread()])
        self.coercing = Coercing(
            self.archive, self.region.organization(settings.mo), self.own_proxy(), Numbering(engine, self.clock)
        )
        self.meter = Meter()
        self.pace = Pace(self.timetable.limit, urgent_exempt=self.line.urgent_exempt, meter=self.meter)
        self.link = self._make_link()
        self.outlook = Line(self.clock)
        self.transfer: Transfer = Transfer(QueueWatch(engine), self.outlook, self.meter, self.timetable, self.disk)
        self.controls: Controls = Controls(settings.mo, self.queue, Repeats(engine, self.wake_senders))
        self.senders: list[Worker] = []
        self.directory_version = ""
        """Of the accounts that are in the database since this start."""
        self.uploads = UploadedHere(engine, self.clock)
        self.routes = ProxyRouting(self)
        self.routing = self.routes.service
        self.guests = Guests(engine, self.clock)
        self.feed = ChangeFeed(self.archive, self.queue, self.arrived, guests=self.guests.instances)
        self.errands: dict[Kind, Handler] = {}
        self.retrieval = ProxyRetrieval(
            settings.mo,
            region=self.region,
            archive=self.archive,
            engine=engine,
            clock=self.clock,
            queue=self.queue,
            holdings=self.holdings,
            feed=self.feed,
            link=self.link,
            disk=self.disk,
            downloads=settings.downloads,
            authenticator=self.authenticator,
            wake_senders=self.wake_senders,
        )
        self.worklist = ProxyWorklist(self)
        self.worklist_desk = self.worklist.desk

    def copied_accounts_for(self) -> timedelta:
        """Return how old the copy of the МО's accounts may be."""
        return timedelta(hours=self.own_proxy().copied_accounts_hours)

    def disk_rules(self) -> Disk:
        """Return what the registry says of this proxy's volume."""
        return self.own_proxy().disk

    def figures(self) -> list[Source]:
        """Return what waits and what goes over the line."""
        return [of_proxy(self.transfer, self.clock)]

    def services(self) -> Services:
        """Make the queue, its senders, and what keeps the local archive."""
        return gathered(
            self._answering_devices(),
            self._reading(),
            self._sending(),
            self._keeping(),
            self._comparing(),
            self._retrieving(),
            self.worklist.services(),
            self._running(),
            self._desk(),
            self.routes.services(),
        )

    def register(self) -> list[Worker]:
        """Register everything with Orthanc; when the line is back, who waited for it asks at once."""
        workers = super().register()

        def retry() -> None:
            for worker in workers:
                worker.retry()

        self.outlook.tell_back(retry)
        return workers

    def keeper(self) -> Keeper:
        """Return what stores objects that people send."""
        return ProxyKeeper(self.settings.mo, self.archive, self.uploads, self.disk.require_room)

    def bringing(self) -> Bringing:
        """Return what shows and brings studies that have left this proxy."""
        return BringingToProxy(self.retrieval.returns, self.retrieval.catalogue, self.settings.mo)

    def let_in(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Hear of a request that the gate has let through."""
        super().let_in(method, path, headers)
        self.retrieval.openings.note(method, path, headers)

    def wake_senders(self) -> None:
        """Let the senders look at the queue now."""
        for sender in self.senders:
            sender.wake()

    def arrived(self) -> None:
        """Let those who wait for images look now."""
        self.wake_senders()
        self.routes.wake()

    def _make_link(self) -> CentralLink:
        settings = self.settings
        tokens = TokenIssuer(settings.mo, settings.link_key, self.clock)
        known = link_certificates(settings)
        transport = Transport(self.pace, self.fit.unsent, known)
        return CentralLink(self.settings.central_url, tokens, transport, self.fit.piece, gzip=self.line.gzip)

    def _answering_devices(self) -> Services:
        """Take images from devices, and tell them when they may forget theirs."""
        ingest.receive_at_proxy(self.archive, self.newcomers, self.quarantine)
        disk.refuse_when_full(self.disk)
        own = self.own_proxy()
        judging = Commitment(self.archive, self.holdings, own.commitment)
        nodes = self.region.organization(self.settings.mo).nodes("proxy")
        listeners = {each.aet: Listener(each.aet, each.address, each.port) for each in nodes if each.port is not None}
        sender = EventReports(own.aet, listeners)
        reports = CommitmentReports(self.archive, self.engine, self.clock, judging.judge, sender)
        commitment.answer_commitments(judging, reports)
        query_retrieve.at_proxy(self, self.retrieval, own.aet)
        return [], [Worker("commitment", reports.step)]

    def _reading(self) -> Services:
        """Follow what comes in: arrivals by the change log, the МО's people from the centre."""

        def read_changes() -> float:
            return 0.0 if self.feed.advance() else FEED_INTERVAL

        def fetch_people() -> float:
            try:
                document = self.link.directory(self.directory_version)
            except (Transient, Denied) as error:  # the line may be down though there is nothing to send
                self.outlook.unheard(cause_of(error))
                raise
            self.outlook.heard()
            if document.get("version") != self.directory_version:
                directory = Directory.parse(document)
                self.accounts.replace_directory(directory)
                self.directory_version = str(document["version"])
            if self.people.copies is not None:
                self.people.copies.fetched()
            return DIRECTORY_INTERVAL

        shipping, renewal = self.journal.to_centre(self.link.tell), renewing(self, self.link)
        feed = Worker("feed", read_changes, gather=FEED_GATHERS, gather_most=FEED_GATHERS_MOST)
        return [], [feed, Worker("directory", fetch_people), shipping, renewal]

    def _sending(self) -> Services:
        """Send to the centre and close each study with its manifest."""
        self.queue.recover()
        lossless = Lossless(self.archive, self.line)

        def prepare(item: Item, dicom: bytes) -> bytes:
            return lossless.prepare(item, self.coercing.prepare(item, dicom))

        courier = Courier(
            self.archive,
            self.queue,
            self.link,
            self.clock,
            prepare,
            now_open=self.timetable.classes,
            on_work=self.wake_senders,
            line=self.outlook,
            meter=self.meter,
            ahead=max(0, min(_AHEAD, self.fit.streams - _CARRY)),
        )
        self.queue.tell_reclassified(courier.reclassified)
        confirming = Confirming(self.queue, self.link, self.clock)

        def confirm() -> float:
            confirming.confirm_due()
            return CONFIRM_INTERVAL

        def measure() -> float:
            metrics.publish_delivery(self.transfer, self.clock)
            metrics.publish_coercion(self.coercing.counted())
            return METRICS_INTERVAL

        # What is urgent has senders of its own: the others stand still in the middle of what they are sending.
        for number in range(1, self.fit.streams + 1):
            interval = SEND_INTERVAL if number == 1 else FOLLOW_INTERVAL
            self.senders += [
                Worker(f"sender-{number}", self._sender(courier, ALL - URGENT, interval)),
                Worker(f"urgent-sender-{number}", self._sender(courier, URGENT, interval)),
            ]
        return control_endpoints(self.authenticator, self.controls), [
            *self.senders,
            Worker("confirm", confirm),
            Worker("metrics", measure),
            *telling_the_centre(self),
        ]

    def _sender(self, courier: Courier, classes: Collection[Priority], interval: float) -> Callable[[], float]:
        """Return the step of a sender; when it has found work after a rest, the others are woken: there may be more."""
        idle = True

        def send() -> float:
            nonlocal idle
            rested, idle = idle, True  # a try that fails leaves it so
            sent = courier.send_next(classes)
            if sent and rested:
                self.wake_senders()
            idle = not sent
            return 0.0 if sent else interval

        return send

    def _keeping(self) -> Services:
        """Let go of what the centre holds when room is asked for."""
        retention = Retention(
            archive=self.archive,
            queue=self.queue,
            holdings=self.holdings,
            link=self.link,
            disk=self.disk,
            rules=self.own_proxy().retention,
            clock=self.clock,
        )

        def retain() -> float:
            return 0.1 if retention.step() else RETENTION_INTERVAL

        follower = CentralReadingsFollower(self.engine, self.link)

        def follow_readings() -> float:
            follower.step()
            return READINGS_INTERVAL

        return [], [Worker("retention", retain), Worker("central-readings", follow_readings, rest_most=WHILE_AWAY)]

    def _comparing(self) -> Services:
        """Compare with the centre, every night and when asked."""
        runs = Runs(self.engine, self.clock)
        reconciliation = Reconciliation(
            archive=self.archive,
            feed=self.feed,
            queue=self.queue,
            holdings=self.holdings,
            link=self.link,
            runs=runs,
            night=Night(self.own_proxy().reconciliation, ZoneInfo(self.region.time_zone), self.settings.mo),
        )

        def reconcile() -> float:
            return 0.1 if reconciliation.step() else RECONCILIATION_INTERVAL

        reporting = Reporting(runs, self.link)

        def report() -> float:
            reporting.step()
            return REPORTS_INTERVAL

        reconciler = Worker("reconciliation", reconcile)
        endpoints = completeness_endpoints(self.settings.mo, self.authenticator, runs, reconciler.wake)
        return endpoints, [reconciler, Worker("reports", report, rest_most=WHILE_AWAY)]

    def _retrieving(self) -> Services:
        """Bring studies to where they are needed, up and down the line."""
        removal = ProxyRemoval(self.settings.mo, self.archive, self.engine, self.audit, self.clock)
        self.errands |= {**self.retrieval.errands(), Kind.REMOVE: removal.remove}
        return self.retrieval.endpoints(), self.retrieval.workers()

    def _running(self) -> Services:
        """Run what the centre wants of this proxy; last, when all handlers are known."""
        feeds: dict[str, Watched] = {"worklist": self.worklist.pulling, "rules": self.routes.pulling}
        runner = Runner(self.link, self.errands, self.clock, feeds)
        return [], [Worker("errands", runner.step, rest_most=WHILE_AWAY)]

    def _desk(self) -> Services:
        """Let people decide of what is in quarantine."""
        own = self.own_proxy()
        side = ProxySide(
            self.archive,
            self.engine,
            self.quarantine,
            mo=self.settings.mo,
            coercing=self.coercing,
            wake=self.wake_senders,
        )
        return open_desk(self, side, system=own.aet, keep_days=own.quarantine.keep_days)

    def own_proxy(self) -> Proxy:
        """Return what the registry says of this proxy."""
        proxy = self.region.organization(self.settings.mo).proxy
        if proxy is None:
            raise Misconfigured(f"МО {self.settings.mo} has no proxy in the registry: add organizations[].proxy")
        return proxy
