"""The watch over the proxies at the centre, and a proxy's own word."""

from datetime import datetime
from typing import TYPE_CHECKING

from cami import __version__
from cami.edge.background import Worker
from cami.enrolment import LinkFile
from cami.fleet import ECHO_INTERVAL, Devices, Fleet, Herald, Pulse, heartbeat_endpoint, of_fleet
from cami.portal import fleet_wording
from cami.portal.entry import Entry
from cami.portal.fleet_page import FleetPage
from cami.portal.pages import Pages

if TYPE_CHECKING:
    from cami.edge.central_server import CentralServer
    from cami.edge.proxy_server import ProxyServer
    from cami.edge.server import Services
    from cami.watch.figures import Source

#: Seconds between two looks at all proxies, and for alarms that were not told yet.
JUDGE_INTERVAL, TELL_INTERVAL = 30.0, 60.0


class Watching:
    """What the centre knows of its proxies."""

    def __init__(self, server: "CentralServer") -> None:
        region = server.region
        self._server = server
        self.fleet = Fleet(
            server.engine,
            server.clock,
            [organization.code for organization in region.with_proxy],
            __version__,
            Herald.channels(region),
        )
        self._herald = Herald(server.engine, server.clock, region, server.settings.secrets, _words)

    def figures(self) -> "Source":
        """Return what a monitoring system is told."""
        return of_fleet(self.fleet, self._server.clock)

    def services(self) -> "Services":
        """Hear the proxies, judge, tell, and show."""
        server = self._server

        def judge() -> float:
            self.fleet.judge()
            return JUDGE_INTERVAL

        def tell() -> float:
            return 0.0 if self._herald.step() else TELL_INTERVAL

        teller = Worker("alarms", tell)
        self.fleet.on_alarm = teller.wake
        pages = Pages(server.settings, server.region)
        page = FleetPage(pages, server.region, self.fleet, server.enrolling.desk, server.clock)
        endpoints = [
            heartbeat_endpoint(server.tokens, self.fleet, server.clock),
            *page.endpoints(Entry(pages, server.authenticator, server.settings.role)),
        ]
        return endpoints, [Worker("fleet", judge), teller]


def telling_the_centre(server: "ProxyServer") -> list[Worker]:
    """Return what tells the centre how this proxy is, and calls its devices."""
    organization = server.region.organization(server.settings.mo)
    devices = Devices(server.engine, organization.devices, server.own_proxy().aet)
    file = LinkFile(server.settings.link)

    def certificate_until() -> datetime | None:  # read again: it is renewed
        certified = file.certified()
        return None if certified is None else certified.until

    pulse = Pulse(
        server.link,
        server.transfer,
        devices,
        clock=server.clock,
        version=__version__,
        certificate_until=certificate_until,
    )

    def call() -> float:
        devices.call()
        return ECHO_INTERVAL

    return [Worker("devices", call), Worker("pulse", pulse.step)]


def _words(code: str, detail: str) -> str:
    return fleet_wording.reason(str, code, detail)
