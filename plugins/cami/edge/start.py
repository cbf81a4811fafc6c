"""Wiring: builds the services of a server out of its configuration and registers them with Orthanc.

Called once, while Orthanc loads its plugins: an exception here makes Orthanc exit, which is what an unsafe or broken
installation must do.
"""

import json
import logging
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cami.access import Accounts, Authenticator, Directory, Gate, Sessions, SignIn, Visibility, overrides
from cami.boot.ready import announce_ready
from cami.clock import SystemClock
from cami.db import open_engine
from cami.delivery import (
    CentralLink,
    ChangeFeed,
    Commitment,
    Courier,
    DeliveryQueue,
    DiskWatch,
    Holdings,
    Lossless,
    Night,
    Pace,
    Quarantine,
    Readings,
    Recall,
    Receiver,
    Reconciliation,
    Retention,
    Runs,
    Timetable,
    TokenIssuer,
    TokenVerifier,
    Uploads,
    completeness_endpoints,
    control_endpoints,
    wire_endpoints,
)
from cami.delivery.disk import measure_volume
from cami.delivery.link import piece_bytes
from cami.delivery.tokens import read_public_keys
from cami.edge import commitment, disk, http, ingest, logs, metrics, sdk
from cami.edge.archive import OrthancArchive
from cami.edge.background import Worker
from cami.errors import Misconfigured
from cami.portal import portal_endpoints
from cami.region import Proxy, load_region
from cami.selfcheck import refuse_unsafe
from cami.settings import Role, Settings, read_settings
from cami.watch import watch_endpoints
from cami.web import Endpoint

log = logging.getLogger(__name__)

#: Seconds between looks at the change log when nothing wakes the feed.
FEED_INTERVAL = 2.0
#: Seconds that arrivals are gathered before they are read: one by one, reading costs more than storing them.
FEED_GATHERS = 0.25
#: Seconds between looks at the queue when nothing wakes a sender: what waits out a failed try must not wait longer.
SEND_INTERVAL = 0.5
#: Seconds between two measurements of the queue.
METRICS_INTERVAL = 5.0
#: Seconds between two looks for uploads that nobody goes on with.
TIDY_INTERVAL = 3600.0
#: Seconds between two looks whether retention must make room, when the last one had nothing to do.
RETENTION_INTERVAL = 60.0
#: Seconds between two looks whether it is time to compare with the centre.
RECONCILIATION_INTERVAL = 60.0
#: Seconds between two writings of what was opened.
READINGS_INTERVAL = 10.0
#: Seconds between two fetches of the МО's accounts from the centre.
DIRECTORY_INTERVAL = 15.0


def start(role: Role) -> None:
    """Start a server of `role`.

    Raises
    ------
    cami.errors.Misconfigured
        The Orthanc configuration is unsafe, or is for another role.
    """
    logs.install()
    configuration = json.loads(sdk.get_configuration())
    refuse_unsafe(configuration, role=role)
    settings = read_settings(configuration)
    if settings.role != role:
        raise Misconfigured(f'"Cami.Role" is "{settings.role}", but the script is that of a {role}')
    engine = open_engine(settings.database)
    workers = _Server(settings, engine, Path(configuration["StorageDirectory"])).register()
    _follow_orthanc(workers)
    announce_ready()


class _Server:
    """The services that both roles have, and what each role adds."""

    def __init__(self, settings: Settings, engine: Engine, storage: Path) -> None:
        self.settings = settings
        self.engine = engine
        self.clock = SystemClock()
        self.archive = OrthancArchive(storage)
        self.region = load_region(settings.region)
        self.accounts = Accounts(engine, self.clock, mirror=settings.role == "proxy")
        self.sessions = Sessions(engine, self.clock)
        self.authenticator = Authenticator(self.accounts, self.sessions, self.clock)
        self.visibility = Visibility(settings.role, settings.mo, self.archive, engine)
        self.quarantine = Quarantine(settings.quarantine, engine, self.clock)
        storage.mkdir(parents=True, exist_ok=True)  # before its first start Orthanc has not made it yet
        wanted = self.region.centre.disk if settings.role == "central" else self._own_proxy().disk
        self.disk = DiskWatch(lambda: measure_volume(storage), wanted)
        self.readings = Readings(self.archive, engine, self.clock)

    def register(self) -> list[Worker]:
        """Register everything with Orthanc; return the workers to start."""
        settings = self.settings
        endpoints, workers = self._central() if settings.role == "central" else self._proxy()
        workers += [Worker("disk", lambda: disk.look(self.disk)), Worker("readings", self._write_readings)]
        endpoints += watch_endpoints(settings, self.authenticator, self.engine, self.disk)
        endpoints += portal_endpoints(
            settings=settings,
            region=self.region,
            engine=self.engine,
            authenticator=self.authenticator,
            sign_in=SignIn(self.accounts, self.sessions),
            sessions=self.sessions,
            visibility=self.visibility,
        )
        endpoints += overrides(self.authenticator, self.visibility, self.archive)
        gate = Gate(settings.role, settings.mo, self.authenticator, self.archive, self.engine)
        http.register_gate(gate, self.readings.note)
        http.register(endpoints)
        return workers

    def _central(self) -> tuple[list[Endpoint], list[Worker]]:
        self._import_accounts(self.settings.secrets / "accounts.json")
        receiver = Receiver(self.archive, self.engine, self.quarantine, self.clock, self.disk.require_room)
        tokens = TokenVerifier(read_public_keys(self.settings.keys), self.clock)
        ingest.refuse_at_centre()

        def relabel() -> float:
            receiver.relabel()
            return 60.0

        uploads = Uploads(self.settings.uploads, self.engine, self.clock)
        recall = Recall(self.archive, self.engine)

        def tidy_uploads() -> float:
            uploads.tidy()
            return TIDY_INTERVAL

        endpoints = wire_endpoints(receiver, tokens, self.accounts, uploads, recall)
        return endpoints, [Worker("relabel", relabel), Worker("uploads", tidy_uploads)]

    def _proxy(self) -> tuple[list[Endpoint], list[Worker]]:
        settings = self.settings
        queue = DeliveryQueue(self.engine, self.clock)
        line = self.region.link(settings.mo)
        timetable = Timetable(line, self.region.time_zone, self.clock)
        pace = Pace(timetable.limit, urgent_exempt=line.urgent_exempt)
        tokens = TokenIssuer(settings.mo, settings.secrets / "link.key", self.clock)
        piece = line.piece_kib * 1024 if line.piece_kib else piece_bytes(line.mbit_s)
        link = CentralLink(settings.central_url, tokens, pace, piece, gzip=line.gzip)
        courier = Courier(self.archive, queue, link, self.clock, Lossless(self.archive, line).prepare)
        queue.recover()
        ingest.receive_at_proxy(self.archive, self.quarantine)
        disk.refuse_when_full(self.disk)

        def send() -> float:
            return 0.0 if courier.send_next() else SEND_INTERVAL

        senders = [Worker(f"sender-{number}", send) for number in range(1, line.streams + 1)]

        def wake_senders() -> None:
            for sender in senders:
                sender.wake()

        feed = ChangeFeed(self.archive, queue, wake_senders)

        def read_changes() -> float:
            return 0.0 if feed.advance() else FEED_INTERVAL

        def confirm() -> float:
            courier.confirm_due()
            return 1.0

        def fetch_people() -> float:
            self.accounts.replace_directory(Directory.parse(link.directory()))
            return DIRECTORY_INTERVAL

        def measure() -> float:
            metrics.publish_queue(self.engine, self.clock)
            return METRICS_INTERVAL

        keeping, holdings = self._own_proxy(), Holdings(self.engine, self.clock)
        commitment.answer_commitments(Commitment(self.archive, holdings, keeping.commitment))
        retention = Retention(
            archive=self.archive,
            queue=queue,
            holdings=holdings,
            link=link,
            disk=self.disk,
            rules=keeping.retention,
            clock=self.clock,
        )

        def retain() -> float:
            return 0.1 if retention.step() else RETENTION_INTERVAL

        runs = Runs(self.engine, self.clock)
        reconciliation = Reconciliation(
            archive=self.archive,
            feed=feed,
            queue=queue,
            holdings=holdings,
            link=link,
            runs=runs,
            night=Night(keeping.reconciliation, ZoneInfo(self.region.time_zone), settings.mo),
        )

        def reconcile() -> float:
            return 0.1 if reconciliation.step() else RECONCILIATION_INTERVAL

        reconciler = Worker("reconciliation", reconcile)
        controls = control_endpoints(settings.mo, self.authenticator, queue)
        controls += completeness_endpoints(settings.mo, self.authenticator, runs, reconciler.wake)
        others = [Worker("confirm", confirm), Worker("directory", fetch_people), Worker("metrics", measure)]
        others += [Worker("retention", retain), reconciler]
        return controls, [Worker("feed", read_changes, gather=FEED_GATHERS), *senders, *others]

    def _write_readings(self) -> float:
        self.readings.write()
        return READINGS_INTERVAL

    def _own_proxy(self) -> Proxy:
        proxy = self.region.organization(self.settings.mo).proxy
        if proxy is None:
            raise Misconfigured(f"МО {self.settings.mo} has no proxy in the registry: add organizations[].proxy")
        return proxy

    def _import_accounts(self, path: Path) -> None:
        try:
            accounts = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise Misconfigured(f"not JSON: {path}") from error
        if new := self.accounts.import_initial(accounts):
            log.info("%d new accounts from %s", new, path.name)


def _follow_orthanc(workers: list[Worker]) -> None:
    by_name = {worker.name: worker for worker in workers}

    def changed(change: sdk.ChangeType, _level: int, _resource: str) -> None:
        if change == sdk.ChangeType.ORTHANC_STARTED:
            for worker in workers:
                worker.start()
        elif change == sdk.ChangeType.ORTHANC_STOPPED:
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.join(1.0)
        elif change == sdk.ChangeType.NEW_INSTANCE and "feed" in by_name:
            # Only a hint that there is something to read: the change log is what counts.
            by_name["feed"].wake()

    sdk.on_change(changed)
