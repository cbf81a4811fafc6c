"""Who may ask an archive over DICOM, and where each may have images sent: from the registry, by AE title and address.

Orthanc refuses an AE title that it does not know, and a known one from another address, before any of our hooks is
asked; what stands here is asked again at every request, and by it everybody is bound to their МО.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cami.access import Identity, Role
from cami.errors import Denied
from cami.region import Node, Organization, Place, Region, Service, Workstation


@dataclass(frozen=True, slots=True)
class Target:
    """Where images may be sent."""

    aet: str
    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """A device or workstation of one МО."""

    aet: str
    mo: str
    address: str
    """From which alone it may call."""
    may: frozenset[Service]
    targets: Mapping[str, Target]
    """By AE title."""
    text: str
    """In which character set it writes text that it does not declare, and reads such text."""

    @property
    def identity(self) -> Identity:
        """Return it as one who reads the studies of its МО: what the МО's radiologists see, it finds, and no more."""
        return Identity(f"device:{self.aet}", self.aet, Role.RADIOLOGIST, self.mo)


class Nodes:
    """The callers that one archive knows."""

    def __init__(self, region: Region, place: Place, mo: str = "") -> None:
        """Read the registry; `mo` is that of the proxy."""
        self._callers: dict[str, Caller] = {}
        for organization in region.organizations:
            if place == "proxy" and organization.code != mo:
                continue
            if place == "central" and organization.centre_dicom is None:
                continue
            for node in organization.nodes(place):
                self._callers[node.aet] = _caller(organization, node, place)

    def any_may(self, service: Service) -> bool:
        """Say whether anybody may use a service here."""
        return any(service in caller.may for caller in self._callers.values())

    def caller(self, aet: str, address: str, service: Service) -> Caller:
        """Return who calls, if it may use a service.

        Parameters
        ----------
        aet
            As it calls itself, letter by letter.
        address
            Where it comes from; empty where Orthanc does not tell (before 1.12.10): then Orthanc's own check counts.

        Raises
        ------
        cami.errors.Denied
            There is no such node, it does not come from its address, or it may not do this.
        """
        found = self._callers.get(aet.strip(" \0"))
        if found is None:
            raise Denied("unknown-caller")
        if address and address != found.address:
            raise Denied("other-address")
        if service not in found.may:
            raise Denied("not-allowed")
        return found


def _caller(organization: Organization, node: Node, place: Place) -> Caller:
    source = organization.centre_dicom.source if organization.centre_dicom and place == "central" else node.address
    listening = {
        other.aet: Target(other.aet, other.address, other.port, _tls(other))
        for other in organization.nodes(place)
        if other.port is not None
    }
    targets = {aet: listening[aet] for aet in node.destinations() if aet in listening}
    text = node.character_set.override or node.character_set.default
    return Caller(node.aet, organization.code, source, node.may(), targets, text)


def _tls(node: Node) -> bool:
    return isinstance(node, Workstation) and node.tls
