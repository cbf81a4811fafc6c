"""The face to the МИС at the centre, and its threads."""

from typing import TYPE_CHECKING

from cami.edge.background import Worker
from cami.edge.mis_consultations import MisConsultations
from cami.edge.mis_reports import ConsultationReports
from cami.hl7v2 import Hl7Service, Posting
from cami.mis import Hooks, MisService, warm_up
from cami.portal.entry import Entry
from cami.portal.hl7_page import Hl7Page
from cami.portal.launch_page import LaunchPage
from cami.portal.mis_page import MisPage
from cami.portal.pages import Pages
from cami.web import Endpoint

if TYPE_CHECKING:
    from cami.edge.central_server import CentralServer

#: Seconds between two looks for what is to be forgotten.
TIDY_INTERVAL = 3600.0
#: Seconds between looks for events when nothing wakes the thread: another replica may have written one.
LOOK_INTERVAL = 1.0
#: Seconds between looks for studies that have become whole; also what several images at once are gathered for.
WATCH_INTERVAL = 5.0


def open_mis(server: "CentralServer", desk: MisConsultations) -> tuple[MisService, Hl7Service]:
    """Return the services of the centre: the face to the МИС, and its form in HL7 v2."""
    posting = Posting(Hooks())
    service = MisService(
        engine=server.engine,
        clock=server.clock,
        region=server.region,
        events=server.events,
        trail=server.audit,
        check=server.accounts.check,
        base=server.settings.central_url,
        patients=server.patients,
        orders=server.orders,
        grants=server.grants,
        reports=ConsultationReports(server.engine),
        desk=desk,
        keys=server.settings.keys,
        post=posting.post,
    )
    server.authenticator.guests = service.guests.identify
    server.people.sessions.on_close = service.guests.close
    hl7 = Hl7Service(
        engine=server.engine,
        clock=server.clock,
        region=server.region,
        mis=service,
        orders=server.orders,
        patients=server.patients,
        events=server.events,
        base=server.settings.central_url,
        secrets=server.settings.secrets / "hl7",
    )
    posting.sender = hl7.sender
    return service, hl7


def hl7_services(server: "CentralServer", service: Hl7Service) -> tuple[list[Endpoint], list[Worker]]:
    """Return the page and the workers of HL7 v2; the listener is there if the registry says so."""
    service.subscribe()
    pages = Pages(server.settings, server.region)
    page = Hl7Page(pages, service, server.region)
    endpoints = page.endpoints(Entry(pages, server.authenticator, server.settings.role))

    def tidy() -> float:
        service.kept.tidy()
        return TIDY_INTERVAL

    workers = [Worker("hl7-tidy", tidy, on_stop=service.sender.close)]
    if service.listener is not None:
        workers.append(Worker("hl7", service.listener.step, on_stop=service.listener.stop))
    return endpoints, workers


def mis_services(server: "CentralServer", service: MisService) -> tuple[list[Endpoint], list[Worker]]:
    """Return the endpoints and workers of the service."""

    def tidy() -> float:
        warm_up()  # half a second of imports that no request should pay
        service.answers.tidy()
        service.messages.tidy()
        server.events.tidy()
        return TIDY_INTERVAL

    def tell() -> float:
        return 0.0 if service.announcer.step() else LOOK_INTERVAL

    def send() -> float:
        return 0.0 if service.sender.step() else LOOK_INTERVAL

    def care() -> float:
        return 0.0 if service.care.step() else LOOK_INTERVAL

    def watch() -> float:
        service.watch.step()
        return WATCH_INTERVAL

    teller, sender = Worker("mis-tell", tell), Worker("mis-send", send)
    carer = Worker("mis-care", care)
    server.events.listen(teller.wake)
    server.events.listen(carer.wake)
    workers = [Worker("mis-tidy", tidy), teller, sender, carer, Worker("mis-watch", watch)]
    settings = server.settings
    pages = Pages(settings, server.region)
    launch = LaunchPage(
        pages, server.authenticator, server.visibility, service.launches, cookie_secure=settings.cookie_secure
    )
    exchange = MisPage(pages, service).endpoints(Entry(pages, server.authenticator, settings.role))
    return [*service.endpoints(), *launch.endpoints(), *exchange], workers
