"""Directories (I12): the МО and devices of the region, which ЦАМИ keeps, beside what the МИС has sent of staff and МО.

A МИС that fills in an order asks here which МО makes images, and with which devices: what it reads stands in the
registry, and is what an order is checked against.
"""

from collections.abc import Iterator, Mapping

from cami.mis import fhir, terms
from cami.mis.fhir import Json
from cami.region import Organization, Region

_OURS = "1"


class Directories:
    """Organizations and Devices of one region."""

    def __init__(self, region: Region) -> None:
        self._known: dict[str, dict[str, Json]] = {"Organization": {}, "Device": {}}
        for each in region.organizations:
            resource = _organization(each)
            self._known["Organization"][resource["id"]] = resource
            for device in _devices(each):
                self._known["Device"][device["id"]] = device

    def read(self, type_: str, id_: str) -> Json | None:
        """Return one of ours."""
        return self._known.get(type_, {}).get(id_)

    def search(self, type_: str, given: Mapping[str, str]) -> list[Json]:
        """Return those that have an identifier, or all."""
        system, _, value = given.get("identifier", "").rpartition("|")
        return [each for each in self._known.get(type_, {}).values() if not value or _has(each, system, value)]


def _organization(organization: Organization) -> Json:
    return {
        "resourceType": "Organization",
        "id": f"mo-{organization.code}",
        "meta": {"versionId": _OURS},
        "identifier": [{"system": terms.ORGANIZATION, "value": organization.oid}],
        "active": True,
        "name": organization.full_name,
        "alias": [organization.short_name],
    }


def _devices(organization: Organization) -> Iterator[Json]:
    for device in organization.devices:
        yield {
            "resourceType": "Device",
            "id": f"aet-{organization.code}-{device.aet.replace('_', '-')}",
            "meta": {"versionId": _OURS},
            "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"{terms.AET_PREFIX}{device.aet}"}],
            "status": "active",
            "type": {"coding": [{"system": terms.DCM, "code": device.modality}]},
            "owner": fhir.organization(organization.oid),
        }


def _has(resource: Json, system: str, value: str) -> bool:
    return any(value == number and system in ("", known) for known, number, _ in fhir.identifiers(resource))
