"""What the registry says of HL7 v2 over MLLP: where the centre listens, whom it takes messages from, whom it sends to.

Whoever calls is known by what MSH-3 and MSH-4 say *and* by an address or a certificate of the registry: a header can be
written by anybody. Keys and certificates of authorities lie among the centre's secrets, in the folder ``hl7``:
``server.pem`` (what the centre shows, with its key) and ``clients.ca.pem`` (whose certificates it takes).
"""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from cami.region.nodes import Entry
from cami.region.terms import Address, Code, Host, Login, Oid, TcpPort, Title

#: Names of table 0211 that we write, and those that Russian systems have instead.
CharacterSet = Literal["UNICODE UTF-8", "8859/5", "CP1251", "CP866", "KOI8-R"]


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(f'"{value}" is no address: write 10.1.2.3, or a network as 10.1.2.0/24') from None
    return value


Network = Annotated[str, AfterValidator(_network)]
Name = Annotated[str, Field(pattern=r"[^\\|~^&\s]([^\\|~^&\r\n]{0,18}[^\\|~^&\s])?")]
"""A namespace of HD.1: 20 characters at most, none of HL7's separators."""
Fingerprint = Annotated[str, Field(pattern=r"[0-9a-f]{64}")]


class Facility(Entry):
    """A sending facility (MSH-4)."""

    name: Name
    mo: Code | Literal[""] = ""
    """Code of the МО that it stands for; empty: the whole МИС, which may send changes of patients, and orders that name
    the МО themselves."""


class Listen(Entry):
    """Where the centre takes messages."""

    address: Address = "127.0.0.1"
    port: TcpPort = 2575
    tls: bool = True
    """TLS with ``hl7/server.pem``; without it only on an address of this machine, or inside a tunnel (`tunnel`)."""
    client_certificates: bool = False
    """Whether who calls has to show a certificate of ``hl7/clients.ca.pem``."""
    tunnel: bool = False
    """Whether something else encrypts the line, so that no TLS is needed here."""
    longest_kib: Annotated[int, Field(ge=16, le=20_480)] = 1024
    """How long a message may be."""
    idle_seconds: Annotated[int, Field(ge=5, le=86_400)] = 600
    """How long a connection may be silent between two messages."""
    half_seconds: Annotated[int, Field(ge=1, le=600)] = 30
    """How long a message may take from its first byte to its last."""
    connections: Annotated[int, Field(ge=1, le=256)] = 32

    @model_validator(mode="after")
    def _is_not_in_the_clear(self) -> Self:
        if not self.tls and not self.tunnel and not ipaddress.ip_address(self.address).is_loopback:
            raise ValueError("write tls: true, or tunnel: true if a tunnel encrypts the line: patients are named")
        if self.client_certificates and not self.tls:
            raise ValueError("client_certificates need tls: true")
        return self


class Send(Entry):
    """Where a system takes messages from us."""

    host: Host
    port: TcpPort = 2575
    tls: bool = True
    """TLS; its certificate is checked by ``hl7/NAME.ca.pem`` if there is one, else by the authorities of browsers. If
    it asks for a certificate it is shown ``hl7/client.pem``."""
    tunnel: bool = False
    acknowledgement: Literal["original", "accept"] = "original"
    """``accept``: MSH-15 AL and MSH-16 NE, so that it answers CA once it has the message."""

    @model_validator(mode="after")
    def _is_not_in_the_clear(self) -> Self:
        if not self.tls and not self.tunnel and self.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("write tls: true, or tunnel: true if a tunnel encrypts the line: patients are named")
        return self


class System(Entry):
    """A МИС that speaks HL7 v2."""

    name: Login
    """How orders, journal and pages name it; the same as its client of the FHIR face, if it has one."""
    title: Title
    application: Name
    """MSH-3."""
    facilities: Annotated[tuple[Facility, ...], Field(min_length=1)]
    oid: Oid
    """Of this instance of the МИС, ``<ОИД МО>.100.<№ МИС>.<№ экземпляра>``: patients' numbers are of its ``.10``, those
    of orders of its ``.59``."""
    authorities: dict[Name, Oid] = Field(default_factory=dict)
    """Other assigning authorities of its patients' numbers (PID-3.4), by name."""
    addresses: tuple[Network, ...] = ()
    """From where it may call."""
    certificates: tuple[Fingerprint, ...] = ()
    """SHA-256 of the certificates that it may show; empty: any of the authority, if certificates are asked for."""
    character_set: CharacterSet = "UNICODE UTF-8"
    """What its messages are in that do not say it, and what we write."""
    version: Literal["2.3.1", "2.5.1"] = "2.5.1"
    """Of what we send: 2.5.1 tells of orders by OMI^O23, 2.3.1 by ORM^O01 with ZDS."""
    acknowledgement: Literal["as-asked", "original"] = "as-asked"
    """``original``: one answer to each message whatever MSH-15 and MSH-16 say, for systems that fill them and expect
    one."""
    processing: Literal["P", "T", "D"] = "P"
    """MSH-11 that it has to send."""
    send: Send | None = None
    """Where it is told what became of orders; empty: it is told nothing."""

    @model_validator(mode="after")
    def _is_known_by_more_than_its_name(self) -> Self:
        if not self.addresses and not self.certificates:
            raise ValueError("write addresses or certificates: a name in a header is no proof")
        return self


class Hl7(Entry):
    """HL7 v2 over MLLP, at the centre."""

    listen: Listen | None = None
    """Empty: the centre takes no messages."""
    systems: tuple[System, ...] = ()
