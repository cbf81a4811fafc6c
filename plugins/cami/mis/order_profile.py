"""What an order must say, and where in the ServiceRequest it stands (docs/mis-contract.md, *Order*; domain.md §4.4)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from cami.errors import NotFound
from cami.mis import fhir, terms
from cami.mis.fhir import Json
from cami.mis.problems import Problem
from cami.region import Organization, Region
from cami.region.terms import MODALITIES

#: Lengths of the columns that take texts; what is longer is refused rather than cut.
_LONGEST = {"procedure_text": 400, "body_part": 200, "encounter": 64, "requester": 200, "diagnosis_text": 400}
_PRIORITIES = {"routine": "routine", "urgent": "urgent", "asap": "urgent", "stat": "stat"}

#: Finds a resource by its address ``Type/id``.
Lookup = Callable[[str], Json | None]


@dataclass(slots=True)
class Reading:
    """What was read out of an order, and what is wrong with it."""

    values: dict[str, Any] = field(default_factory=dict)
    """Fields of `cami.orders.order.Wanted` without the patient."""
    problems: list[Problem] = field(default_factory=list)


class OrderProfile:
    """Reads orders by the registry of a region."""

    def __init__(self, region: Region) -> None:
        self._by_oid = {organization.oid: organization for organization in region.organizations}
        self._zone = ZoneInfo(region.time_zone)

    def organization(self, oid: str) -> Organization:
        """Return the МО with an ОИД.

        Raises
        ------
        cami.errors.NotFound
            The registry does not know it.
        """
        try:
            return self._by_oid[oid]
        except KeyError:
            raise NotFound("no such organization") from None

    def read(self, request: Mapping[str, Any], lookup: Lookup, place: str) -> Reading:
        """Read a ServiceRequest whose references are resolved; `place` is where it stands, as FHIRPath."""
        reading = Reading()
        self._what(request, reading, place)
        self._where(request, reading, place)
        self._who(request, lookup, reading, place)
        self._why(request, lookup, reading, place)
        self._when(request, reading)
        for name, longest in _LONGEST.items():
            if len(reading.values.get(name, "")) > longest:
                reading.problems.append(Problem("CAMI-0024", place))
        return reading

    def _what(self, request: Mapping[str, Any], reading: Reading, place: str) -> None:
        system = next(
            (each for each in (terms.SERVICE, terms.STUDY_KIND) if fhir.code_of(request.get("code"), each)[0]), ""
        )
        code, display = fhir.code_of(request.get("code"), system)
        if not code:
            reading.problems.append(Problem("CAMI-0014", f"{place}.code"))
        details = fhir.entries(request.get("orderDetail"))
        modality = next((found for each in details if (found := fhir.code_of(each, terms.DCM)[0])), "")
        payment = next((found for each in details if (found := fhir.code_of(each, terms.PAYMENT)[0])), "")
        if not modality:
            methods = (fhir.code_of(each, terms.METHOD)[0] for each in fhir.entries(request.get("category")))
            modality = next(
                (terms.MODALITY_OF_METHOD[each] for each in methods if each in terms.MODALITY_OF_METHOD), ""
            )
        if not modality:
            reading.problems.append(Problem("CAMI-0015", f"{place}.orderDetail"))
        elif modality not in MODALITIES:
            reading.problems.append(Problem("CAMI-0025", f"{place}.orderDetail"))
        priority = _PRIORITIES.get(fhir.text(request.get("priority")), "")
        if not priority:
            reading.problems.append(Problem("CAMI-0019", f"{place}.priority"))
        body = next((fhir.text(fhir.mapping(each).get("text")) for each in fhir.entries(request.get("bodySite"))), "")
        reading.values |= {
            "procedure_system": system,
            "procedure_code": code[:64],
            "procedure_text": fhir.text(fhir.mapping(request.get("code")).get("text")) or display or code,
            "modality": modality,
            "payment": payment[:64],
            "priority": priority,
            "body_part": body,
            "encounter": fhir.identified(request.get("encounter"))[1],
            "note": "\n".join(fhir.text(fhir.mapping(each).get("text")) for each in fhir.entries(request.get("note"))),
        }

    def _where(self, request: Mapping[str, Any], reading: Reading, place: str) -> None:
        named = [fhir.identified(each) for each in fhir.entries(request.get("performer"))]
        oid = next((value for system, value in named if system == terms.ORGANIZATION), "")
        if not oid:
            reading.problems.append(Problem("CAMI-0016", f"{place}.performer"))
            return
        organization = self._by_oid.get(oid)
        if organization is None:
            reading.problems.append(Problem("CAMI-0031", f"{place}.performer[0]"))
            return
        if organization.proxy is None:
            reading.problems.append(Problem("CAMI-0033", f"{place}.performer[0]"))
        places = [fhir.identified(each)[1] for each in fhir.entries(request.get("locationReference"))]
        aet = next((each.removeprefix(terms.AET_PREFIX) for each in places if each.startswith(terms.AET_PREFIX)), "")
        if aet and aet not in {device.aet for device in organization.devices}:
            reading.problems.append(Problem("CAMI-0032", f"{place}.locationReference[0]"))
        reading.values |= {"mo": organization.code, "device_aet": aet[:16]}

    def _who(self, request: Mapping[str, Any], lookup: Lookup, reading: Reading, place: str) -> None:
        role = lookup(fhir.referred(request.get("requester"))) or {}
        system, oid = fhir.identified(role.get("organization"))
        person = lookup(fhir.referred(role.get("practitioner"))) or {}
        name = full_name(person)
        if system != terms.ORGANIZATION or not oid or not name:
            reading.problems.append(Problem("CAMI-0017", f"{place}.requester"))
        known = self._by_oid.get(oid)
        snils = next((value for known, value, _ in fhir.identifiers(person) if known == "urn:oid:1.2.643.100.3"), "")
        reading.values |= {
            "requester": name,
            "requester_snils": "".join(each for each in snils if each.isdigit())[:16],
            "requesting_oid": oid[:64],
            "requesting_mo": known.code if known else "",
        }

    def _why(self, request: Mapping[str, Any], lookup: Lookup, reading: Reading, place: str) -> None:
        reasons = [fhir.text(fhir.mapping(each).get("text")) for each in fhir.entries(request.get("reasonCode"))]
        if not any(reasons):
            reading.problems.append(Problem("CAMI-0018", f"{place}.reasonCode"))
        found = (lookup(fhir.referred(each)) for each in fhir.entries(request.get("reasonReference")))
        condition = next((each for each in found if each), {})
        code, display = fhir.code_of(condition.get("code"), terms.DIAGNOSIS)
        reading.values |= {
            "reason": "\n".join(filter(None, reasons)),
            "diagnosis_code": code[:16],
            "diagnosis_text": display,
        }

    def _when(self, request: Mapping[str, Any], reading: Reading) -> None:
        period = fhir.mapping(request.get("occurrencePeriod"))
        begin = period.get("start") or request.get("occurrenceDateTime")
        reading.values |= {
            "scheduled_at": fhir.moment(begin, self._zone),
            "scheduled_until": fhir.moment(period.get("end"), self._zone),
            "authored_at": fhir.moment(request.get("authoredOn"), self._zone),
        }


def full_name(person: Mapping[str, Any]) -> str:
    """Return family and given names of a Practitioner or Patient, with blanks between."""
    name = fhir.mapping(next(iter(fhir.entries(person.get("name"))), {}))
    parts = [fhir.text(name.get("family")), *map(fhir.text, fhir.entries(name.get("given")))]
    return " ".join(part for part in parts if part) or fhir.text(name.get("text"))


def placer(request: Mapping[str, Any]) -> tuple[str, str]:
    """Return system and value of the number that the МИС gave an order; empty if it gave none."""
    known = list(fhir.identifiers(request))
    marked = next(((system, value) for system, value, kind in known if kind == "PLAC"), None)
    if marked:
        return marked
    ours = (terms.ACCESSION, terms.DICOM_UID)
    return next(((system, value) for system, value, kind in known if kind != "ACSN" and system not in ours), ("", ""))
