"""Reading FHIR resources as the plain JSON that they are; all functions bear what is missing."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cami.mis import terms

Json = dict[str, Any]


def entries(value: Any) -> list[Any]:
    """Return a list as it is, anything else as an empty one."""
    return value if isinstance(value, list) else []


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    """Return a text without blanks around it, anything else as an empty one."""
    return value.strip() if isinstance(value, str) else ""


def codings(concept: Any) -> Iterator[tuple[str, str, str]]:
    """Yield system, code and display of a CodeableConcept."""
    for coding in entries(mapping(concept).get("coding")):
        each = mapping(coding)
        yield text(each.get("system")), text(each.get("code")), text(each.get("display"))


def code_of(concept: Any, system: str) -> tuple[str, str]:
    """Return code and display of a CodeableConcept in one system; empty if it has none."""
    return next(((code, display) for known, code, display in codings(concept) if known == system and code), ("", ""))


def identifiers(resource: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield system, value and type (HL7 v2 0203) of a resource's identifiers."""
    for identifier in entries(resource.get("identifier")):
        each = mapping(identifier)
        kind = next((code for _, code, _ in codings(each.get("type"))), "")
        if text(each.get("value")):
            yield text(each.get("system")), text(each.get("value")), kind


def identified(reference: Any) -> tuple[str, str]:
    """Return system and value of a Reference by identifier."""
    identifier = mapping(mapping(reference).get("identifier"))
    return text(identifier.get("system")), text(identifier.get("value"))


def referred(reference: Any) -> str:
    """Return what a Reference refers to by address: ``Patient/…`` or ``urn:uuid:…``."""
    return text(mapping(reference).get("reference"))


def moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """Return a FHIR dateTime as an aware time; without a zone it is the region's, without a time the day's begin."""
    try:
        read = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)


def written(value: datetime, zone: ZoneInfo) -> str:
    """Return a time as FHIR writes it, in the region's zone, to the second."""
    return value.astimezone(zone).isoformat(timespec="seconds")


def references(value: Any) -> Iterator[Json]:
    """Yield every mapping in a resource that may refer to another: References, and attachments with a URL."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str) or isinstance(value.get("url"), str):
            yield value
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def organization(oid: str, name: str = "") -> Json:
    """Return a Reference to an МО by its ОИД."""
    known = {"type": "Organization", "identifier": {"system": terms.ORGANIZATION, "value": oid}}
    return {**known, "display": name} if name else known
