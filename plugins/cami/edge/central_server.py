"""The central archive: it receives from the proxies and answers people."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cami.access import GrantBook
from cami.access.granted import GrantedStudies
from cami.archive import Level
from cami.audit.gathering import Gathering
from cami.delivery import (
    WIRE_ROOT,
    CentralKeeper,
    CentralReadings,
    Keeper,
    Manifests,
    ProxyReports,
    Recall,
    Receiver,
    Scrub,
    Uploads,
    for_proxies,
    wire_endpoints,
)
from cami.delivery.direct import DirectReception, NodeJournal
from cami.delivery.journal import CentralJournal
from cami.delivery.uploaded import UploadCoercing
from cami.edge import ingest, query_retrieve, sdk
from cami.edge.background import Worker
from cami.edge.central_sharing import open_sharing
from cami.edge.central_worklist import CentralWorklist
from cami.edge.consulting import open_consultations
from cami.edge.desk import open_desk
from cami.edge.enrolling import Enrolling
from cami.edge.fleet import Watching
from cami.edge.mis import hl7_services, mis_services, open_mis
from cami.edge.mis_consultations import MisConsultations
from cami.edge.server import Server, Services, gathered
from cami.errands import Bell, ErrandBook, Pending, errand_endpoints, open_errands
from cami.errors import Misconfigured
from cami.events import EventLog
from cami.index import IndexFollower, IndexStore, NightlyComparison, StudyIndex
from cami.matching import OrderedStudies
from cami.orders import Orders, Patients
from cami.portal import Bringing, BringingToCentre
from cami.quarantine import CentralSide
from cami.query_retrieve import Nodes
from cami.query_retrieve.journal import DicomJournal
from cami.region import Disk
from cami.removal import ProxyCopies, Removals, removal_endpoints
from cami.retrieval import (
    Announcements,
    Awaiting,
    Opening,
    Openings,
    Requests,
    Shelves,
    StudyRegister,
    central_endpoints,
    retrieval_wire_endpoints,
)
from cami.routing import (
    CentralRules,
    Shares,
    central_routing_endpoints,
    known_everywhere,
    rules_wire_endpoints,
    share_handlers,
)
from cami.settings import Settings
from cami.sharing import GuestList, guest_wire_endpoints
from cami.watch import completeness_api, index_endpoints
from cami.watch.figures import Source, of_centre
from cami.watch.mis_figures import of_mis
from cami.web import Endpoint

log = logging.getLogger(__name__)

#: Seconds between two looks for what is to be forgotten: uploads that nobody goes on with, errands that ended long ago.
TIDY_INTERVAL = 3600.0
#: Seconds between looks for stored objects that were not read yet, when nothing wakes the reader.
CONTENTS_INTERVAL = 30.0
#: Seconds that stored objects are gathered before they are read.
CONTENTS_GATHER = 0.25
#: Of Orthanc's HTTP threads, the part that proxies may hold while they wait for errands.
WAITING_SHARE = 0.4
#: Seconds between looks for images that nodes have stored when nothing tells of one, and that arrivals are gathered.
FILING_INTERVAL = 30.0
FILING_GATHERS = 0.5
#: Seconds between looks at the change log when nothing wakes the index; below `cami.index.follower.MOMENT`.
INDEX_INTERVAL = 1.0
#: Seconds that arrivals are gathered: a study is read again for each time it is looked at, not for each image.
INDEX_GATHERS = 0.5

_LEVELS: dict[int, Level] = {
    sdk.ResourceType.STUDY: "studies",
    sdk.ResourceType.SERIES: "series",
    sdk.ResourceType.INSTANCE: "instances",
}
#: Seconds between two looks for studies that are to be deleted, when nothing tells of one.
REMOVAL_INTERVAL = 60.0
#: Seconds between two looks whether somebody still waits for a study.
AWAITING_INTERVAL = 2.0
#: Seconds between two looks for openings when nothing tells of one.
OPENINGS_INTERVAL = 30.0


class CentralServer(Server):
    """The services of the centre."""

    def __init__(self, settings: Settings, engine: Engine, storage: Path) -> None:
        super().__init__(settings, engine, storage)
        self.enrolling = Enrolling(self)
        self.tokens = self.enrolling.tokens
        self.watching = Watching(self)
        self.deliveries = CentralJournal(self.audit)
        self.events = EventLog(engine, self.clock)
        self.patients = Patients(engine, self.clock, self.events)
        zone = ZoneInfo(self.region.time_zone)
        self.orders = Orders(engine, self.clock, self.events, self.patients, zone)
        self.worklists = CentralWorklist(self)
        self.matching = self.worklists.desk
        self.ordered = OrderedStudies(engine, self.patients)
        self.bell = Bell(self._pending, int(settings.http_threads * WAITING_SHARE))
        self.rules = self.central_rules = CentralRules(
            engine, self.clock, known_everywhere(self.region), self.bell.ring
        )
        self.errands = ErrandBook(engine, self.clock, self.bell)
        self.grants = GrantBook(self.clock, self.audit)
        self.asked_by_mis = MisConsultations()
        self.mis, self.hl7 = open_mis(self, self.asked_by_mis)
        self.announcements = Announcements(engine, self.clock)
        self.register_of_studies = StudyRegister(engine, self.announcements)
        self.awaiting = Awaiting(engine, self.clock, self.errands, self.register_of_studies)
        self.requests = Requests(self.register_of_studies, self.awaiting, GrantedStudies(engine, self.clock))
        self.openings = Openings(self.authenticator.identify, self._opened, self.clock)

    def disk_rules(self) -> Disk:
        """Return what the registry says of the centre's volume."""
        return self.region.centre.disk

    def make_index(self) -> StudyIndex:
        """Make the study index and what keeps it in step."""
        self.follower = IndexFollower(self.archive, IndexStore(self.engine, self.clock))
        return StudyIndex(self.engine, self.follower)

    def deleted(self, level: int, resource: str) -> None:
        """Take what Orthanc has deleted out of the index."""
        if level in _LEVELS:
            self.follower.note_deleted(_LEVELS[level], resource)

    def keeper(self) -> Keeper:
        """Return what stores objects that people send."""
        coercing = UploadCoercing(self.region, self.archive, self.engine, self.clock)
        return CentralKeeper(self.receiver, self.visibility, coercing)

    def bringing(self) -> Bringing:
        """Return what shows and brings studies that are at their МО."""
        return BringingToCentre(
            requests=self.requests,
            announcements=self.announcements,
            register=self.register_of_studies,
            awaiting=self.awaiting,
            region=self.region,
            clock=self.clock,
            granted=GrantedStudies(self.engine, self.clock),
        )

    def let_in(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Hear of a request that the gate has let through."""
        super().let_in(method, path, headers)
        self.openings.note(method, path, headers)

    def figures(self) -> list[Source]:
        """Return what has come, by МО."""
        return [of_centre(self.engine), of_mis(self.mis.messages, self.clock), self.watching.figures()]

    def services(self) -> Services:
        """Make the wire's other end, what keeps it tidy, and the index."""
        self._import_accounts(self.settings.secrets / "accounts.json")
        return gathered(
            self._receiving(),
            self._sending_errands(),
            self._retrieving(),
            self._indexing(),
            self._journal(),
            self._removing(),
            mis_services(self, self.mis),
            hl7_services(self, self.hl7),
            self._consulting(),
            self.worklists.services(),
            open_sharing(self, self.grants, self.errands, self.mis.care),
            self.enrolling.services(self),
            self.watching.services(),
        )

    def _consulting(self) -> Services:
        """Let МО ask each other about studies."""
        self.consulting, services = open_consultations(
            self,
            register=self.register_of_studies,
            announcements=self.announcements,
            awaiting=self.awaiting,
            errands=self.errands,
            grants=self.grants,
            events=self.events,
        )
        self.asked_by_mis.desk = self.consulting.outside
        return services

    def _receiving(self) -> Services:
        """Take what proxies deliver, and compare it with what they say."""
        self.receiver, keeping = self._storing()
        receiver = self.receiver
        keeping.append(self._speaking_dicom())
        uploads = Uploads(self.settings.uploads, self.engine, self.clock)
        recall = Recall(self.archive, self.engine)

        def tidy_uploads() -> float:
            uploads.tidy()
            return TIDY_INTERVAL

        with_proxy = [organization.code for organization in self.region.with_proxy]
        shares = Shares(self.engine, self.clock, with_proxy, self.grants)
        shares.catch_up()
        endpoints = wire_endpoints(
            receiver=receiver,
            manifests=Manifests(
                self.archive, self.engine, receiver.contents, receiver.damage, self.clock, journal=self.deliveries
            ),
            reports=ProxyReports(self.engine, self.clock),
            tokens=self.tokens,
            accounts=self.accounts,
            uploads=uploads,
            recall=recall,
            others={**share_handlers(shares), **Gathering(self.engine, self.clock, self.audit).handlers()},
        )
        told = CentralReadings(self.engine)
        endpoints.append(Endpoint(f"{WIRE_ROOT}/readings", for_proxies(self.tokens, {"GET": told.answer})))
        endpoints += completeness_api(self.region, self.authenticator, self.engine, self.clock)
        return gathered((endpoints, [*keeping, Worker("uploads", tidy_uploads)]), self._desk(receiver))

    def _desk(self, receiver: Receiver) -> Services:
        """Let people decide of what is in quarantine."""
        side = CentralSide(self.archive, self.engine, self.quarantine, receiver)
        centre = self.region.centre
        return open_desk(self, side, system=centre.aet, keep_days=centre.quarantine.keep_days)

    def _speaking_dicom(self) -> Worker:
        """Let in over DICOM whom the operator lets in; return what files their images."""
        nodes = Nodes(self.region, "central")
        query_retrieve.at_centre(self, nodes, self.region.centre.aet)
        direct = DirectReception(
            self.archive,
            self.engine,
            self.quarantine,
            self.clock,
            journal=NodeJournal(self.audit),
            require_room=self.disk.require_room,
            on_filed=self.receiver.on_stored,
        )
        ingest.receive_at_centre(self.archive, nodes, direct, DicomJournal(self.audit))

        def file() -> float:
            return 0.0 if nodes.any_may("store") and direct.file() else FILING_INTERVAL

        return Worker("direct", file, gather=FILING_GATHERS)

    def _storing(self) -> tuple[Receiver, list[Worker]]:
        """Make the receiver, and what reads behind it what it has stored."""

        def read_contents() -> float:
            return 0.0 if receiver.contents.step() else CONTENTS_INTERVAL

        contents = Worker("contents", read_contents, gather=CONTENTS_GATHER)
        receiver = Receiver(
            self.archive,
            self.engine,
            self.quarantine,
            self.clock,
            require_room=self.disk.require_room,
            on_stored=contents.wake,
            journal=self.deliveries,
        )
        scrub = Scrub(self.engine, receiver.damage, self.clock, self.region.centre.reread_mb_s * 1_000_000)

        def relabel() -> float:
            receiver.relabel()
            return 60.0

        return receiver, [Worker("relabel", relabel), contents, Worker("scrub", scrub.step)]

    def _removing(self) -> Services:
        """Delete what two people have decided to delete."""
        with_proxy = [organization.code for organization in self.region.with_proxy]
        copies = ProxyCopies(self.errands, self.grants, with_proxy)
        self.removals = removals = Removals(self.engine, self.archive, self.audit, self.clock, copies=copies)

        def carry_out() -> float:
            removals.carry_out()
            return REMOVAL_INTERVAL

        remover = Worker("removals", carry_out)
        removals.on_decided = remover.wake
        return removal_endpoints(self.authenticator, removals), [remover]

    def _indexing(self) -> Services:
        """Follow the archive with the study index."""
        nightly = NightlyComparison(self.follower, self.clock, ZoneInfo(self.region.time_zone))

        def follow() -> float:
            nightly.step()
            return 0.0 if self.follower.step() else INDEX_INTERVAL

        indexer = Worker("index", follow, gather=INDEX_GATHERS)
        return index_endpoints(self.authenticator, self.follower, indexer.wake), [indexer]

    def _sending_errands(self) -> Services:
        """Let proxies fetch what the centre wants of them."""

        def tidy() -> float:
            self.errands.tidy()
            return TIDY_INTERVAL

        feeds = {"worklist": self.worklists.feed.last, "rules": self.rules.place}
        endpoints = errand_endpoints(self.tokens, self.errands, self.bell, feeds)
        endpoints += rules_wire_endpoints(self.tokens, self.rules)
        endpoints += central_routing_endpoints(self.authenticator, self.rules)
        return endpoints, [Worker("errands", tidy, on_stop=self.bell.close)]

    def _pending(self) -> Mapping[str, Pending]:
        """Return what waits for each proxy: errands, and what else it is told of."""
        errands, heads, rules = open_errands(self.engine), self.worklists.feed.heads(), self.rules.place()
        everybody = errands.keys() | heads.keys() | self.rules.organizations
        none = Pending(0, 0)
        return {mo: errands.get(mo, none)._replace(news=heads.get(mo, 0) + rules) for mo in everybody}

    def _retrieving(self) -> Services:
        """Know what proxies have, ask for what somebody waits for, and give back to each МО what is its own."""

        def look() -> float:
            self.awaiting.look()
            self.announcements.tidy()
            return AWAITING_INTERVAL

        def act() -> float:
            self.openings.act()
            return OPENINGS_INTERVAL

        opener = Worker("openings", act)
        self.openings.wake = opener.wake
        endpoints = central_endpoints(self.authenticator, self.requests, self.errands)
        shelves = Shelves(self.archive, self.engine, self.clock)
        endpoints += retrieval_wire_endpoints(self.tokens, self.announcements, shelves)
        endpoints += guest_wire_endpoints(self.tokens, GuestList(self.engine, self.clock), shelves)
        return endpoints, [Worker("awaiting", look), opener]

    def _journal(self) -> Services:
        """Send the journals of all servers to the collector of the security department."""
        return [], self.journal.to_collector()

    def _opened(self, opening: Opening) -> None:
        self.requests.opened(opening.identity, opening.study_uid)

    def _import_accounts(self, path: Path) -> None:
        try:
            accounts = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return
        except ValueError as error:
            raise Misconfigured(f"not JSON: {path}") from error
        if new := self.accounts.import_initial(accounts):
            log.info("%d new accounts from %s", new, path.name)
