"""Consultations at the centre: what people do and see of them, and the threads that fire, bring, file and tell."""

from dataclasses import dataclass

from cami.access import GrantBook
from cami.consultations import (
    Answers,
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
from cami.consultations.dispatch import Post
from cami.delivery import CentralKeeper
from cami.edge.background import Worker
from cami.edge.server import Server, Services
from cami.events import EventLog
from cami.retrieval import Announcements, Awaiting, StudyRegister

#: Seconds between looks for timers that are due: what is late is told of within them.
TIMERS_INTERVAL = 1.0
#: Seconds between looks for studies to bring and answers to file when nothing wakes the threads.
IMAGES_INTERVAL, FILING_INTERVAL = 10.0, 15.0
#: Seconds between looks for notices to mail.
POST_INTERVAL = 3.0


@dataclass(frozen=True, slots=True)
class Consulting:
    """What the portal shows of consultations."""

    consultations: Consultations
    answers: Answers
    desk: Desk
    notices: Notices
    diagnoses: Diagnoses
    statistics: Statistics
    catalogue: StudyCatalogue
    council: Council
    outside: Outside


def open_consultations(
    server: Server,
    *,
    register: StudyRegister,
    announcements: Announcements,
    awaiting: Awaiting,
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
        verifiers=Verifiers(),
    )
    found = Consulting(
        consultations=consultations,
        answers=answers,
        desk=Desk(engine, clock),
        notices=Notices(engine),
        diagnoses=Diagnoses(engine),
        statistics=Statistics(engine, routes),
        catalogue=catalogue,
        council=Council(engine, clock, consultations=consultations, workflow=workflow, journal=journal),
        outside=Outside(clock, routes, drafts, workflow),
    )
    endpoints = consultation_endpoints(
        server.authenticator,
        consultations=consultations,
        answers=answers,
        desk=found.desk,
        notices=found.notices,
        diagnoses=found.diagnoses,
        council=found.council,
    )
    return found, (endpoints, _workers(server, found, workflow, awaiting))


def _workers(server: Server, found: Consulting, workflow: Workflow, awaiting: Awaiting) -> list[Worker]:
    engine, clock = server.engine, server.clock
    deadlines = Deadlines(engine, clock, workflow)
    images = Images(engine, found.catalogue, awaiting)
    keeper = server.keeper()

    def attach(dicom: bytes) -> None:
        if isinstance(keeper, CentralKeeper):
            keeper.attach(dicom, server.archive.parse(dicom), "consultation")

    filing = Filing(engine, server.archive, clock, server.region, store=attach)
    post = Post(engine, clock, server.region.consultations, server.settings.secrets)
    loaded = False

    def fire() -> float:
        nonlocal loaded
        if not loaded:
            found.diagnoses.ensure()
            loaded = True
        return 0.0 if deadlines.step() else TIMERS_INTERVAL

    def bring() -> float:
        images.step()
        return IMAGES_INTERVAL

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
