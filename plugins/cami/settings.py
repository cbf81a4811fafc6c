"""Typed settings of one server: the ``Cami`` section of its Orthanc configuration.

A value that starts with ``CAMI_`` in the environment wins over the file (``CAMI_DATABASE`` over ``Database``), so that
secrets in database addresses need not stand in a file.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from cami.errors import Misconfigured

Role = Literal["central", "proxy"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server knows of itself."""

    role: Role
    mo: str
    """Code of the МО whose proxy this is; empty at the centre."""
    region: Path
    database: str
    """SQLAlchemy URL."""
    quarantine: Path
    secrets: Path
    keys: Path
    ohif: Path
    central_url: str
    """Under which address others know the centre, without a trailing slash: where a proxy sends to, and what links in
    messages to the МИС begin with. At the centre it may be empty: then there are no such links."""
    cookie_secure: bool
    """Whether the session cookie is for HTTPS only: true behind a TLS proxy."""
    uploads: Path = Path("/var/lib/cami/uploads")
    """Where the centre keeps large objects until they are whole."""
    downloads: Path = Path("/var/lib/cami/downloads")
    """Where a proxy keeps large objects that come back from the centre until they are whole."""
    audit: Path = Path("/var/lib/cami/audit")
    """Where old parts of the journal lie."""
    link: Path = Path("/var/lib/cami/link")
    """Where a proxy that has joined by a code keeps its key and certificate, and renews them."""
    http_threads: int = 50
    """How many requests Orthanc answers at the same time (``HttpThreadsCount``)."""
    requests_per_second: float = 500.0
    """How many requests one account may make in the long run (``RequestsPerSecond``); 0: no limit."""
    central_ca: Path | None = None
    """Whose certificates the centre may show (PEM); None: the authorities that browsers know."""
    client_certificate: Path | None = None
    """What a proxy shows to the centre's TLS (PEM); its key is ``client.key`` among the secrets."""

    @property
    def joined(self) -> Path:
        """The file with key and certificate of a proxy that has joined (`cami.enrolment.link_file`)."""
        return self.link / "link.pem"

    @property
    def link_key(self) -> Path:
        """The file with the key that this proxy signs with: its own, else the one that was put among the secrets."""
        return self.joined if self.joined.exists() else self.secrets / "link.key"


def read_settings(configuration: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings out of a whole Orthanc configuration.

    Raises
    ------
    cami.errors.Misconfigured
        The section is missing, or one of its values is missing or of the wrong kind.
    """
    section = configuration.get("Cami")
    if not isinstance(section, Mapping):
        raise Misconfigured('the Orthanc configuration has no "Cami" section: render it with scripts/cami')

    def text(name: str, *, required: bool = True) -> str:
        value = environ.get("CAMI_" + name.upper(), section.get(name, ""))
        if not isinstance(value, str):
            raise Misconfigured(f'"Cami.{name}" must be a text')
        if required and not value:
            raise Misconfigured(f'"Cami.{name}" is missing')
        return value

    def file(name: str) -> Path | None:
        value = text(name, required=False)
        return Path(value) if value else None

    role = text("Role")
    if role not in ("central", "proxy"):
        raise Misconfigured(f'"Cami.Role" must be "central" or "proxy", not "{role}"')
    proxy = role == "proxy"
    central_url = text("CentralUrl", required=proxy).rstrip("/")
    if proxy and (trouble := open_line(central_url, allowed=section.get("PlainHttp") is True)):
        raise Misconfigured(f'"Cami.CentralUrl": {trouble}')
    return Settings(
        role="proxy" if proxy else "central",
        mo=text("Mo", required=proxy),
        region=Path(text("Region")),
        database=text("Database"),
        quarantine=Path(text("Quarantine")),
        secrets=Path(text("Secrets")),
        keys=Path(text("Keys")),
        ohif=Path(text("Ohif", required=False)),
        central_url=central_url,
        cookie_secure=bool(section.get("CookieSecure", True)),
        uploads=Path(text("Uploads", required=False) or "/var/lib/cami/uploads"),
        downloads=Path(text("Downloads", required=False) or "/var/lib/cami/downloads"),
        audit=Path(text("Audit", required=False) or "/var/lib/cami/audit"),
        link=Path(text("Link", required=False) or "/var/lib/cami/link"),
        http_threads=int(configuration.get("HttpThreadsCount", 50)),
        requests_per_second=_rate(section.get("RequestsPerSecond", 500)),
        central_ca=file("CentralCa"),
        client_certificate=file("ClientCertificate"),
    )


def _rate(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise Misconfigured('"Cami.RequestsPerSecond" must be a number, 0 for no limit')
    return float(value)


def open_line(central_url: str, *, allowed: bool) -> str:
    """Say what is wrong with an address of the centre: without TLS, images and tokens cross the network in the open.

    Parameters
    ----------
    allowed
        Whether the registry allows it (``link.plain_http``).
    """
    try:
        parts = urlsplit(central_url)
        host = parts.hostname or ""
    except ValueError:
        return f"{central_url!r} is no address"
    if parts.scheme not in ("http", "https") or not host:
        return f"{central_url!r} is no address: write https:// and the name of the centre"
    if parts.scheme == "https" or allowed or _is_this_machine(host):
        return ""
    return (
        f"{central_url!r} has no TLS: write https://; where a tunnel encrypts the line, set link.plain_http: true "
        "for this МО in region.yaml"
    )


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
