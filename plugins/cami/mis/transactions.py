"""Bundles: all of it or nothing, whatever the order of its entries (FHIR R4, http.html#transaction)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from cami.mis import fhir
from cami.mis.fhir import Json
from cami.mis.intake import Intake
from cami.mis.message import Caller, Incoming, Message, Written
from cami.mis.problems import Problem, Refusal, refuse
from cami.mis.validation import TYPES

#: What refers to nothing else comes first, so that every reference is known when it is needed.
_ORDER = (
    "Organization", "HealthcareService", "Patient", "Practitioner",
    "PractitionerRole", "Condition", "Binary", "Observation", "ServiceRequest",
    "DiagnosticReport", "Provenance", "Task",
)  # fmt: skip
MOST_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class _Entry:
    index: int
    full_url: str
    method: str
    address: str
    """``Type`` or ``Type/id``."""
    version: int | None
    resource: Json

    @property
    def type(self) -> str:
        return str(self.resource["resourceType"])

    @property
    def place(self) -> str:
        return f"Bundle.entry[{self.index}].resource"


class Transactions:
    """Carries out transaction Bundles. Thread-safe."""

    def __init__(self, intake: Intake, zone: ZoneInfo) -> None:
        self._intake = intake
        self._zone = zone

    def run(self, connection: Connection, bundle: Mapping[str, Any], caller: Caller) -> list[Written]:
        """Carry out a Bundle in the caller's transaction; return what became of each entry, in its order.

        Raises
        ------
        Refusal
            Something is wrong; the caller rolls back.
        """
        entries = _entries(bundle)
        known: dict[str, str] = {}
        due = self._terms(entries)
        written: dict[int, Written] = {}
        message = Message(tuple(entry.resource for entry in entries))
        for entry in sorted(entries, key=lambda each: (_ORDER.index(each.type), each.index)):
            _resolve(entry, known)
            _, _, id_ = entry.address.partition("/")
            incoming = Incoming(
                entry.resource, entry.place, id_ or None, entry.version, due.get(entry.full_url), message
            )
            done = self._intake.write(connection, incoming, caller)
            written[entry.index] = done
            if entry.full_url:
                known[entry.full_url] = done.address
        return [written[index] for index in sorted(written)]

    def _terms(self, entries: Sequence[_Entry]) -> dict[str, datetime]:
        """Return until when each order is wanted: its Task says so, and the order is written before it."""
        found = {}
        for entry in entries:
            period = fhir.mapping(fhir.mapping(entry.resource.get("restriction")).get("period"))
            end = fhir.moment(period.get("end"), self._zone) if entry.type == "Task" else None
            if end is not None:
                found[fhir.referred(entry.resource.get("focus"))] = end
        return found


def _entries(bundle: Mapping[str, Any]) -> list[_Entry]:
    if bundle.get("type") != "transaction":
        raise refuse(422, "CAMI-0093", "Bundle.type")
    given = fhir.entries(bundle.get("entry"))
    if not 0 < len(given) <= MOST_ENTRIES:
        raise refuse(422, "CAMI-0092" if given else "CAMI-0010", "Bundle.entry")
    read: list[_Entry] = []
    problems: list[Problem] = []
    for index, each in enumerate(given):
        entry = _entry(index, fhir.mapping(each))
        if isinstance(entry, Problem):
            problems.append(entry)
        else:
            read.append(entry)
    if problems:
        raise Refusal(422, *problems)
    return read


def _entry(index: int, entry: Mapping[str, Any]) -> _Entry | Problem:
    place = f"Bundle.entry[{index}]"
    resource, request = fhir.mapping(entry.get("resource")), fhir.mapping(entry.get("request"))
    type_ = resource.get("resourceType")
    if type_ not in TYPES or type_ not in _ORDER:
        return Problem("CAMI-0093", f"{place}.resource")
    method = fhir.text(request.get("method"))
    address, _, query = fhir.text(request.get("url")).partition("?")
    if method not in ("PUT", "POST") or address.partition("/")[0] != type_:
        return Problem("CAMI-0093", f"{place}.request")
    condition = query or fhir.text(request.get("ifNoneExist"))
    if condition and not _names_itself(condition, resource):
        return Problem("CAMI-0026", f"{place}.request")
    version = _version(fhir.text(request.get("ifMatch")))
    return _Entry(index, fhir.text(entry.get("fullUrl")), method, address, version, _copied(resource))


def _copied(value: Any) -> Any:
    """Return JSON of its own: references are put right in it, and the request may be carried out once more."""
    if isinstance(value, Mapping):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _names_itself(condition: str, resource: Mapping[str, Any]) -> bool:
    """Say whether a condition is ``identifier=system|value`` of the resource itself: the one that we support."""
    given = dict(parse_qsl(condition))
    if set(given) != {"identifier"}:
        return False
    system, _, value = given["identifier"].partition("|")
    return any((system, value) == (known, number) for known, number, _ in fhir.identifiers(resource))


def _resolve(entry: _Entry, known: Mapping[str, str]) -> None:
    """Put addresses in the place of references to other entries of the Bundle."""
    for holder in fhir.references(entry.resource):
        for name in ("reference", "url"):
            value = holder.get(name)
            if not isinstance(value, str):
                continue
            if value in known:
                holder[name] = known[value]
            elif value.startswith("urn:uuid:"):
                raise refuse(422, "CAMI-0030", entry.place)


def _version(etag: str) -> int | None:
    return version_of(etag) if etag else None


def version_of(etag: str) -> int:
    """Return the version in an ETag ``W/"3"``.

    Raises
    ------
    Refusal
        It is none of ours: nothing can have that version.
    """
    digits = etag.strip().removeprefix("W/").strip('"')
    if not digits.isdecimal() or len(digits) > 9:
        raise refuse(412, "CAMI-0040")
    return int(digits)
