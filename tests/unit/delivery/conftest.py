"""Two archives in memory, their databases, and a line between them that can be cut at any point."""

import hashlib
import io
import json
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import event

from cami.archive import Change, ChangePage, InstanceIdentity, Marks, ObjectIdentity, Reread, StoreOutcome, check_uids
from cami.audit import AuditTrail
from cami.audit.recent import Recent
from cami.db import open_engine
from cami.db.tables import metadata
from cami.delivery import ChangeFeed, Confirming, Courier, DeliveryQueue, Manifests, ProxyReports, Quarantine, Receiver
from cami.delivery.controls import Controls
from cami.delivery.journal import CentralJournal, DeviceJournal, KeptApart, Origin
from cami.delivery.line import Line as LineState
from cami.delivery.link import ManifestAnswer, Receipt
from cami.delivery.manifests import Announcement
from cami.delivery.meter import Meter
from cami.delivery.repeat import Repeats
from cami.delivery.reports import Report
from cami.errors import NotFound, Permanent, Transient
from tests.unit.fakes import Hands


def dicom(patient="P1", study="1.1", series="1.1.1", sop="1.1.1.1", content="pixels"):
    """Make an object that `Shelf` can parse."""
    return json.dumps([patient, study, series, sop, content]).encode()


class Shelf:
    """An archive in memory, with Orthanc's habits: a change log, identifiers by hash, no overwriting."""

    def __init__(self):
        self.files = {}
        self.log = []
        self.labels = {}
        self.user_metadata = {}
        self.full = False
        self.damaged = {}
        self.bytes_of_a_file = 10
        self.on_delete = lambda instance_id: None

    def parse(self, dicom):
        try:
            patient, study, series, sop, _ = json.loads(dicom)
        except ValueError as error:
            raise Permanent("not DICOM") from error
        identity = ObjectIdentity(patient, study, series, sop, "CT", "Chest")
        check_uids(identity)
        return identity

    def store(self, dicom):
        if self.full:
            raise Transient("Orthanc did not store (StorageFull)")
        identity = self.parse(dicom)
        already = identity.instance_id in self.files
        if not already:
            self.files[identity.instance_id] = dicom
            self.log.append(Change(len(self.log) + 1, "NewInstance", identity.instance_id))
        return StoreOutcome(identity.instance_id, identity.study_id, already)

    def changes(self, since, limit):
        page = [change for change in self.log if change.seq > since][:limit]
        last = page[-1].seq if page else since
        return ChangePage(page, last, last == len(self.log))

    def last_change(self):
        return len(self.log)

    def list_instances(self, since, limit):
        return list(self.files)[since : since + limit]

    def identify(self, instance_id):
        if instance_id not in self.files:
            return None
        it = self.parse(self.files[instance_id])
        return InstanceIdentity(
            instance_id, "series", it.study_id, it.sop_uid, it.series_uid, it.study_uid, "CT", "Chest", 10
        )

    def identify_arrivals(self, instance_ids):
        return [self.identify(instance_id) for instance_id in instance_ids]

    def read(self, instance_id):
        return self.files.get(instance_id)

    def stored_md5(self, instance_id):
        file = self.files.get(instance_id)
        return None if file is None else hashlib.md5(file).hexdigest()

    def reread(self, instance_id):
        file = self.files.get(instance_id)
        if file is None:
            return None
        file = self.damaged.get(instance_id, file)
        return Reread(hashlib.sha256(file).hexdigest(), intact=instance_id not in self.damaged, size=len(file))

    def open_stored(self, instance_id):
        file = self.damaged.get(instance_id, self.files.get(instance_id))
        return None if file is None else io.BytesIO(file)

    def in_plain(self, dicom):
        return dicom

    def marks(self, study_id):
        own = {name: value for (study, name), value in self.user_metadata.items() if study == study_id}
        return Marks(tuple(self.labels.get(study_id, ())), own)

    def put_marks(self, study_id, marks):
        for label in marks.labels:
            self.put_label(study_id, label)
        for name, value in marks.metadata.items():
            self.put_metadata(study_id, name, value)

    def delete_instance(self, instance_id):
        """Like Orthanc: with the last instance the study goes, and with it what was put on it."""
        self.on_delete(instance_id)
        file = self.files.pop(instance_id, None)
        self.damaged.pop(instance_id, None)
        if file is not None and not self.instances_of(study_id := self.parse(file).study_id):
            self.labels.pop(study_id, None)
            for key in [key for key in self.user_metadata if key[0] == study_id]:
                del self.user_metadata[key]

    def get(self, uri):
        if uri == "/statistics":
            return {"TotalDiskSize": str(len(self.files) * self.bytes_of_a_file)}
        if uri.startswith("/instances/"):
            if uri.split("/")[2] not in self.files:
                raise NotFound("no such resource")
            return {"SopClassUid": "1.2.840.10008.5.1.4.1.1.2"}
        assert uri == "/studies"
        return list(dict.fromkeys(self.parse(file).study_id for file in self.files.values()))

    def find(self, query):
        if query["Level"] == "Series" and "ParentStudy" in query:
            found = {}
            for key, file in self.files.items():
                it = self.parse(file)
                if it.study_id == query["ParentStudy"]:
                    found.setdefault(it.series_id, []).append(key)
            tags = {"SeriesInstanceUID": "1.1.1", "Modality": "CT", "SeriesDescription": "Chest"}
            return [{"ID": key, "MainDicomTags": tags, "Instances": images} for key, images in found.items()]
        (uid,) = query["Query"].values()
        if query["Level"] == "Instance":
            return [key for key, file in self.files.items() if self.parse(file).sop_uid == uid]
        found = (self.parse(file) for file in self.files.values())
        return list(dict.fromkeys(it.study_id for it in found if it.study_uid == uid))

    def study_of(self, level, resource):
        if resource in self.files:
            return self.parse(self.files[resource]).study_id
        return resource if self.instances_of(resource) else None

    def instances_of(self, study_id):
        return [key for key, file in self.files.items() if self.parse(file).study_id == study_id]

    def put_label(self, study_id, label):
        self.labels.setdefault(study_id, set()).add(label)

    def put_metadata(self, study_id, name, value):
        self.user_metadata[study_id, name] = value


@dataclass
class Line:
    """`cami.delivery.CentralLink` without a network: `faults` says what happens to the next calls."""

    region: "Region"
    mo: str
    faults: list = field(default_factory=list)
    calls: int = 0
    needs_help = False

    def send(self, dicom, sha256, passage, *, begun=False):
        fault = self._fault()
        total = int(passage.headers.get("X-Cami-Study-Total", 0))
        reception = self.region.receiver.receive(self.mo, dicom, study_total=total)
        if fault == "answer lost":
            raise Transient("line cut")
        return Receipt(reception.outcome, reception.reason, reception.sha256)

    def probe(self):
        self._fault()

    def help(self, *, urgent_only, before):
        return False

    def confirm(self, manifest):
        fault = self._fault()
        announced = Announcement(manifest.study_id, manifest.instances, manifest.pixels, manifest.series, manifest.lag)
        check = self.region.manifests.check(self.mo, announced)
        if fault == "answer lost":
            raise Transient("line cut")
        return ManifestAnswer(
            check.missing, check.different, check.pixels_different, check.pending, pixels_compared=True
        )

    def compare(self, summaries):
        self._fault()
        return tuple(self.region.manifests.compare(self.mo, summaries))

    def verify(self, instances):
        fault = self._fault()
        bad = tuple(self.region.manifests.verify(self.mo, instances))
        if fault == "answer lost":
            raise Transient("line cut")
        return bad

    def report(self, runs):
        fault = self._fault()
        self.region.reports.note(self.mo, [Report.parse(run) for run in runs])
        if fault == "answer lost":
            raise Transient("line cut")

    def _fault(self):
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "cut":
            raise Transient("line cut")
        return fault


@cache
def _empty_database() -> bytes:
    """Return a database with all tables, made once: making them takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/empty.sqlite")
        metadata.create_all(engine)
        engine.dispose()
        return Path(folder, "empty.sqlite").read_bytes()


class Region:
    """A centre and the proxies of two МО."""

    def __init__(self, folder):
        self.clock = Hands()
        self.folder = folder
        self.engines = []
        self.central = Shelf()
        self.central_db = self.database()
        self.trail = AuditTrail(self.central_db, self.clock, "central")
        self.quarantine = Quarantine(folder / "quarantine", self.central_db, self.clock, KeptApart(self.trail))
        self.reports = ProxyReports(self.central_db, self.clock)
        self.restart()

    def restart(self):
        """What a crash of the centre does."""
        journal = CentralJournal(self.trail)
        self.receiver = Receiver(self.central, self.central_db, self.quarantine, self.clock, journal=journal)
        self.manifests = Manifests(
            self.central, self.central_db, self.receiver.contents, self.receiver.damage, self.clock, journal=journal
        )

    def read_contents(self):
        while self.receiver.contents.step():
            pass

    def database(self):
        file = self.folder / f"{len(self.engines)}.sqlite"
        file.write_bytes(_empty_database())
        engine = open_engine(f"sqlite:///{file}")
        # What is tested here is the logic; waiting for the disk at each commit would only take time.
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        self.engines.append(engine)
        return engine

    def proxy(self, mo):
        return ProxySide(self, mo)


class ProxySide:
    """A proxy with its archive, queue and line."""

    def __init__(self, region, mo):
        self.region = region
        self.archive = Shelf()
        self.engine = region.database()
        self.line = Line(region, mo)
        self.restart()

    def restart(self):
        """What a crash does: all that was in memory is gone."""
        self.queue = DeliveryQueue(self.engine, self.region.clock)
        trail = AuditTrail(self.engine, self.region.clock, f"proxy-{self.line.mo}")
        recent = Recent(self.region.clock, timedelta(minutes=5))
        self.queue.tell_arrivals(
            DeviceJournal(trail, self.line.mo, lambda _instance: Origin("CT1", "10.0.0.9"), recent)
        )
        self.feed = ChangeFeed(self.archive, self.queue)
        self.line_state = LineState(self.region.clock)
        self.meter = Meter()
        self.courier = Courier(
            self.archive, self.queue, self.line, self.region.clock, line=self.line_state, meter=self.meter
        )
        self.confirming = Confirming(self.queue, self.line, self.region.clock)
        self.controls = Controls(self.line.mo, self.queue, Repeats(self.engine))
        self.queue.recover()

    def work(self, rounds=50):
        """Run until nothing is left to do, with the clock going on; failures of the line are retried."""
        for _ in range(rounds):
            while self.feed.advance():
                pass
            try:
                while self.courier.send_next():
                    pass
                self.region.read_contents()
                self.confirming.confirm_due()
            except Transient:
                pass
            self.region.clock.pass_(seconds=6)


@pytest.fixture
def region(tmp_path):
    made = Region(tmp_path)
    yield made
    for engine in made.engines:
        engine.dispose()
