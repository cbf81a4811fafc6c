"""A proxy's routing on an archive in memory that answers as Orthanc does, and a destination that fails on request."""

from types import SimpleNamespace

import pytest
from sqlalchemy import event, select

from cami.archive import Change, ChangePage, InstanceIdentity
from cami.db import open_engine
from cami.db.tables import forwarding, metadata
from cami.delivery import ChangeFeed, DeliveryQueue
from cami.errors import NotFound, Transient
from cami.routing import (
    AllRules,
    DryRun,
    FactReader,
    Forwarder,
    Forwardings,
    Notices,
    Router,
    RulesFromCentre,
    Versions,
)
from cami.routing.reading import Known
from tests.unit.fakes import Hands

MO = "42001"
#: 10:00 in Novokuznetsk, a Monday.
MORNING = "20260105T030000"
KNOWN = Known(["rsc", "web"], ["42002"])


class Cabinet:
    """An archive in memory: images with tags, metadata and a change log."""

    def __init__(self):
        self.images = {}
        self.log = []
        self.failing = set()

    def add(
        self,
        key,
        *,
        study="s1",
        series="1",
        device="CT42001",
        origin="DicomProtocol",
        received="20260105T030000",
        **tags,
    ):
        self.images[key] = SimpleNamespace(study=study, series=f"{study}.{series}", tags={"Modality": "CT", **tags})
        self.images[key].metadata = {"RemoteAET": device, "Origin": origin, "ReceptionDate": received}
        self.log.append(Change(len(self.log) + 1, "NewInstance", key))
        return key

    def changes(self, since, limit):
        page = [change for change in self.log if change.seq > since][:limit]
        last = page[-1].seq if page else since
        return ChangePage(page, last, last == len(self.log))

    def last_change(self):
        return len(self.log)

    def list_instances(self, since, limit):
        return list(self.images)[since : since + limit]

    def identify(self, key):
        if key not in self.images:
            return None
        image = self.images[key]
        modality = image.tags["Modality"]
        return InstanceIdentity(
            key, image.series, image.study, key, image.series, f"1.2.{image.study}", modality, "", 10
        )

    def identify_arrivals(self, keys):
        return [self.identify(key) for key in keys]

    def instances_of(self, study):
        return [key for key, image in self.images.items() if image.study == study]

    def read(self, key):
        return key.encode() if key in self.images else None

    def get(self, uri):
        kind, key, what = uri.strip("/").split("/")
        if key in self.failing:
            raise Transient("Orthanc cannot answer")
        if kind == "studies":
            series = {}
            for name, image in self.images.items():
                if image.study == key:
                    series.setdefault(image.series, []).append(name)
            return [{"Instances": names} for names in series.values()]
        if key not in self.images:
            raise NotFound("no such resource")
        return self.images[key].metadata if what == "metadata?expand" else self.images[key].tags


class Way:
    """A destination; `faults` says what happens to the next images."""

    def __init__(self):
        self.stored = []
        self.faults = []
        self.searchable = True
        self.closed = 0

    def store(self, dicom, header):
        if self.faults:
            raise self.faults.pop(0)
        self.stored.append(header)

    def holds(self, header):
        return self.searchable and header in self.stored

    def greet(self):
        if self.faults:
            raise self.faults.pop(0)

    def close(self):
        self.closed += 1


class Proxy:
    """A proxy's delivery and routing."""

    def __init__(self, folder, monkeypatch):
        self.clock = Hands()
        self.archive = Cabinet()
        self.engine = open_engine(f"sqlite:///{folder}/cami.sqlite")
        event.listen(self.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        metadata.create_all(self.engine)
        # An object is its name here; real heads are read in test_dicom_node.py.
        monkeypatch.setattr("cami.routing.forwarder.read_header", lambda dicom: dicom.decode())
        self.restart()
        self.router.begin()

    def restart(self):
        """What a crash does: all that was in memory is gone."""
        self.queue = DeliveryQueue(self.engine, self.clock)
        self.feed = ChangeFeed(self.archive, self.queue)
        self.facts = FactReader(self.archive, MO, "Asia/Novokuznetsk", self.clock)
        self.versions = Versions(self.engine, self.clock, KNOWN)
        self.centre = RulesFromCentre(self.engine, self.clock, MO, KNOWN)
        self.forwardings = Forwardings(self.engine, self.clock)
        self.notices = Notices(self.engine, self.clock)
        self.dry_run = DryRun(self.archive, self.engine, self.facts)
        self.router = Router(
            archive=self.archive, engine=self.engine, clock=self.clock, facts=self.facts,
            rules=AllRules(self.versions, self.centre),
            forwardings=self.forwardings, notices=self.notices,
        )  # fmt: skip
        self.forwardings.recover()

    def rules(self, text):
        latest = self.versions.latest()
        return self.versions.add(text, base=latest.version if latest else 0, why="test", who="adm")

    def read(self):
        """Let delivery and routing look at all that came in."""
        while self.feed.advance():
            pass
        while self.router.advance():
            pass

    def forwarder(self, way, name="rsc", *, verify=False):
        return Forwarder(
            destination=name, archive=self.archive, forwardings=self.forwardings, way=way, verify=verify
        )  # fmt: skip

    def wanted(self):
        """Return what has to be forwarded: (destination, instance) → state."""
        with self.engine.connect() as connection:
            rows = connection.execute(select(forwarding)).all()
        return {(row.destination, row.instance_id): row.state for row in rows}


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    made = Proxy(tmp_path, monkeypatch)
    yield made
    made.engine.dispose()


def rule(when, then, name="r"):
    return f"rules:\n  - name: {name}\n    when: {when}\n    then: {then}\n"
