"""The way into the portal: who is sent to sign in, what language is spoken, which page answers."""

from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cami.audit import AuditTrail
from cami.audit.search import JournalReader
from cami.clock import SystemClock
from cami.delivery import Controls
from cami.matching import MatchingDesk, OrderedStudies
from cami.people import PeopleServices
from cami.people.names import AccountNames
from cami.portal import local_path, static_files
from cami.portal.account_page import AccountPage
from cami.portal.archive_page import ArchivePage
from cami.portal.attention import attention_to
from cami.portal.bringing import Bringing
from cami.portal.central_routing_page import CentralRoutingPage
from cami.portal.completeness_page import CompletenessPage
from cami.portal.completeness_report import report_of
from cami.portal.consultation_page import ConsultationPage
from cami.portal.consultation_ports import Consulting
from cami.portal.consultation_rows import Rows
from cami.portal.consultation_statistics_page import ConsultationStatisticsPage
from cami.portal.consultations_page import ConsultationsPage
from cami.portal.delivery_page import DeliveryPage
from cami.portal.emergency_page import EmergencyPage
from cami.portal.entry import Entry
from cami.portal.grants_page import GrantsPage
from cami.portal.journal_page import JournalPage
from cami.portal.matching_page import MatchingPage
from cami.portal.nodes_page import NodesPage, StrangerList
from cami.portal.pages import Pages, Reader
from cami.portal.people_page import PeoplePage
from cami.portal.ports import Identifier, StudyFinder
from cami.portal.provider_pages import ProviderPages
from cami.portal.provider_signing import ProviderSigning
from cami.portal.quarantine_page import QuarantinePage
from cami.portal.removals_page import RemovalsPage
from cami.portal.routing_page import RoutingPage
from cami.portal.session_cookie import SessionCookie
from cami.portal.sign_in import SignInPages
from cami.portal.sign_in_steps import SignInSteps
from cami.portal.study_progress import RecordedProgress
from cami.portal.texts import language_cookie, language_of
from cami.portal.viewer import Viewer
from cami.portal.worklist_page import WorklistPage
from cami.quarantine import QuarantineDesk
from cami.region import Region
from cami.removal import Removals
from cami.routing import CentralRules, RoutingService
from cami.settings import Settings
from cami.sharing import EmergencyDesk, SharingDesk
from cami.watch import Transfer
from cami.web import Endpoint, Request, Response, redirect
from cami.worklist import WorklistDesk


def portal_endpoints(
    *,
    settings: Settings,
    region: Region,
    engine: Engine,
    authenticator: Identifier,
    people: PeopleServices,
    visibility: StudyFinder,
    bringing: Bringing,
    quarantine: QuarantineDesk | None = None,
    transfer: Transfer | None = None,
    controls: Controls | None = None,
    routing: RoutingService | None = None,
    central_rules: CentralRules | None = None,
    audit: AuditTrail | None = None,
    consulting: Consulting | None = None,
    sharing: SharingDesk | None = None,
    emergency: EmergencyDesk | None = None,
    strangers: StrangerList | None = None,
    worklist: WorklistDesk | None = None,
    matching: MatchingDesk | None = None,
    ordered: OrderedStudies | None = None,
    removals: Removals | None = None,
) -> list[Endpoint]:
    """Return all endpoints of the portal; the last one answers what is left under ``/cami/``.

    Pages about sending need `transfer`, `controls` and `routing`, which proxies have, as they have a `worklist`;
    `matching`, `central_rules` and `removals` are the centre's; that of the journal needs `audit`, and is the centre's,
    which has all journals. The last endpoint takes no path of the interfaces for machines (``/cami/api``,
    ``/cami/wire``, ``/cami/health``, ``/cami/metrics``).
    """
    pages = Pages(settings, region)
    pages.attention = attention_to(sharing, removals)
    archive = ArchivePage(
        pages, visibility, RecordedProgress(engine, settings), bringing, settings.role, sharing=sharing, orders=ordered
    )
    desk = Desk(pages, authenticator, archive)
    entry = Entry(pages, authenticator, settings.role)
    zone = ZoneInfo(region.time_zone)
    reports = CompletenessPage(pages, report_of(settings, engine, region), zone).endpoints(entry)
    if quarantine is not None:
        reports += QuarantinePage(pages, quarantine, devices=_devices(region)).endpoints(entry)
    if transfer is not None and controls is not None:
        reports += DeliveryPage(
            pages, engine=engine, transfer=transfer, controls=controls, studies=visibility, zone=zone
        ).endpoints(entry)
    if strangers is not None:
        reports += NodesPage(pages, region, settings, strangers).endpoints(entry)
    if routing is not None:
        reports += RoutingPage(pages, routing, settings.mo).endpoints(entry)
    if central_rules is not None:
        reports += CentralRoutingPage(pages, central_rules, region).endpoints(entry)
    signing = None if consulting is None else ProviderSigning(consulting, authenticator)
    reports += _about_people(pages, people, region, entry, settings, signing=signing)
    cookie = SessionCookie(secure=settings.cookie_secure)
    if audit is not None and settings.role == "central":
        reports += _journal(pages, engine, audit, region, entry)
    reports += _consultations(pages, consulting, entry)
    reports += _about_grants(pages, entry, sharing=sharing, emergency=emergency, visibility=visibility, region=region)
    if removals is not None:
        reports += RemovalsPage(pages, removals, visibility).endpoints(entry)
    reports += _about_orders(pages, entry, worklist=worklist, matching=matching, region=region, mo=settings.mo)
    return [
        *SignInPages(pages, authenticator, people.sign_in, cookie=cookie, provider=_provider(people)).endpoints(),
        *SignInSteps(pages, people, region.people, cookie=cookie).endpoints(),
        static_files.ENDPOINT,
        *Viewer(settings.ohif, authenticator, pages, bringing).endpoints(),
        *reports,
        Endpoint(r"/", desk.root),
        Endpoint(r"/cami", desk.archive),
        Endpoint(r"/cami/bring", desk.bring),
        Endpoint(r"/cami/(?!api/|wire/|health$|metrics$|static/).*", desk.unknown),
    ]


def _journal(pages: Pages, engine: Engine, audit: AuditTrail, region: Region, entry: Entry) -> list[Endpoint]:
    return JournalPage(
        pages,
        reader=JournalReader(engine),
        trail=audit,
        names=AccountNames(engine),
        zone=ZoneInfo(region.time_zone),
        codes=[organization.code for organization in region.organizations],
    ).endpoints(entry)


def _about_grants(
    pages: Pages,
    entry: Entry,
    *,
    sharing: SharingDesk | None,
    emergency: EmergencyDesk | None,
    visibility: StudyFinder,
    region: Region,
) -> list[Endpoint]:
    found: list[Endpoint] = []
    if sharing is not None:
        found += GrantsPage(pages, sharing, visibility, region).endpoints(entry)
    if emergency is not None:
        found += EmergencyPage(pages, emergency, visibility).endpoints(entry)
    return found


def _about_orders(
    pages: Pages,
    entry: Entry,
    *,
    worklist: WorklistDesk | None,
    matching: MatchingDesk | None,
    region: Region,
    mo: str,
) -> list[Endpoint]:
    found: list[Endpoint] = []
    if worklist is not None:
        found += WorklistPage(pages, worklist, mo).endpoints(entry)
    if matching is not None:
        found += MatchingPage(pages, matching, _devices(region)).endpoints(entry)
    return found


def _provider(people: PeopleServices) -> str:
    return "" if people.openid is None else people.openid.title


def _about_people(
    pages: Pages,
    people: PeopleServices,
    region: Region,
    entry: Entry,
    settings: Settings,
    *,
    signing: ProviderSigning | None,
) -> list[Endpoint]:
    """Return the pages of the own account, and at the centre those of others' accounts."""
    central = settings.role == "central"
    cookie = SessionCookie(secure=settings.cookie_secure)
    found: list[Endpoint] = []
    if people.openid is not None:
        found += ProviderPages(people.openid, cookie=cookie, secure=settings.cookie_secure, signing=signing).endpoints()
    found += AccountPage(pages, people, region.people, cookie=cookie, central=central).endpoints(entry)
    if central:
        found += PeoplePage(pages, people.administration, region).endpoints(entry)
    return found


def _consultations(pages: Pages, consulting: Consulting | None, entry: Entry) -> list[Endpoint]:
    if consulting is None:
        return []
    rows, clock = Rows(pages, consulting.consultations.routes), SystemClock()
    return [
        *ConsultationsPage(pages, consulting, rows, clock).endpoints(entry),
        *ConsultationStatisticsPage(pages, consulting, clock).endpoints(entry),
        *ConsultationPage(pages, consulting, rows, clock).endpoints(entry),
    ]


def _devices(region: Region) -> dict[str, str]:
    """Return what people call the devices, by AE title."""
    return {
        device.aet: ", ".join(filter(None, [device.name, device.room and f"каб. {device.room}"]))
        for organization in region.organizations
        for device in organization.devices
    }


class Desk:
    """Receives everybody who comes to ``/cami/``."""

    def __init__(self, pages: Pages, who: Identifier, archive: ArchivePage) -> None:
        self._pages = pages
        self._who = who
        self._archive = archive

    def root(self, _request: Request) -> Response:
        """Lead from the bare host to the portal."""
        return redirect(local_path.HOME)

    def archive(self, request: Request) -> Response:
        """Answer ``/cami/``."""
        identity = self._who.identify(request.headers)
        if identity is None:
            return redirect(local_path.LOGIN)
        language = request.query.get("language")
        if language in ("ru", "en"):
            answer = redirect(local_path.HOME)
            answer.headers.append(("Set-Cookie", language_cookie("en" if language == "en" else "ru")))
            return answer
        return self._archive.answer(request, Reader(language_of(request), identity), identity)

    def bring(self, request: Request) -> Response:
        """Answer ``/cami/bring``: have a study brought to where it is not."""
        identity = self._who.identify(request.headers)
        if identity is None:
            return redirect(local_path.LOGIN)
        return self._archive.bring(request, Reader(language_of(request), identity), identity)

    def unknown(self, request: Request) -> Response:
        """Answer an address that is no page: in words to whoever is signed in, by the sign-in page to strangers."""
        identity = self._who.identify(request.headers)
        if identity is None:
            return redirect(local_path.LOGIN)
        return self._pages.page("not_found.html", Reader(language_of(request), identity))
