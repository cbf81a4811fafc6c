"""Consultations at the centre: what people do and see of them, and the threads that fire, bring, file and tell."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cami.access import GrantBook
from cami.consultations import (
    Answers,
    Beats,
    Consultants,
    Consultations,
    Council,
    Deadlines,
    Desk,
    Diagnoses,
    Drafts,
    Filing,
    Images,
    Notices,
    Outside,
    PdfPaper,
    RouteTable,
    Statistics,
    StudyCatalogue,
    Talk,
    Verifiers,
    Workflow,
    consultation_endpoints,
)
from cami.consultations.bindings import AccountPasswords, AuditJournal, EventOutlet, GrantRights
from cami.consultations.clinical_document import ClinicalDocuments
from cami.consultations.dispatch import Post
from cami.consultations.outside_verifier import OutsideVerifier
from cami.consultations.trust import TrustStore
from cami.delivery import CentralKeeper
from cami.edge.background import Worker
from cami.edge.server import Server, Services
from cami.errands import ErrandBook, Kind, Study
from cami.events import EventLog
from cami.people.openid import OpenId
from cami.retrieval import Announcements, Awaiting, StudyRegister

#: Seconds between looks for timers that are due: what is late is told of within them.
TIMERS_INTERVAL = 1.0
#: Seconds between looks for studies to bring and answers to file when nothing wakes the threads.
IMAGES_INTERVAL, FILING_INTERVAL = 10.0, 15.0
#: The same while there is more to look for: people come first.
MORE_IMAGES_INTERVAL = 0.5
#: Seconds between looks for notices to mail.
POST_INTERVAL = 3.0


@dataclass(frozen=True, slots=True)
class Consulting:
    """What the portal shows of consultations."""

    consultations: Consultations
    answers: Answers
    desk: Desk
    notices: Notices
    beats: Beats
    diagnoses: Diagnoses
    statistics: Statistics
    catalogue: StudyCatalogue
    council: Council
    outside: Outside
    openid: OpenId | None = None

    def provider_for(self, login: str) -> str:
        """Return the name of the identity provider that an account comes from; empty: it has a password here."""
        return self.openid.title if self.openid is not None and self.openid.vouches_for(login) else ""


def open_consultations(
    server: Server,
    *,
    register: StudyRegister,
    announcements: Announcements,
    awaiting: Awaiting,
    errands: ErrandBook,
    grants: GrantBook,
    events: EventLog,
) -> tuple[Consulting, Services]:
    """Make the consultations of the centre."""
    engine, clock = server.engine, server.clock
    routes = RouteTable(server.region)
    journal = AuditJournal(server.audit)
    rights = GrantRights(grants)
    workflow = Workflow(clock, routes, rights=rights, journal=journal, outlet=EventOutlet(events))
    catalogue = StudyCatalogue(engine, server.archive, register, announcements)
    drafts = Drafts(engine, clock, routes, catalogue, journal)
    consultations = Consultations(
        engine,
        clock,
        routes=routes,
        drafts=drafts,
        workflow=workflow,
        consultants=Consultants(engine),
        talk=Talk(engine, clock),
        journal=journal,
    )
    answers = Answers(
        engine,
        clock,
        consultations=consultations,
        workflow=workflow,
        paper=PdfPaper(server.region, routes.profile),
        passwords=AccountPasswords(server.accounts),
        verifiers=_verifiers(server),
        clinical=ClinicalDocuments(server.region, server.settings.central_url),
    )
    found = Consulting(
        consultations=consultations,
        answers=answers,
        desk=Desk(engine, clock),
        notices=Notices(engine),
        beats=Beats(engine),
        diagnoses=Diagnoses(engine),
        statistics=Statistics(engine, routes),
        catalogue=catalogue,
        council=Council(engine, clock, consultations=consultations, workflow=workflow, journal=journal),
        outside=Outside(clock, routes, drafts, workflow),
        openid=server.people.openid,
    )
    endpoints = consultation_endpoints(
        server.authenticator,
        consultations=consultations,
        answers=answers,
        desk=found.desk,
        notices=found.notices,
        beats=found.beats,
        diagnoses=found.diagnoses,
        council=found.council,
    )
    return found, (endpoints, _workers(server, found, workflow, awaiting, errands))


def _verifiers(server: Server) -> Verifiers:
    """Return what judges signatures here: the trusted roots of the secrets folder, and the service of the registry."""
    secrets, service = server.settings.secrets, server.region.consultations.verifier
    others = [] if service is None else [OutsideVerifier(service.name, service.url, secrets / "verifier.token")]
    return Verifiers(others, TrustStore(secrets / "signing-roots"))


def _workers(
    server: Server, found: Consulting, workflow: Workflow, awaiting: Awaiting, errands: ErrandBook
) -> list[Worker]:
    engine, clock = server.engine, server.clock
    deadlines = Deadlines(engine, clock, workflow, found.consultations.routes)
    images = Images(engine, found.catalogue, awaiting)
    filing = _filing(server, errands)
    post = Post(
        engine, clock, server.region.consultations, server.settings.secrets, ZoneInfo(server.region.time_zone)
    )  # fmt: skip
    loaded = False

    def fire() -> float:
        nonlocal loaded
        if not loaded:
            found.diagnoses.ensure()
            loaded = True
        return 0.0 if deadlines.step() else TIMERS_INTERVAL

    def bring() -> float:
        images.step()
        return MORE_IMAGES_INTERVAL if images.more else IMAGES_INTERVAL

    def file() -> float:
        filing.step()
        return FILING_INTERVAL

    def mail() -> float:
        return 0.0 if post.step() else POST_INTERVAL

    bringing, filer = Worker("consultation-images", bring), Worker("consultation-filing", file)

    def changed() -> None:
        bringing.wake()
        filer.wake()

    workflow.changed = changed
    return [Worker("consultation-timers", fire), bringing, filer, Worker("consultation-post", mail)]


def _filing(server: Server, errands: ErrandBook) -> Filing:
    """Make what puts answers into their studies: here, and at the proxy of whose study it is."""
    keeper = server.keeper()
    with_proxy = {organization.code for organization in server.region.organizations if organization.proxy}

    def attach(dicom: bytes) -> None:
        if isinstance(keeper, CentralKeeper):
            keeper.attach(dicom, server.archive.parse(dicom), "consultation")

    def send_down(mo: str, study: Study, instances: list[str]) -> None:
        if mo in with_proxy:
            details = {"instances": instances}
            errands.ask(mo, Kind.BRING, asked_by="consultation", cause="consultation", study=study, details=details)

    return Filing(server.engine, server.archive, server.clock, server.region, store=attach, bring=send_down)
