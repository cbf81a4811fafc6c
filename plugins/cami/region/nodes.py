"""What speaks DICOM in an МО: its devices and workstations, and its way to the centre if it has one.

Each has an AE title of its own and an address from which alone it may use it. What it may do is written, and what is
not written it may not.
"""

import ipaddress
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cami.region.terms import Address, AeTitle, CharacterSet, LongString, Modality, TcpPort, Title

Service = Literal["store", "echo", "find", "move", "commitment", "worklist"]
"""A DIMSE service that a node may use as its caller: C-STORE, C-ECHO, C-FIND and C-MOVE of Query/Retrieve, N-ACTION of
storage commitment, C-FIND of the modality worklist."""
Place = Literal["proxy", "central"]


class Entry(BaseModel):
    """Anything in the registry: frozen, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceCoercion(Entry):
    """Where a device is an exception to `Coercion`; what is left out is as at the proxy."""

    character_set: bool | None = None
    institution: bool | None = None
    issuer_of_patient_id: bool | None = None


class CharacterSets(Entry):
    """In which character sets a device writes text (DICOM PS3.3 C.12.1.1.2)."""

    default: CharacterSet = "ISO_IR 192"
    """What text is in when the object declares nothing."""
    override: CharacterSet | None = None
    """What text is really in, whatever the object declares; empty: the declaration is right."""


class Node(Entry):
    """An application entity of an МО that calls the МО's proxy, or the centre."""

    aet: AeTitle
    name: Title
    room: Annotated[str, Field(max_length=64)] = ""
    department: LongString | Literal[""] = ""
    """Where it stands, as Institutional Department Name (0008,1040); empty: not known."""
    address: Address
    """From where it calls; Orthanc refuses the AE title from any other address."""
    port: TcpPort | None = None
    """Where it listens, if it does."""
    character_set: CharacterSets = CharacterSets()
    services: tuple[Service, ...] | None = None
    """What it may do; empty: what such a node usually does (`may`)."""
    targets: tuple[AeTitle, ...] | None = None
    """Where it may have images sent by C-MOVE: AE titles of the same МО that listen; empty: to itself."""

    def may(self) -> frozenset[Service]:
        """Return the services that it may use."""
        return frozenset(self._usual() if self.services is None else self.services)

    def destinations(self) -> frozenset[str]:
        """Return the AE titles that it may name as the destination of a C-MOVE."""
        if self.targets is not None:
            return frozenset(self.targets)
        return frozenset({self.aet}) if self.port is not None else frozenset()

    def _usual(self) -> Iterable[Service]:
        return ()

    @model_validator(mode="after")
    def _has_where_to_listen(self) -> Self:
        services = self.services or ()
        if "commitment" in services and self.port is None:
            raise ValueError("commitment needs a port: the answer goes there")
        if "move" in services and not self.destinations():
            raise ValueError("move needs somewhere to send to: write the port where it listens, or targets")
        return self


class Device(Node):
    """An imaging device."""

    modality: Modality
    coercion: DeviceCoercion = DeviceCoercion()
    transliterate: bool = False
    """Whether it gets its worklist in Latin letters, because its console shows no Cyrillic."""

    def _usual(self) -> Iterable[Service]:
        yield from ("store", "echo", "worklist")
        if self.port is not None:
            yield "commitment"


class Workstation(Node):
    """Where images are looked at: a diagnostic workstation, a viewer, an archive of the department (F-24)."""

    archive: Place = "proxy"
    """Which archive it asks: the proxy of its МО, or the centre, through `CentreAccess`."""
    tls: bool = False
    """Whether it takes images over TLS; at the centre only, with the certificates of ``secrets/dicom``."""

    def _usual(self) -> Iterable[Service]:
        yield from ("echo", "find")
        if self.destinations():
            yield "move"


def _loopback(value: str) -> str:
    address = ipaddress.ip_address(value)
    if not isinstance(address, ipaddress.IPv4Address) or not address.is_loopback or value == "127.0.0.1":
        raise ValueError(f'"{value}" is no loopback address of its own: write 127.0.0.2 to 127.255.255.254')
    return value


class CentreAccess(Entry):
    """How an МО speaks DICOM to the centre: over TLS, which ends in a terminator of its own (`cami.dicom_tls`).

    Orthanc never binds a certificate to an AE title. So whoever shows a certificate of this МО comes to the centre from
    `source`, and the МО's nodes are known there by this address.
    """

    source: Annotated[Address, AfterValidator(_loopback)]
    """The loopback address from which the terminator calls Orthanc; each МО has its own."""
    port: TcpPort
    """Where the terminator listens for this МО."""
