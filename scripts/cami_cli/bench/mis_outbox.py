"""The face to the МИС by itself: orders by FHIR taken one after the other, and messages while the МИС is away.

In one process, over a SQLite file with full synchronisation, without Orthanc: what Orthanc adds to a request is the
HTTP server. Messages go to a real web hook on the loopback.
"""

import json
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import quantiles
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, insert

from cami.access import Identity, Role
from cami.audit import AuditTrail
from cami.clock import SystemClock
from cami.db import open_engine
from cami.db.tables import account, metadata
from cami.events import EventLog
from cami.mis import MisService
from cami.orders import Orders, Patients
from cami.region import load_region
from cami.web import Request
from cami_cli.bench.report import Row, alone
from cami_cli.mis.messages import STUDIES, Doctor, Json, SimulatedPatient, WantedStudy, order_bundle
from cami_cli.options import DEFAULT_REGISTRY
from cami_cli.places import HOME

_ZONE = ZoneInfo("Asia/Novokuznetsk")
_PATIENTS = 200
_CLIENTS = 8


class MovingClock(SystemClock):
    """The machine's clock, put forward by the hours that the bench does not wait."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the time, aware, in UTC."""
        return datetime.now(UTC) + self.ahead


class Hook:
    """A receiver that is away until it is switched on."""

    def __init__(self) -> None:
        self.got: list[tuple[str, int, str]] = []
        """Event id, number, patient."""
        self.here = False
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if hook.here:
                    hook.got.append(
                        (self.headers["X-Event-Id"], int(self.headers["X-Event-Seq"]), body["for"]["reference"])
                    )
                self.send_response(204 if hook.here else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}/hook"


class Bench:
    """A centre's face to the МИС over a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.engine: Engine = open_engine(f"sqlite:///{folder}/mis.sqlite")
        metadata.create_all(self.engine)
        self.clock = MovingClock()
        with self.engine.begin() as connection:
            connection.execute(
                insert(account).values(
                    login="bench", name="bench", role="mis", mo="", password_hash="", disabled=False,
                    changed_at=self.clock.now(),
                )
            )  # fmt: skip
        region = load_region(DEFAULT_REGISTRY)
        events = EventLog(self.engine, self.clock)
        patients = Patients(self.engine, self.clock, events)
        self.orders = Orders(self.engine, self.clock, events, patients, _ZONE)
        self.trail = AuditTrail(self.engine, self.clock, "central")
        self.service = MisService(
            engine=self.engine, clock=self.clock, region=region, events=events, trail=self.trail, base="https://cami",
            patients=patients, orders=self.orders, check=lambda *_: Identity("bench", "", Role.MIS, ""),
        )  # fmt: skip
        self._token = self.service.tokens.issue("bench")
        oid = region.with_proxy[0].oid
        self._doctor = Doctor("1", "Образцов", "Илья", "Сергеевич", "70012345719", oid)

    def call(self, path: str, body: Json) -> int:
        """Post to the face; return the status."""
        headers = {
            "authorization": f"Bearer {self._token}",
            "content-type": "application/fhir+json",
            "idempotency-key": str(uuid4()),
        }
        request = Request("POST", f"/cami/fhir{path}", headers, {}, json.dumps(body, ensure_ascii=False).encode())
        return self.service.face.answer(request).status

    def order(self, number: int) -> int:
        """Place an order; return the status."""
        patient = SimulatedPatient(str(number % _PATIENTS), "Тестов", "Иван", "", "1970-01-01", "male")
        wanted = WantedStudy(
            number=str(number), study=STUDIES[number % len(STUDIES)], oid=self._doctor.oid, reason="Проверка",
            authored=datetime.now(_ZONE),
        )  # fmt: skip
        return self.call("", order_bundle(patient, self._doctor, replace(wanted)))


def rows(orders: int, events: int) -> Sequence[Row]:
    """Measure and return the rows."""
    work = HOME / "build" / "bench" / "mis-outbox"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    bench = Bench(work)
    hook = Hook()
    try:
        return [*_intake(bench, orders), *_outbox(bench, hook, orders, events)]
    finally:
        hook.server.shutdown()
        hook.server.server_close()
        bench.trail.close()
        bench.engine.dispose()
        shutil.rmtree(work, ignore_errors=True)


def _intake(bench: Bench, orders: int) -> list[Row]:
    bench.order(0)  # imports the models
    took = []
    began, spent = time.perf_counter(), time.process_time()
    for number in range(1, orders + 1):
        start = time.perf_counter()
        if bench.order(number) != 200:
            return [alone("orders taken by FHIR", None, "orders/s", 50, "an order was refused", at_most=False)]
        took.append(time.perf_counter() - start)
    rate = orders / (time.perf_counter() - began)
    p95 = quantiles(took, n=20)[-1] * 1000
    cost = (time.process_time() - spent) / orders * 1000
    together = _together(bench, orders)
    return [
        alone("orders taken by FHIR, one after the other", rate, "orders/s", 50, f"{orders} orders", at_most=False),
        alone("an order, p95", p95, "ms", 1000, f"{orders} orders"),
        alone("processor time of an order", cost, "ms", 10, f"{orders} orders"),
        alone(f"orders taken from {_CLIENTS} clients at once", together, "orders/s", 50, f"{orders} orders",
              at_most=False),
    ]  # fmt: skip


def _together(bench: Bench, orders: int) -> float | None:
    """Place as many orders again from several clients at once; return the rate, None if one was refused."""
    began = time.perf_counter()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        answers = list(pool.map(bench.order, range(orders + 1, 2 * orders + 1)))
    rate = orders / (time.perf_counter() - began)
    return rate if set(answers) == {200} else None


def _outbox(bench: Bench, hook: Hook, orders: int, events: int) -> list[Row]:
    """Make events of an hour at 20 a second while the hook answers 503, then let it take them."""
    channel = {"type": "rest-hook", "endpoint": hook.url, "payload": "application/fhir+json"}
    subscription = {"resourceType": "Subscription", "status": "requested", "reason": "bench", "criteria": "Task?"}
    bench.call("/Subscription", {**subscription, "channel": channel})
    made = 0
    while made < events:
        with bench.engine.begin() as connection:
            for number in range(1, min(orders, events - made) + 1):
                state = bench.orders.get_in(connection, number).state.value
                step = {"accepted": "started", "started": "completed"}.get(state, "released")
                getattr(bench.orders, step)(connection, number, by="system")
                made += 1
        while bench.service.announcer.step():
            pass
        bench.service.sender.step()  # away: nothing may be lost or given up
        bench.clock.ahead += timedelta(seconds=orders / 20)
    hook.here = True
    bench.clock.ahead += timedelta(hours=7)
    began = time.perf_counter()
    while bench.service.sender.step():
        pass
    rate = len(hook.got) / max(time.perf_counter() - began, 0.001)
    ids = {event for event, *_ in hook.got}
    order: dict[str, list[int]] = defaultdict(list)
    for _, number, patient in hook.got:
        order[patient].append(number)
    disorder = sum(numbers != sorted(numbers) for numbers in order.values())
    note = f"{events} messages after the МИС was away"
    return [
        alone("messages lost", float(events - len(ids)), "messages", 0, note),
        alone("messages twice by id", float(len(hook.got) - len(ids)), "messages", 0, note),
        alone("patients told out of order", float(disorder), "patients", 0, note),
        alone("messages delivered when the МИС is back", rate, "messages/s", 20, note, at_most=False),
    ]
