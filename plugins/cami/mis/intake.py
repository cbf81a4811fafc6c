"""What the МИС sends becomes patients, orders, requests and reports, in the caller's transaction."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from cami.clock import iso
from cami.errors import Conflict, NotFound
from cami.events import EventLog, NewEvent
from cami.mis import consultation_requests, fhir, order_profile, patient_profile, rendering, terms
from cami.mis.consultation_intake import ConsultationIntake
from cami.mis.fhir import Json
from cami.mis.message import Caller, Incoming, Message, Written
from cami.mis.order_profile import OrderProfile
from cami.mis.problems import Problem, Refusal, refuse
from cami.mis.store import Resources, Stored, new_id, shown
from cami.orders import NewOrder, Order, Orders, Patients, State

_SIGNED_BY_AUTHOR = "1.2.840.10065.1.12.1.1"
_FINAL = frozenset({"final", "amended", "corrected", "appended"})


class Intake:
    """Writes resources. Thread-safe."""

    def __init__(
        self, *, profile: OrderProfile, patients: Patients, orders: Orders, resources: Resources, events: EventLog,
        oid_of: Callable[[str], str], zone: ZoneInfo, asked: ConsultationIntake,
    ) -> None:  # fmt: skip
        self._profile = profile
        self._patients = patients
        self._orders = orders
        self._resources = resources
        self._events = events
        self._oid_of = oid_of
        self._zone = zone
        self._asked = asked
        self._ways = {
            "Patient": self._patient,
            "ServiceRequest": self._request,
            "Task": self._task,
            "DiagnosticReport": self._report,
            "Binary": self._binary,
        }

    def write(self, connection: Connection, incoming: Incoming, caller: Caller) -> Written:
        """Write one resource.

        Raises
        ------
        Refusal
            Something is wrong with it; the caller rolls back.
        """
        type_ = str(incoming.resource["resourceType"])
        return self._ways.get(type_, self._other)(connection, incoming, caller)

    def _patient(self, connection: Connection, incoming: Incoming, caller: Caller) -> Written:
        person, problems = patient_profile.read(incoming.resource, incoming.place)
        if problems:
            raise Refusal(422, *problems)
        try:
            known = self._patients.put(connection, person, caller.source, incoming.version)
        except Conflict as error:
            raise refuse(*_patient_conflict(error), incoming.place) from error
        found = known.patient
        if incoming.id is not None and incoming.id != found.key:
            raise refuse(422, "CAMI-0048", incoming.place)
        incoming.message.patients.add(found.key)
        resource = patient_profile.shown(found, iso(found.changed_at))
        warnings = tuple(patient_profile.warnings(known.warnings, incoming.place))
        return Written(f"Patient/{found.key}", found.version, known.created, resource, warnings, patient=found.key)

    def _request(self, connection: Connection, incoming: Incoming, caller: Caller) -> Written:
        request = incoming.resource
        if consultation_requests.asks_for_one(request):
            return self._other(connection, incoming, caller)
        system, number = order_profile.placer(request)
        message = incoming.message
        patient = self._patient_key(connection, request.get("subject"), incoming.place + ".subject", message)
        reading = self._profile.read(request, lambda each: self._lookup(connection, each, message), incoming.place)
        problems = list(reading.problems)
        if not system or not number or len(system) > 200 or len(number) > 64:
            problems.insert(0, Problem("CAMI-0011", incoming.place + ".identifier"))
        if problems:
            raise Refusal(422, *problems)
        values = {**reading.values, "patient": patient}
        if incoming.id is None:
            new = NewOrder(
                placer_system=system, placer_number=number, source=caller.source, due_at=incoming.due_at, **values
            )
            order, created = self._orders.place(connection, new)
        else:
            order, created = self._change(connection, incoming, values, caller), False
        if order.source != caller.source:
            raise refuse(404, "CAMI-0034", incoming.place)
        message.orders[order.number] = order
        id_ = rendering.request_id(order.number)
        sent: Mapping[str, Any] | None = request
        if created:
            message.placed.add(order.number)
        if created or incoming.id is not None:
            self._keep(connection, "ServiceRequest", id_, request, patient=patient, caller=caller, fresh=created)
        else:
            stored = self._resources.get_in(connection, "ServiceRequest", id_)
            sent = stored.content if stored else None
        resource = rendering.service_request(order, sent, self._oid_of(order.mo), self._zone)
        return Written(
            f"ServiceRequest/{id_}", order.version, created, resource, orders=(order.accession,), patient=order.patient
        )

    def _change(self, connection: Connection, incoming: Incoming, values: dict[str, Any], caller: Caller) -> Order:
        order = self._order(connection, incoming, "sr-", caller)
        if (order.placer_system, order.placer_number) != order_profile.placer(incoming.resource):
            raise refuse(422, "CAMI-0011", incoming.place + ".identifier")
        if incoming.resource.get("status") != "active":
            raise refuse(422, "CAMI-0043", incoming.place + ".status")
        try:
            return self._orders.change(connection, order.number, values, by=caller.source)
        except Conflict as error:
            code = "CAMI-0041" if order.state in (State.STARTED, State.COMPLETED) else "CAMI-0043"
            raise refuse(422, code, incoming.place) from error

    def _task(self, connection: Connection, incoming: Incoming, caller: Caller) -> Written:
        kind = fhir.code_of(incoming.resource.get("code"), terms.TASK_KIND)[0]
        if kind == "consultation":
            return self._consultation(connection, incoming, caller)
        if kind != "imaging-order":
            raise refuse(422, "CAMI-0093", incoming.place + ".code")
        if incoming.id is None:
            address = fhir.referred(incoming.resource.get("focus"))
            number = rendering.number_of(address, "ServiceRequest/sr-")
            order = incoming.message.orders.get(number or 0) or self._known(connection, number, caller)
            if order is None:
                raise refuse(422, "CAMI-0030", incoming.place + ".focus")
        else:
            order = self._order(connection, incoming, "t-", caller)
        if incoming.resource.get("status") == "cancelled":
            order = self._cancel(connection, order, incoming, caller)
        id_ = rendering.task_id(order.number)
        created = self._keep(
            connection, "Task", id_, incoming.resource, patient=order.patient, caller=caller,
            fresh=order.number in incoming.message.placed and incoming.id is None,
        )  # fmt: skip
        resource = rendering.task(order, incoming.resource, self._oid_of(order.mo), self._zone)
        return Written(
            f"Task/{id_}", order.version, created, resource, orders=(order.accession,), patient=order.patient
        )

    def _cancel(self, connection: Connection, order: Order, incoming: Incoming, caller: Caller) -> Order:
        said = fhir.mapping(incoming.resource.get("statusReason"))
        code = fhir.code_of(said, terms.CANCEL_REASON)[0]
        if code not in terms.CANCEL_REASONS:
            raise refuse(422, "CAMI-0010", incoming.place + ".statusReason")
        words = (fhir.text(said.get("text")) or terms.CANCEL_REASONS[code])[:400]
        try:
            return self._orders.cancel(connection, order.number, code, words, by=caller.source)
        except Conflict as error:
            started = order.state in (State.STARTED, State.COMPLETED)
            raise refuse(422, "CAMI-0041" if started else "CAMI-0043", incoming.place + ".status") from error

    def _consultation(self, connection: Connection, incoming: Incoming, caller: Caller) -> Written:
        def lookup(address: str) -> Json | None:
            return self._lookup(connection, address, incoming.message)

        known = None if incoming.id else self._by_identifiers(connection, "Task", incoming.resource)
        id_ = incoming.id or (known.id if known else None)
        if id_ is not None:
            return self._asked.again(connection, id_, incoming, caller, lookup)
        if problems := consultation_requests.problems_of(incoming.resource, incoming.place):
            raise Refusal(422, *problems)
        return self._asked.take(connection, self._other(connection, incoming, caller), incoming, caller, lookup)

    def _report(self, connection: Connection, incoming: Incoming, caller: Caller) -> Written:
        report = incoming.resource
        if report.get("status") in _FINAL and not _signed(incoming):
            raise refuse(422, "CAMI-0051", incoming.place)
        written = self._other(connection, incoming, caller)
        based = next((fhir.referred(each) for each in fhir.entries(report.get("basedOn"))), "")
        number = rendering.number_of(based, "ServiceRequest/sr-")
        payload = {"report": written.address, "order": number, "status": report.get("status"), "by": caller.source}
        self._events.append(connection, NewEvent("report.received", written.patient or written.address, payload))
        return written

    def _binary(self, connection: Connection, incoming: Incoming, caller: Caller) -> Written:
        try:
            base64.b64decode(str(incoming.resource.get("data", "")), validate=True)
        except (binascii.Error, ValueError) as error:
            raise refuse(422, "CAMI-0052", incoming.place + ".data") from error
        return self._other(connection, incoming, caller)

    def _other(self, connection: Connection, incoming: Incoming, caller: Caller) -> Written:
        """Keep a resource as it is."""
        resource = incoming.resource
        type_ = str(resource["resourceType"])
        about = resource.get("subject") or resource.get("for")
        patient = self._patient_key(connection, about, incoming.place, incoming.message) if about else ""
        if incoming.id is None:
            before = self._by_identifiers(connection, type_, resource)
        else:
            before = self._of_version(connection, type_, incoming)
        stored, created = self._resources.put_in(
            connection, type_, before.id if before else new_id(), resource, client=caller.client, patient=patient,
            before=before,
        )  # fmt: skip
        incoming.message.contents[stored.address] = stored.content
        answer = shown(stored, iso(stored.updated_at))
        return Written(stored.address, stored.version, created, answer, patient=patient)

    def _by_identifiers(self, connection: Connection, type_: str, resource: Mapping[str, Any]) -> Stored | None:
        for system, value, _ in fhir.identifiers(resource):
            if found := self._resources.find_in(connection, type_, system, value):
                return found
        return None

    def _of_version(self, connection: Connection, type_: str, incoming: Incoming) -> Stored:
        stored = self._resources.get_in(connection, type_, incoming.id or "")
        if stored is None:
            raise refuse(404, "CAMI-0034", incoming.place)
        if incoming.version is not None and incoming.version != stored.version:
            raise refuse(412, "CAMI-0040", incoming.place)
        return stored

    def _order(self, connection: Connection, incoming: Incoming, prefix: str, caller: Caller) -> Order:
        """Return the order that a resource's id names, if it is of the version that the caller knows."""
        number = rendering.number_of(incoming.id or "", prefix)
        order = self._known(connection, number, caller)
        if order is None:
            raise refuse(404, "CAMI-0034", incoming.place)
        if incoming.version is not None and incoming.version != order.version:
            raise refuse(412, "CAMI-0040", incoming.place)
        return order

    def _known(self, connection: Connection, number: int | None, caller: Caller) -> Order | None:
        if number is None:
            return None
        try:
            order = self._orders.get_in(connection, number)
        except NotFound:
            return None
        return order if order.source == caller.source else None

    def _patient_key(self, connection: Connection, reference: Any, place: str, message: Message) -> str:
        key = fhir.referred(reference).removeprefix("Patient/")
        if key not in message.patients and not self._patients.known_in(connection, key):
            raise refuse(422, "CAMI-0030", place)
        message.patients.add(key)
        return key

    def _keep(
        self, connection: Connection, type_: str, id_: str, resource: Mapping[str, Any], *, patient: str,
        caller: Caller, fresh: bool,
    ) -> bool:  # fmt: skip
        before = None if fresh else self._resources.get_in(connection, type_, id_)
        _, created = self._resources.put_in(
            connection, type_, id_, resource, client=caller.client, patient=patient, before=before,
            found_by_number=False,
        )  # fmt: skip
        return created

    def _lookup(self, connection: Connection, address: str, message: Message) -> Json | None:
        if address in message.contents:
            return message.contents[address]
        type_, _, id_ = address.partition("/")
        stored = self._resources.get_in(connection, type_, id_) if id_ else None
        return None if stored is None else stored.content


def _patient_conflict(error: Conflict) -> tuple[int, str]:
    text = str(error)
    if "since" in text:
        return 412, "CAMI-0040"
    return 422, "CAMI-0048" if "different" in text else "CAMI-0042"


def _signed(incoming: Incoming) -> bool:
    """Say whether the message brings the author's signature of the report."""
    return any(
        coding.get("code") == _SIGNED_BY_AUTHOR and signature.get("data")
        for resource in incoming.message.resources
        if resource.get("resourceType") == "Provenance"
        for signature in map(fhir.mapping, fhir.entries(resource.get("signature")))
        for coding in map(fhir.mapping, fhir.entries(signature.get("type")))
    )
