"""The face to the МИС over a database in a file; requests as Orthanc hands them over."""

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from cami.access import Identity, Reason, Refusal, Role
from cami.audit import AuditTrail
from cami.db.tables import account
from cami.events import EventLog
from cami.mis import MisService
from cami.orders import Orders, Patients
from cami.region import load_region
from cami_cli.mis.messages import STUDIES, Doctor, SimulatedPatient, WantedStudy, order_bundle
from tests.unit.empty_database import empty_database
from tests.unit.fakes import Hands

BASE = "https://cami.example"
SECRET = "kxmp-7rwd-hn4c-t9qs"
ZONE = ZoneInfo("Asia/Novokuznetsk")
PATIENT = SimulatedPatient(
    "4512207", "Тестова", "Анна", "Петровна", "1961-03-14", "female", "70012345618", "4200000000000018"
)
DOCTOR = Doctor("8811", "Образцов", "Илья", "Сергеевич", "70012345719", "1.2.643.5.1.13.13.12.2.42.9901")


def wanted(number="2611-0004512", **more):
    values = {
        "number": number,
        "study": STUDIES[0],
        "oid": "1.2.643.5.1.13.13.12.2.42.9901",
        "reason": "Исключить панкреонекроз",
        "authored": datetime(2026, 1, 1, 13, 5, 11, tzinfo=ZONE),
        "aet": "CT42001",
        "priority": "urgent",
        "begin": datetime(2026, 1, 1, 14, 30, tzinfo=ZONE),
        "note": "Креатинин 84 мкмоль/л. Аллергии на йод нет.",
    }
    return WantedStudy(**{**values, **more})


def bundle(number="2611-0004512", patient=PATIENT, **more):
    return order_bundle(patient, DOCTOR, wanted(number, **more))


class Client:
    """A МИС that calls without a network."""

    def __init__(self, service, token):
        self._endpoints = service.endpoints()
        self.token = token

    def call(
        self, method, path, body=None, *, query=None, key=None, headers=None, content_type="application/fhir+json"
    ):
        import re

        path = f"/cami/fhir{path}".rstrip("/")
        endpoint = next(each for each in self._endpoints if re.fullmatch(each.pattern, path))
        sent = {"host": "cami.example", "content-type": content_type} | (headers or {})
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        if key is not False and method == "POST":
            sent["idempotency-key"] = key or str(uuid4())
        from cami.web import Request

        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        response = endpoint.handler(Request(method, path, sent, query or {}, data))
        found = dict(response.headers)
        return SimpleNamespace(
            status=response.status,
            json=json.loads(response.body) if response.body else None,
            headers=found,
            body=response.body,
            codes=codes(response.body),
        )


def codes(body):
    found = json.loads(body) if body else {}
    if not isinstance(found, dict) or found.get("resourceType") != "OperationOutcome":
        return []
    return [(issue["details"]["coding"][0]["code"], *issue.get("expression", [])) for issue in found["issue"]]


def check(login, password):
    roles = {"kuzdrav": Role.MIS, "other": Role.MIS, "rad.42001": Role.RADIOLOGIST}
    if login in roles and password == SECRET:
        return Identity(login, login, roles[login], "")
    return Refusal(Reason.WRONG)


def make(path, **more):
    engine = empty_database(path)
    clock = Hands()
    with engine.begin() as connection:
        for login, role in (("kuzdrav", "mis"), ("other", "mis"), ("rad.42001", "radiologist")):
            connection.execute(
                insert(account).values(
                    login=login, name=login, role=role, mo="", password_hash="", disabled=False, changed_at=clock.now()
                )
            )
    events = EventLog(engine, clock)
    trail = AuditTrail(engine, clock, "central")
    region = load_region(Path("orthanc-config/region.yaml"))
    patients = Patients(engine, clock, events)
    orders = Orders(engine, clock, events, patients)
    service = MisService(
        engine=engine,
        clock=clock,
        region=region,
        events=events,
        trail=trail,
        check=check,
        base=BASE,
        patients=patients,
        orders=orders,
        **more,
    )
    return SimpleNamespace(
        engine=engine,
        clock=clock,
        events=events,
        trail=trail,
        orders=orders,
        patients=patients,
        service=service,
        client=Client(service, service.tokens.issue("kuzdrav")),
        region=region,
    )


@pytest.fixture
def centre(tmp_path):
    made = make(tmp_path / "centre.sqlite")
    yield made
    made.trail.close()
    made.engine.dispose()


@pytest.fixture
def client(centre):
    return centre.client
