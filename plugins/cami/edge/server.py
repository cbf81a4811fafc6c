"""What every server has, whatever its role: accounts, the gate, the portal, the watch over its disk."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from cami.access import (
    ArchiveSubjects,
    CentralSubjects,
    Gate,
    Gateway,
    Limits,
    OwnJobs,
    Recorder,
    Visibility,
    Witness,
    overrides,
    study_owners,
)
from cami.access.people_api import PeopleApi
from cami.audit import AuditTrail
from cami.clock import SystemClock
from cami.delivery import Controls, DiskWatch, Keeper, Quarantine, Readings, intake
from cami.delivery.disk import measure_volume
from cami.delivery.journal import KeptApart
from cami.edge import disk, http
from cami.edge.archive import OrthancArchive
from cami.edge.background import Worker
from cami.edge.journal import JournalWork
from cami.index import StudyIndex
from cami.matching import MatchingDesk, OrderedStudies
from cami.people import people_services
from cami.portal import Bringing, Consulting, portal_endpoints
from cami.quarantine import QuarantineDesk
from cami.query_retrieve.strangers import Strangers
from cami.region import Disk, load_region
from cami.removal import Removals
from cami.routing import CentralRules, RoutingService
from cami.settings import Settings
from cami.sharing import EmergencyDesk, SharingDesk
from cami.watch import Transfer, description, watch_endpoints
from cami.watch.figures import Source, of_disk
from cami.web import Endpoint
from cami.worklist import WorklistDesk

#: Seconds between two writings of what was opened.
READINGS_INTERVAL = 10.0

#: What a part of a server answers over HTTP, and what it does in threads of its own.
Services = tuple[list[Endpoint], list[Worker]]


def gathered(*parts: Services) -> Services:
    """Return the endpoints and workers of several parts, in their order."""
    return [each for part in parts for each in part[0]], [each for part in parts for each in part[1]]


class Server(ABC):
    """The services that both roles have."""

    def __init__(self, settings: Settings, engine: Engine, storage: Path) -> None:
        self.settings = settings
        self.engine = engine
        self.clock = SystemClock()
        self.archive = OrthancArchive(storage)
        self.region = load_region(settings.region)
        self.audit = AuditTrail(engine, self.clock, f"proxy-{settings.mo}" if settings.mo else "central")
        self.journal = JournalWork(settings, self.region, engine, self.audit, self.clock)
        self.people = people_services(
            engine,
            self.clock,
            self.audit,
            rules=self.region.people,
            secrets=settings.secrets,
            organizations=[organization.code for organization in self.region.organizations],
            copied_for=self.copied_accounts_for(),
        )
        self.accounts = self.people.accounts
        self.authenticator = self.people.authenticator
        self.visibility = Visibility(settings.role, settings.mo, self.archive, engine, self.make_index())
        self.quarantine = Quarantine(settings.quarantine, engine, self.clock, KeptApart(self.audit))
        self.strangers = Strangers(engine, self.clock)
        storage.mkdir(parents=True, exist_ok=True)  # before its first start Orthanc has not made it yet
        self.disk = DiskWatch(lambda: measure_volume(storage), self.disk_rules())
        self.routing: RoutingService | None = None
        """What people see of routing and do with it; at a proxy only."""
        self.central_rules: CentralRules | None = None
        """Rules of routing for all МО; at the centre only."""
        self.worklist_desk: WorklistDesk | None = None
        """Who is to be examined; at a proxy only."""
        self.matching: MatchingDesk | None = None
        self.ordered: OrderedStudies | None = None
        """Which study belongs to which order; at the centre only."""
        self.readings = Readings(self.archive, engine, self.clock)
        self.consulting: Consulting | None = None
        """What people see and do of consultations; at the centre only."""
        self.desk: QuarantineDesk | None = None
        """Made by the services of the role."""
        self.transfer: Transfer | None = None
        """How delivery stands; at a proxy only."""
        self.sharing: SharingDesk | None = None
        """Grants that people give; at the centre only."""
        self.emergency: EmergencyDesk | None = None
        self.removals: Removals | None = None
        """Studies that are to be deleted; at the centre only."""
        self.controls: Controls | None = None
        """What people may do with the queue; at a proxy only."""

    def make_index(self) -> StudyIndex | None:
        """Make the index that searches are answered from, if this role has one."""
        return None

    def deleted(self, level: int, resource: str) -> None:  # noqa: B027 - a role need not care
        """Hear that Orthanc has deleted something (a level of `sdk.ResourceType`)."""

    def copied_accounts_for(self) -> timedelta | None:
        """Return how old this server's copy of the accounts may be; None: they are its own."""
        return None

    @abstractmethod
    def disk_rules(self) -> Disk:
        """Return what the registry says of this server's volume."""

    @abstractmethod
    def services(self) -> Services:
        """Make what this role adds, and register its DICOM hooks."""

    @abstractmethod
    def keeper(self) -> Keeper:
        """Return what stores objects that people send; called after `services`."""

    @abstractmethod
    def bringing(self) -> Bringing:
        """Return what shows and brings studies that are not here."""

    @abstractmethod
    def figures(self) -> list[Source]:
        """Return what this role tells a monitoring system."""

    def register(self) -> list[Worker]:
        """Register everything with Orthanc; return the workers to start."""
        settings = self.settings
        endpoints, workers = self.services()
        workers += [Worker("disk", lambda: disk.look(self.disk)), Worker("readings", self._write_readings)]
        workers += self.journal.workers()
        sources = [of_disk(self.disk), self.journal.figures(), *self.figures()]
        endpoints += watch_endpoints(settings, self.authenticator, self.engine, sources, self.transfer)
        endpoints += portal_endpoints(
            settings=settings,
            region=self.region,
            engine=self.engine,
            authenticator=self.authenticator,
            people=self.people,
            visibility=self.visibility,
            bringing=self.bringing(),
            quarantine=self.desk,
            transfer=self.transfer,
            controls=self.controls,
            routing=self.routing,
            central_rules=self.central_rules,
            audit=self.audit,
            consulting=self.consulting,
            sharing=self.sharing,
            emergency=self.emergency,
            strangers=self.strangers,
            worklist=self.worklist_desk,
            matching=self.matching,
            ordered=self.ordered,
            removals=self.removals,
        )
        endpoints += PeopleApi(self.people).endpoints(central=settings.role == "central")
        jobs = OwnJobs(self.engine, self.archive, self.visibility.sight, self.clock)
        store = intake(self.authenticator, self.archive, self.keeper(), settings.role)
        endpoints += overrides(self.authenticator, self.visibility, self.archive, jobs=jobs, store=store)
        endpoints.insert(0, description(endpoints, self.authenticator, settings.role))
        gate = Gate(
            settings.role,
            settings.mo,
            self.authenticator,
            self.archive,
            self.engine,
            limits=Limits(settings.requests_per_second),
            clock=self.clock,
        )
        http.trust(Gateway(settings.secrets / "gateway.token"))
        self._register_recorded(gate, endpoints)
        return workers

    def _register_recorded(self, gate: Gate, endpoints: list[Endpoint]) -> None:
        """Put the journal between Orthanc and all that decides and answers."""
        owners = study_owners(self.settings.role, self.settings.mo, self.engine, self.clock)
        subjects = (
            CentralSubjects(self.archive, owners, self.engine, self.clock)
            if self.settings.role == "central"
            else ArchiveSubjects(self.archive, owners)
        )
        witness = Witness(
            gate,
            authenticator=self.authenticator,
            sight=self.visibility.sight,
            subjects=subjects,
            trail=self.audit,
            clock=self.clock,
        )
        recorder = Recorder(self.authenticator, subjects, self.audit, self.clock)
        self.journal.started()
        http.register_gate(witness, self.let_in)
        http.register(map(recorder.around, endpoints))

    def let_in(self, method: str, path: str, headers: Mapping[str, str]) -> None:  # noqa: ARG002 - for roles
        """Hear of a request that the gate has let through; must cost next to nothing."""
        self.readings.note(method, path)

    def _write_readings(self) -> float:
        self.readings.write()
        return READINGS_INTERVAL
