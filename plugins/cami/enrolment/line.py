"""The line as an installation uses it before any server runs: the same keys, certificates and calls."""

from cami.clock import Clock
from cami.delivery import CentralLink, Pace, TokenIssuer
from cami.delivery.transport import Certificates, Transport
from cami.settings import Settings


def link_certificates(settings: Settings) -> Certificates:
    """Return by what the two ends of a proxy's line know each other; who has joined shows what it was given."""
    if settings.joined.exists():
        return Certificates(settings.central_ca, settings.joined, settings.joined)
    return Certificates(settings.central_ca, settings.client_certificate, settings.secrets / "client.key")


def open_line(settings: Settings, clock: Clock) -> CentralLink:
    """Return the line of a proxy, to use it once."""
    tokens = TokenIssuer(settings.mo, settings.link_key, clock)
    return CentralLink(settings.central_url, tokens, Transport(Pace(), certificates=link_certificates(settings)))
