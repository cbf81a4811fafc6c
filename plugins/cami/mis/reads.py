"""What the МИС reads: single resources, searches with pages (docs/mis-contract.md, *Search*)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, select

from cami.audit import AuditTrail
from cami.audit.search import JournalReader
from cami.clock import iso
from cami.db import reading
from cami.db.tables import mis_study
from cami.errors import NotFound
from cami.mis import accesses, consultations_out, fhir, patient_profile, rendering, search, terms
from cami.mis.accesses import Accesses
from cami.mis.asked import Asked, AskedConsultations
from cami.mis.directories import Directories
from cami.mis.fhir import Json
from cami.mis.message import Caller
from cami.mis.problems import refuse
from cami.mis.store import Resources, shown
from cami.mis.studies import OrderedStudy, Studies, imaging_study, uid_of_ordered
from cami.orders import (
    Order,
    OrderQuery,
    Orders,
    Patient,
    Patients,
    canonical,
    find_orders,
    next_page,
)

#: Types that are kept as they came, and can be read by id and by identifier.
PLAIN = frozenset(
    {
        "Organization",
        "HealthcareService",
        "Device",
        "Practitioner",
        "PractitionerRole",
        "Condition",
        "Observation",
        "Binary",
        "DiagnosticReport",
        "Provenance",
    }
)
#: What a type can be searched by.
PARAMETERS: Mapping[str, frozenset[str]] = {
    "Patient": frozenset({"identifier"}),
    "ServiceRequest": frozenset({"identifier", "patient", "patient.identifier", "status", "_lastUpdated"}),
    "Task": frozenset({"identifier", "patient", "patient.identifier", "status", "focus", "_lastUpdated"}),
    "ImagingStudy": frozenset(
        {"identifier", "patient", "patient.identifier", "based-on", "modality", "started", "_lastUpdated"}
    ),
    "DiagnosticReport": frozenset({"identifier", "patient", "patient.identifier", "based-on"}),
    "AuditEvent": accesses.PARAMETERS,
} | {name: frozenset({"identifier"}) for name in PLAIN - {"DiagnosticReport"}}
_PAGING = frozenset({"_count", "_sort", "_page", "_elements", "_format"})


class Reads:
    """Answers reads and searches of one client. Thread-safe."""

    def __init__(
        self, *, engine: Engine, orders: Orders, patients: Patients, resources: Resources, studies: Studies,
        oid_of: Callable[[str], str], base: str, zone: ZoneInfo, asked: AskedConsultations, directories: Directories,
        trail: AuditTrail,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._reader = reading(engine)
        self._orders = orders
        self._patients = patients
        self._resources = resources
        self._studies = studies
        self._oid_of = oid_of
        self._base = base
        self._zone = zone
        self._asked = asked
        self._directories = directories
        self._accesses = Accesses(JournalReader(engine), trail, oid_of, self._uid_of)

    def read(self, type_: str, id_: str, caller: Caller) -> Json:
        """Return one resource.

        Raises
        ------
        Refusal
            There is none, or none for this client.
        """
        try:
            return self._read(type_, id_, caller)
        except NotFound:
            raise refuse(404, "CAMI-0034") from None

    def _read(self, type_: str, id_: str, caller: Caller) -> Json:
        if type_ == "Patient":
            return self._patient(self._patients.get(id_))
        if type_ == "ServiceRequest" and (number := rendering.number_of(id_, "sr-")) is not None:
            return self.service_request(self._own(number, caller))
        if type_ == "Task" and (number := rendering.number_of(id_, "t-")) is not None:
            return self.task(self._own(number, caller))
        if type_ == "ImagingStudy":
            return self._study_of(id_, caller)
        if type_ == "Task":
            asked = self._asked.shown(id_, caller.client)
            if asked is None:
                raise NotFound("no such task")
            return self.consultation(asked, asked.state, asked.version)
        return self._directories.read(type_, id_) or self._kept(type_, id_)

    def _kept(self, type_: str, id_: str) -> Json:
        """Return a resource as it was sent."""
        stored = self._resources.get(type_, id_)
        if stored is None:
            raise NotFound("no such resource")
        return shown(stored, iso(stored.updated_at))

    def search(self, type_: str, given: Mapping[str, str], caller: Caller) -> Json:
        """Return a searchset Bundle.

        Raises
        ------
        Refusal
            The type or a parameter is not supported.
        """
        if type_ not in PARAMETERS:
            raise refuse(400, "CAMI-0093")
        for name in given:
            if name not in PARAMETERS[type_] | _PAGING:
                raise refuse(400, "CAMI-0026", name)
        if type_ == "Patient":
            return _bundle(self._base, type_, [self._patient(each) for each in self._patients_of(given)])
        if type_ in ("ServiceRequest", "Task", "ImagingStudy"):
            return self._search_orders(type_, given, caller)
        if type_ == "AuditEvent":
            found, following = self._accesses.search(given, search.count(given), caller)
            return _bundle(self._base, type_, found, self._next(type_, given, following))
        return _bundle(self._base, type_, [*self._directories.search(type_, given), *self._plain(type_, given)])

    def service_request(self, order: Order) -> Json:
        """Return an order as a ServiceRequest."""
        sent = self._resources.get("ServiceRequest", rendering.request_id(order.number))
        return rendering.service_request(order, sent.content if sent else None, self._oid_of(order.mo), self._zone)

    def task(self, order: Order) -> Json:
        """Return where an order stands, as a Task."""
        sent = self._resources.get("Task", rendering.task_id(order.number))
        found = rendering.task(order, sent.content if sent else None, self._oid_of(order.mo), self._zone)
        outputs = [_output("study", f"ImagingStudy/{each.study_id}") for each in self._studies.of_orders([order])]
        if outputs:
            found["output"] = [*fhir.entries(found.get("output")), *outputs]
        return found

    def consultation(self, asked: Asked, state: str, version: int) -> Json:
        """Return a consultation that a МИС has asked for, as its Task."""
        sent = self._resources.get("Task", asked.task)
        content = sent.content if sent else {}
        return consultations_out.asked_task(
            asked, content, state=state, version=version, zone=self._zone, oid_of=self._oid_of
        )

    def imaging_study(self, found: OrderedStudy) -> Json:
        """Return a study as an ImagingStudy, its patient as known today."""
        patient = self._patients.standing_for(found.order.patient)
        query = select(mis_study.c.version).where(mis_study.c.study_id == found.study_id)
        with self._reader.connect() as connection:
            version = int(connection.scalar(query) or 1)
        return imaging_study(
            found, self._studies.series(found.study_id), patient, base=self._base, version=version, zone=self._zone
        )

    def _patient(self, patient: Patient) -> Json:
        return patient_profile.shown(patient, iso(patient.changed_at))

    def _own(self, number: int, caller: Caller) -> Order:
        order = self._orders.get(number)
        if order.source != caller.source and not order.manual:
            raise NotFound("no such order")
        return order

    def _study_of(self, study_id: str, caller: Caller) -> Json:
        number = self._studies.order_of(study_id)
        if number is None:
            raise NotFound("no such study")
        found = [each for each in self._studies.of_orders([self._own(number, caller)]) if each.study_id == study_id]
        if not found:
            raise NotFound("no such study")
        return self.imaging_study(found[0])

    def _patients_of(self, given: Mapping[str, str]) -> list[Patient]:
        system, value = search.token(given.get("identifier") or given.get("patient.identifier") or "")
        return self._patients.of_identifier(canonical(system, value)) if value else []

    def _search_orders(self, type_: str, given: Mapping[str, str], caller: Caller) -> Json:
        query = self._query(type_, given, caller)
        if query is None:
            return _bundle(self._base, type_, [])
        page = find_orders(self._engine, query)
        if type_ == "ServiceRequest":
            resources = [self.service_request(order) for order in page]
        elif type_ == "Task":
            resources = [self.task(order) for order in page] or self._consultations_of(given, caller)
        else:
            found = [each for each in self._studies.of_orders(page) if search.fits(each, given)]
            resources = [self.imaging_study(each) for each in found]
        following = next_page(query, page)
        after = search.place(following) if following is not None else None
        return _bundle(self._base, type_, resources, self._next(type_, given, after))

    def _next(self, type_: str, given: Mapping[str, str], place: str | None) -> str | None:
        """Return the address of the next page."""
        if place is None:
            return None
        kept = {name: value for name, value in given.items() if name != "_page"}
        return f"{self._base}/cami/fhir/{type_}?{urlencode(kept | {'_page': place})}"

    def _uid_of(self, named: str, caller: Caller) -> str | None:
        with self._reader.connect() as connection:
            return uid_of_ordered(connection, named, caller.source)

    def _consultations_of(self, given: Mapping[str, str], caller: Caller) -> list[Json]:
        """Return the consultation that is asked for by the number that the МИС gave it."""
        found = (
            self._resources.of_identifier("Task", *search.token(given["identifier"])) if "identifier" in given else []
        )
        known = (self._asked.shown(each.id, caller.client) for each in found)
        return [self.consultation(each, each.state, each.version) for each in known if each is not None]

    def _query(self, type_: str, given: Mapping[str, str], caller: Caller) -> OrderQuery | None:
        """Return which orders are asked for; None: none can be meant."""
        query = OrderQuery(
            sources=(caller.source, "manual:"),
            limit=search.count(given),
            newest_first=given.get("_sort", "").startswith("-"),
        )
        if given.get("_sort", "_lastUpdated").removeprefix("-") != "_lastUpdated":
            raise refuse(400, "CAMI-0026", "_sort")
        if "identifier" in given:
            query = search.by_identifier(query, *search.token(given["identifier"]))
        based_on = given.get("based-on") or given.get("focus")
        if based_on:
            number = rendering.number_of(based_on.removeprefix("ServiceRequest/"), "sr-")
            query = replace(query, numbers=() if number is None else (number,))
        if "patient" in given or "patient.identifier" in given:
            keys = self._keys(given)
            if not keys:
                return None
            query = replace(query, patients=tuple(keys))
        if "status" in given:
            column = 0 if type_ == "ServiceRequest" else 1
            wanted = set(given["status"].split(","))
            query = replace(
                query, states=tuple(state for state, each in rendering.STATUSES.items() if each[column] in wanted)
            )
        if "_lastUpdated" in given:
            query = search.changed(query, given["_lastUpdated"], self._zone)
        return replace(query, after=search.read_place(given["_page"])) if "_page" in given else query

    def _keys(self, given: Mapping[str, str]) -> list[str]:
        """Return the keys of the patient that is asked for, with all that were merged."""
        if "patient" in given:
            keys = [given["patient"].removeprefix("Patient/")]
        else:
            keys = [each.key for each in self._patients_of({"identifier": given["patient.identifier"]})]
        try:
            return list(
                dict.fromkeys(each for key in keys for each in self._patients.everybody(self._patients.get(key).key))
            )
        except NotFound:
            return []

    def _plain(self, type_: str, given: Mapping[str, str]) -> list[Json]:
        if "identifier" in given:
            found = self._resources.of_identifier(type_, *search.token(given["identifier"]))
        else:
            found = self._resources.latest(
                type_, self._keys(given) if "patient" in given or "patient.identifier" in given else [], search.MOST
            )
        resources = [shown(each, iso(each.updated_at)) for each in found]
        based_on = given.get("based-on")
        if based_on:
            wanted = f"ServiceRequest/{based_on.removeprefix('ServiceRequest/')}"
            resources = [
                each
                for each in resources
                if wanted in {fhir.referred(known) for known in fhir.entries(each.get("basedOn"))}
            ]
        return resources


def _bundle(base: str, type_: str, resources: Iterable[Json], following: str | None = None) -> Json:
    entries = [
        {
            "fullUrl": f"{base}/cami/fhir/{each['resourceType']}/{each['id']}",
            "resource": each,
            "search": {"mode": "match"},
        }
        for each in resources
    ]
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "self", "url": f"{base}/cami/fhir/{type_}"}],
    }
    if following:
        bundle["link"].append({"relation": "next", "url": following})
    if entries:
        bundle["entry"] = entries
    return bundle


def _output(kind: str, address: str) -> Json:
    return {"type": {"coding": [{"system": terms.TASK_OUTPUT, "code": kind}]}, "valueReference": {"reference": address}}
