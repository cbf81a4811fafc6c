"""Letting proxies join at the centre, and a proxy's own care for its certificate."""

from typing import TYPE_CHECKING

from cami.delivery.tokens import Keys, TokenVerifier, read_certificates
from cami.edge.background import Worker
from cami.enrolment import (
    Authority,
    Desk,
    KeyRing,
    LinkFile,
    Membership,
    Renewal,
    Trials,
    join_endpoint,
    line_endpoints,
)
from cami.enrolment.trials import tidying

if TYPE_CHECKING:
    from cami.delivery import CentralLink
    from cami.edge.central_server import CentralServer
    from cami.edge.proxy_server import ProxyServer
    from cami.edge.server import Server, Services

#: Seconds between two looks for test images that were left behind.
TIDY_INTERVAL = 900.0


class Enrolling:
    """What the centre knows of the proxies' keys."""

    def __init__(self, server: "Server") -> None:
        settings = server.settings
        self.files = Keys(settings.keys)
        self.keys = KeyRing(self.files, server.engine, server.clock)
        self.tokens = TokenVerifier(
            self.keys, server.clock, read_certificates(settings.keys), self.keys.certificates_of
        )
        self.members = Membership(
            server.engine,
            server.clock,
            server.audit,
            lambda: Authority.read(settings.secrets),
            organizations=lambda: [organization.code for organization in server.region.with_proxy],
            forget=self.keys.forget,
        )
        self.desk = Desk(
            self.members,
            settings.secrets,
            server.authenticator,
            self.files.of,
            lambda: {organization.code: organization.short_name for organization in server.region.with_proxy},
        )

    def services(self, server: "CentralServer") -> "Services":
        """Let proxies join, and those that have joined look after themselves."""
        trials = Trials(server.engine, server.archive, server.clock, server.audit)
        endpoints = [
            join_endpoint(self.members, server.clock),
            *line_endpoints(self.tokens, self.members, trials, server.clock),
            *self.desk.endpoints(),
        ]
        return endpoints, [Worker("trials", tidying(trials, TIDY_INTERVAL))]


def renewing(server: "ProxyServer", link: "CentralLink") -> Worker:
    """Return what renews the certificate of a proxy in time."""
    renewal = Renewal(server.settings.mo, LinkFile(server.settings.link), link, server.clock)
    return Worker("certificate", renewal.step)
