"""What the МИС writes: Bundles, single resources, merges; each request is one transaction with its answer in it."""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import iso
from cami.errors import Conflict
from cami.events import EventLog
from cami.mis import fhir, patient_profile, validation
from cami.mis.fhir import Json
from cami.mis.intake import Intake
from cami.mis.message import Caller, Incoming, Message, Written
from cami.mis.problems import Problem, Refusal, outcome, refuse
from cami.mis.repeats import Answers
from cami.mis.transactions import Transactions, version_of
from cami.orders import Patients, canonical
from cami.web import Request, Response

_NEEDS_VERSION = frozenset({"ServiceRequest", "Task"})

#: Does the work of one request in its transaction.
Work = Callable[[Connection], tuple[Response, list[AuditEvent]]]


class Writes:
    """Carries out writing requests. Thread-safe."""

    def __init__(
        self, *, engine: Engine, intake: Intake, transactions: Transactions, patients: Patients, answers: Answers,
        events: EventLog, trail: AuditTrail,
    ) -> None:  # fmt: skip
        self._engine = engine
        self._intake = intake
        self._transactions = transactions
        self._patients = patients
        self._answers = answers
        self._events = events
        self._trail = trail
        # SQLite has one writer; who waits for it sleeps up to 100 ms between two looks. Here the next one is woken.
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    def transaction(self, request: Request, bundle: Json, caller: Caller) -> Response:
        """Carry out ``POST /`` with a transaction Bundle."""
        require_fhir(bundle, "Bundle")

        def work(connection: Connection) -> tuple[Response, list[AuditEvent]]:
            written = self._transactions.run(connection, bundle, caller)
            whole = "return=representation" in request.headers.get("prefer", "return=representation")
            entries = [_entry(each, caller, whole=whole) for each in written]
            body = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
            return respond(body), acts_of(written, caller)

        return self.once(request, caller, work)

    def create(self, request: Request, type_: str, resource: Json, caller: Caller) -> Response:
        """Carry out ``POST /Type``; a resource with the same identifier is that one (If-None-Exist)."""
        require_fhir(resource, type_)

        def work(connection: Connection) -> tuple[Response, list[AuditEvent]]:
            written = self._intake.write(connection, Incoming(resource, type_, message=Message((resource,))), caller)
            return _answer(written, 201 if written.created else 200), acts_of([written], caller)

        return self.once(request, caller, work)

    def update(self, request: Request, type_: str, id_: str, resource: Json, caller: Caller) -> Response:
        """Carry out ``PUT /Type/id``; orders and tasks need If-Match."""
        require_fhir(resource, type_)
        etag = request.headers.get("if-match", "")
        if not etag and type_ in _NEEDS_VERSION:
            raise refuse(412, "CAMI-0047")
        version = version_of(etag) if etag else None

        def work(connection: Connection) -> tuple[Response, list[AuditEvent]]:
            incoming = Incoming(resource, type_, id_, version, message=Message((resource,)))
            written = self._intake.write(connection, incoming, caller)
            return _answer(written, 200), acts_of([written], caller)

        return self.committed(work)

    def merge(self, request: Request, parameters: Json, caller: Caller, *, undo: bool) -> Response:
        """Carry out ``POST /Patient/$merge`` or ``$unmerge``."""
        require_fhir(parameters, "Parameters")
        given = {fhir.text(each.get("name")): each for each in map(fhir.mapping, parameters.get("parameter", []))}
        preview = given.get("preview", {}).get("valueBoolean") is True

        def work(connection: Connection) -> tuple[Response, list[AuditEvent]]:
            source = self._named(given, "source-patient-identifier")
            target = "" if undo else self._named(given, "target-patient-identifier")
            try:
                if undo:
                    self._patients.unmerge(connection, source, caller.source)
                else:
                    self._patients.merge(connection, source, target, caller.source)
            except Conflict as error:
                raise refuse(422, "CAMI-0044") from error
            shown = self._patients.get_in(connection, [source if undo else target])
            patient = next(iter(shown.values()))
            kind = "unmerge" if undo else "merge"
            act = AuditEvent(
                Kind.CHANGE, caller.source, source=caller.address, patient=patient.key, subject=f"patient {source}",
                reason=kind,
            )  # fmt: skip
            body = {
                "resourceType": "Parameters",
                "parameter": [{"name": "result", "resource": patient_profile.shown(patient, iso(patient.changed_at))}],
            }
            return respond(body), [act]

        if preview:
            return self._tried(work)
        return self.once(request, caller, work)

    def _named(self, given: Mapping[str, Any], name: str) -> str:
        identifier = fhir.mapping(fhir.mapping(given.get(name)).get("valueIdentifier"))
        place = f"Parameters.parameter.where(name='{name}')"
        if not identifier:
            raise refuse(422, "CAMI-0010", place)
        number = canonical(fhir.text(identifier.get("system")), fhir.text(identifier.get("value")))
        found = self._patients.of_identifier(number)
        if len(found) != 1:
            raise refuse(412 if found else 404, "CAMI-0035" if found else "CAMI-0034", place)
        return found[0].key

    def once(self, request: Request, caller: Caller, work: Work) -> Response:
        """Do the work unless its Idempotency-Key was used; keep the answer with its effect."""
        key = request.headers.get("idempotency-key", "").strip()

        def keyed(connection: Connection) -> tuple[Response, list[AuditEvent]]:
            before = self._answers.before(connection, caller.client, key, request)
            if before is not None:
                return before, []
            response, acts = work(connection)
            self._answers.keep(connection, caller.client, key, request, response)
            return response, acts

        return self.committed(keyed)

    def committed(self, work: Work) -> Response:
        """Do the work in one transaction with its records in the journal, then wake who waits for events."""
        try:
            response = self._begin(work)
        except IntegrityError:
            # Another replica wrote the same number at this moment: now it is there, and is found.
            response = self._begin(work)
        self._events.announce()
        return response

    def _begin(self, work: Work) -> Response:
        with self._turn, self._engine.begin() as connection:
            response, acts = work(connection)
            for act in acts:
                self._trail.record_in(connection, act)
        return response

    def _tried(self, work: Work) -> Response:
        """Do the work and take it back: a preview."""
        with self._engine.connect() as connection:
            transaction = connection.begin()
            try:
                return work(connection)[0]
            finally:
                transaction.rollback()


def respond(body: Mapping[str, Any], status: int = 200, headers: list[tuple[str, str]] | None = None) -> Response:
    """Answer FHIR JSON, never cached."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Response(
        status, text, "application/fhir+json; charset=utf-8", [("Cache-Control", "no-store"), *(headers or [])]
    )


def _answer(written: Written, status: int) -> Response:
    headers = [
        ("ETag", f'W/"{written.version}"'),
        ("Location", f"/cami/fhir/{written.address}/_history/{written.version}"),
    ]
    return respond(written.resource, status, headers)


def _entry(written: Written, caller: Caller, *, whole: bool) -> Json:
    response: Json = {
        "status": "201 Created" if written.created else "200 OK",
        "location": f"{written.address}/_history/{written.version}",
        "etag": f'W/"{written.version}"',
    }
    if written.warnings:
        response["outcome"] = outcome(written.warnings, caller.request_id)
    keep = whole and written.resource["resourceType"] in ("ServiceRequest", "Task", "Patient")
    return {"resource": written.resource, "response": response} if keep else {"response": response}


def acts_of(written: list[Written], caller: Caller) -> list[AuditEvent]:
    """Return what the journal is told: an entry for each order, one for patients alone."""
    orders = [(accession, each.patient) for each in written for accession in each.orders]
    patients = [each.patient for each in written if each.address.startswith("Patient/")]
    acts = [
        AuditEvent(Kind.ORDER, caller.source, source=caller.address, patient=patient, subject=f"order {accession}")
        for accession, patient in dict.fromkeys(orders)
    ]
    if acts or not patients:
        return acts
    return [
        AuditEvent(Kind.CHANGE, caller.source, source=caller.address, patient=key, subject=f"patient {key}")
        for key in dict.fromkeys(patients)
    ]


def require_fhir(resource: Json, type_: str) -> None:
    """Refuse what is not FHIR of that type."""
    if resource.get("resourceType") != type_ or type_ not in validation.TYPES:
        raise refuse(400, "CAMI-0093")
    problems: list[Problem] = validation.problems_of(resource)
    if problems:
        raise Refusal(422, *problems)
