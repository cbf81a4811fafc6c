"""A centre with orders and the proxies of two МО, with worklists between them; without Orthanc and network."""

from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import event

from cami.db import open_engine
from cami.db.tables import metadata
from cami.errands import Bell, ErrandBook, Pending, Runner, errand_endpoints, open_errands
from cami.events import EventLog
from cami.orders import Identifier, NewOrder, Orders, Patients, Person
from cami.region import load_region
from cami.worklist import (
    Entries,
    Feed,
    Finding,
    Following,
    Incoming,
    ManualOrders,
    Pulling,
    worklist_endpoints,
)
from tests.live import ROOT
from tests.unit.errands.conftest import Line, Tokens
from tests.unit.fakes import Hands

ZONE = ZoneInfo("Asia/Novokuznetsk")
REGION = load_region(ROOT / "orthanc-config" / "region.yaml")
MO, OTHER = "42001", "42002"
MIS = "urn:oid:1.2.643.5.1.13.13.12.2.42.9901.100.1.1.10"
#: Ten in the morning of the first of January in Kuzbass.
MORNING = datetime(2026, 1, 1, 3, 0, tzinfo=UTC)


def database(path):
    engine = open_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    metadata.create_all(engine)
    return engine


class Centre:
    """Orders and worklists."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = Hands()
        self.clock.time = MORNING
        self.engine = database(folder / "centre.sqlite")
        self.events = EventLog(self.engine, self.clock)
        self.patients = Patients(self.engine, self.clock, self.events)
        self.orders = Orders(self.engine, self.clock, self.events, self.patients, ZONE)
        self.feed = Feed(self.engine, self.clock)
        self.bell = Bell(self.pending, 5)
        self.rung = []
        self.following = Following(
            engine=self.engine, clock=self.clock, events=self.events, orders=self.orders, patients=self.patients,
            feed=self.feed, region=REGION, ring=self.rung.append,
        )  # fmt: skip
        self.incoming = Incoming(
            engine=self.engine, events=self.events, orders=self.orders, patients=self.patients, region=REGION
        )
        self.book = ErrandBook(self.engine, self.clock, self.bell)
        self.endpoints = [
            *errand_endpoints(Tokens(), self.book, self.bell, {"worklist": self.feed.last}),
            *worklist_endpoints(Tokens(), self.feed, self.incoming),
        ]

    def pending(self):
        return {mo: Pending(0, 0, last) for mo, last in self.feed.heads().items()} | dict(open_errands(self.engine))

    def patient(self, number="4512207", **more):
        person = {"family": "Тестова", "given": "Анна", "middle": "Петровна", "birth_date": "1961-03-14", "sex": "F"}
        person |= {"identifiers": (Identifier(MIS, number),)} | more
        with self.engine.begin() as connection:
            return self.patients.put(connection, Person(**person), "mis:test").patient.key

    def place(self, number="2611-1", patient=None, **more):
        wanted = {
            "placer_system": "urn:mis",
            "source": "mis:test",
            "mo": MO,
            "modality": "CT",
            "procedure_text": "КТ ОБП с болюсным контрастированием",
            "procedure_code": "A06.30.005.002",
            "procedure_system": "urn:oid:1.2.643.5.1.13.13.11.1070",
            "device_aet": "CT42001",
            "scheduled_at": MORNING,
            "requester": "Образцов Илья Сергеевич",
        } | more
        patient = patient or self.patient()
        with self.engine.begin() as connection:
            return self.orders.place(connection, NewOrder(placer_number=number, patient=patient, **wanted))[0]

    def act(self, name, *arguments, **more):
        with self.engine.begin() as connection:
            return getattr(self.orders, name)(connection, *arguments, **more)

    def follow(self):
        while self.following.step():
            pass


class Proxy:
    """The worklist of one МО."""

    def __init__(self, centre, mo=MO):
        self.centre = centre
        self.engine = database(centre.folder / f"proxy-{mo}.sqlite")
        self.line = Line(centre.endpoints, mo)
        self.clock = centre.clock
        self.entries = Entries(self.engine, self.clock, ZONE)
        self.expected = []
        self.pulling = Pulling(self, self.entries, self.expected.extend)
        self.manual = ManualOrders(mo, self.entries, self, self.clock, ZONE)
        self.woken = 0
        self.pulling.wake = self._wake
        self.runner = Runner(self, {}, self.clock, {"worklist": self.pulling})
        devices = {device.aet: device for device in REGION.organization(mo).devices}
        self.devices = devices
        self.finding = Finding(self.engine, self.clock, ZONE, devices, 14)

    def _wake(self):
        self.woken += 1

    def ask(self, method, path, document=None):
        return self.line.ask(method, path.replace("wait=20", "wait=0"), document)

    def pull(self):
        self.centre.follow()
        self.pulling.read_all()

    def find(self, aet="CT42001", **keys):
        answers = self.finding.answer(query(**keys), aet)
        return [pydicom.dcmread(BytesIO(entry)) for entry in answers.entries]

    def numbers(self, aet="CT42001", **keys):
        return [found.AccessionNumber for found in self.find(aet, **keys)]


def query(charset="ISO_IR 192", **keys):
    """A query as a device sends it; keys of the step have their names, too."""
    asked, step = Dataset(), Dataset()
    if charset:
        asked.SpecificCharacterSet = charset
    asked.PatientName = asked.PatientID = asked.AccessionNumber = asked.StudyInstanceUID = ""
    for name in ("ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"):
        setattr(step, name, "")
    step.Modality = ""
    for name, value in keys.items():
        setattr(step if name.startswith("Scheduled") or name == "Modality" else asked, name, value)
    asked.ScheduledProcedureStepSequence = [step]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = "1.2.3"
    file = FileDataset("", asked, file_meta=meta, preamble=b"\0" * 128)
    written = BytesIO()
    pydicom.dcmwrite(written, file, enforce_file_format=True)
    return written.getvalue()


@pytest.fixture
def centre(tmp_path):
    made = Centre(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def proxy(centre):
    made = Proxy(centre)
    yield made
    made.engine.dispose()


@pytest.fixture
def both(centre, proxy):
    other = Proxy(centre, OTHER)
    yield SimpleNamespace(own=proxy, other=other)
    other.engine.dispose()
