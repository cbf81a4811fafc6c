"""Who sends: a system of the registry, its facility, and how its numbers are called."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from cami.hl7v2.charsets import DEFAULT, codec_of
from cami.hl7v2.message import Message, Segment
from cami.hl7v2.problems import reject
from cami.mis import terms
from cami.orders import ENP, SNILS
from cami.region import Hl7, Organization, Region, System

#: Assigning authorities that everybody calls so.
_AUTHORITIES = {"SNILS": SNILS, "СНИЛС": SNILS, "PFR": SNILS, "ENP": ENP, "ЕНП": ENP, "OMS": ENP, "FFOMS": ENP}
#: Types of numbers (table 0203) that say whose they are, where the authority does not.
_TYPES = {"SS": SNILS, "NI": SNILS, "SNILS": SNILS, "HC": ENP, "ENP": ENP}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection comes from."""

    address: str
    certificate: str = ""
    """SHA-256 of the certificate that was shown and checked; empty: none."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A system as it sends a message."""

    system: System
    mo: Organization | None
    """The МО that the facility stands for; None: the whole МИС."""

    @property
    def codec(self) -> str:
        """Return what its messages are in that do not say it."""
        return codec_of(self.system.character_set) or "utf-8"


class Peers:
    """The systems of the registry."""

    def __init__(self, region: Region) -> None:
        self.rules: Hl7 = region.hl7
        self._region = region
        self._by_oid = {each.oid: each for each in region.organizations}

    def system(self, name: str) -> System | None:
        """Return the system of a name."""
        return next((each for each in self.rules.systems if each.name == name), None)

    def may_connect(self, origin: Origin) -> bool:
        """Say whether anybody of the registry may call from there."""
        return any(_is_from(each, origin) for each in self.rules.systems)

    def codec(self, origin: Origin) -> str:
        """Return what messages from there are in that do not say it."""
        found = {each.character_set for each in self.rules.systems if _is_from(each, origin)}
        return codec_of(found.pop() if len(found) == 1 else DEFAULT) or "utf-8"

    def sender(self, message: Message, origin: Origin) -> Peer:
        """Return who sends a message.

        Raises
        ------
        Refused
            Nobody of the registry, or not from there.
        """
        header = message.header
        for system in self.rules.systems:
            if header.text(3) != system.application or not _is_from(system, origin):
                continue
            for facility in system.facilities:
                mo = self._region.organization(facility.mo) if facility.mo else None
                oid = header.text(4, 2)
                if header.text(4) == facility.name and (not oid or mo is None or oid == mo.oid):
                    return Peer(system, mo)
        raise reject("CAMI-0072")

    def organization(self, name: str) -> Organization | None:
        """Return the МО of an ОИД or a code."""
        if name in self._by_oid:
            return self._by_oid[name]
        return next((each for each in self._region.organizations if each.code == name), None)

    def of_device(self, aet: str) -> Organization | None:
        """Return the МО of a device; AE titles are unique in a region."""
        for each in self._region.organizations:
            if any(device.aet == aet for device in each.devices):
                return each
        return None


def patient_system(system: System) -> str:
    """Return the URI of a system's numbers of patients."""
    return f"urn:oid:{system.oid}.10"


def order_system(system: System) -> str:
    """Return the URI of a system's numbers of orders."""
    return f"urn:oid:{system.oid}.59"


def numbers(system: System, segment: Segment, field: int) -> list[dict[str, str]]:
    """Return the numbers of a patient (CX) as Identifiers; those of nobody that we know are left out."""
    found = []
    for index in range(len(segment.repetitions(field))):
        value = segment.text(field, repetition=index)
        authority = segment.text(field, 4, 1, repetition=index)
        oid = segment.text(field, 4, 2, repetition=index)
        known = _system_of(system, authority, oid, segment.text(field, 5, repetition=index))
        if value and known:
            found.append({"system": known, "value": value})
    return found


def _system_of(system: System, authority: str, oid: str, kind: str) -> str:
    if oid:
        return f"urn:oid:{oid}"
    if authority in system.authorities:
        return f"urn:oid:{system.authorities[authority]}"
    if authority.upper() in _AUTHORITIES:
        return _AUTHORITIES[authority.upper()]
    if kind in _TYPES:
        return _TYPES[kind]
    if authority == system.application or (not authority and kind in ("", "PI", "MR", "PT")):
        return patient_system(system)
    return ""


def placer(system: System, segment: Segment, field: int) -> tuple[str, str]:
    """Return system and value of the number that a system gave an order (EI)."""
    oid = segment.text(field, 3) if segment.text(field, 4) == "ISO" else ""
    return (f"urn:oid:{oid}" if oid else order_system(system)), segment.text(field)


def is_snils(segment: Segment, field: int) -> bool:
    """Say whether the number of a person (XCN) is a СНИЛС."""
    marks: Iterable[str] = (segment.text(field, 9), segment.text(field, 13))
    return any(_AUTHORITIES.get(each.upper()) == SNILS or each == "SS" for each in marks)


def _is_from(system: System, origin: Origin) -> bool:
    if system.certificates and origin.certificate not in system.certificates:
        return False
    if not system.addresses:
        return bool(origin.certificate)
    address = ipaddress.ip_address(origin.address)
    return any(address in ipaddress.ip_network(each) for each in system.addresses)


#: Names of the directories of procedures in OBR-4.3, and where they are in НСИ.
PROCEDURES = {
    "NMU": terms.SERVICE,
    "99NMU": terms.SERVICE,
    terms.SERVICE.removeprefix("urn:oid:"): terms.SERVICE,
    "FSIDI": terms.STUDY_KIND,
    "99FSIDI": terms.STUDY_KIND,
    terms.STUDY_KIND.removeprefix("urn:oid:"): terms.STUDY_KIND,
}
