"""A centre and proxies in memory, with all of retrieval between them: only Orthanc and the network are missing."""

import hashlib
from collections import Counter
from zoneinfo import ZoneInfo

import pytest

from cami.access import Identity, Role
from cami.archive import Change, orthanc_id
from cami.delivery import Holdings, Pace
from cami.delivery.adoption import Adoption
from cami.delivery.disk import Room, Thresholds
from cami.delivery.link import Part
from cami.errands import Bell, ErrandBook, Runner, errand_endpoints, open_errands
from cami.errors import Invalid, NotFound, Transient
from cami.region import Prefetch
from cami.retrieval import (
    Announcements,
    Announcer,
    Awaiting,
    Catalogue,
    Documents,
    Downloads,
    Fetcher,
    Fetches,
    Handlers,
    Prefetcher,
    Raising,
    Requests,
    Returns,
    Schedule,
    Shelves,
    StudyRegister,
    retrieval_wire_endpoints,
)
from cami.web import Request
from tests.unit.delivery.conftest import Line, ProxySide, Region, Shelf, dicom
from tests.unit.errands.conftest import Tokens, call

ZONE = ZoneInfo("Asia/Novokuznetsk")


class Library(Shelf):
    """An archive in memory that can also be asked about studies; `tags` says more of a Study Instance UID."""

    def __init__(self):
        super().__init__()
        self.tags = {}

    def store(self, file):
        identity = self.parse(file)
        if not self.full and not self.instances_of(identity.study_id):
            self.log.append(Change(len(self.log) + 1, "NewStudy", identity.study_id))
        return super().store(file)

    def get(self, uri):
        if not uri.startswith("/studies/"):
            return super().get(uri)
        found = self._study(uri.removeprefix("/studies/"))
        if found is None:
            raise NotFound("no such resource")
        return found

    def _study(self, study_id):
        for file in self.files.values():
            it = self.parse(file)
            if it.study_id == study_id:
                more = self.tags.get(it.study_uid, {})
                tags = {"StudyInstanceUID": it.study_uid, "StudyDescription": "Chest", "StudyDate": "20260101"}
                return {
                    "ID": study_id,
                    "ParentPatient": orthanc_id(it.patient_id),
                    "MainDicomTags": tags
                    | {key: value for key, value in more.items() if key[:5] in ("Study", "Issue")},
                    "PatientMainDicomTags": {"PatientID": it.patient_id, "PatientName": "Иванов^Пётр"},
                }
        return None

    def find(self, query):
        if query["Level"] == "Series" and "ParentStudy" in query:
            found = self._study(query["ParentStudy"])
            more = self.tags.get(found["MainDicomTags"]["StudyInstanceUID"], {}) if found else {}
            return [
                {"MainDicomTags": {"Modality": more.get("Modality", "CT"), "BodyPartExamined": more.get("Body", "")}}
            ]
        if "ParentPatient" in query:
            assert query["Labels"], "an empty list would be no constraint"
            studies = (self._study(study_id) for study_id in self.get("/studies"))
            return [
                study
                for study in studies
                if study["ParentPatient"] == query["ParentPatient"]
                and self.labels.get(study["ID"], set()) & set(query["Labels"])
            ]
        return super().find(query)


class Link(Line):
    """The whole line: delivery's calls, and those that go through the endpoints."""

    endpoints = ()

    def ask(self, method, path, document=None):
        fault = self._fault()
        status, answer = call(self.endpoints, method, "/cami/wire/v1" + path, self.mo, document)
        if fault == "answer lost":
            raise Transient("line cut")
        if status == 404:
            raise NotFound("404")
        assert status == 200, answer
        return answer

    def part(self, path, start, size):
        fault = self._fault()
        self.region.reads[path] += 1
        headers = {"x-cami-token": self.mo, "range": f"bytes={start}-{start + size - 1}"}
        import re

        path = "/cami/wire/v1" + path
        endpoint = next(found for found in self.endpoints if re.fullmatch(found.pattern, path))
        groups = re.fullmatch(endpoint.pattern, path).groups()
        response = endpoint.handler(Request("GET", path, headers, groups=groups))
        if fault == "answer lost":
            raise Transient("line cut")
        if response.status == 404:
            raise NotFound("404")
        if response.status == 416:
            raise Invalid("416")
        assert response.status == 206
        unit, total = dict(response.headers)["Content-Range"].split("/")
        assert unit == f"bytes {start}-{start + len(response.body) - 1}"
        return Part(response.body, int(total))


class Disk:
    """A volume."""

    def __init__(self):
        self.state = "well"
        self.room = Room(10**12, 10**12)
        self.thresholds = Thresholds(2 * 10**9, 10**9)


class Country(Region):
    """A centre and the proxies of two МО, with retrieval."""

    def __init__(self, folder):
        super().__init__(folder)
        self.central = Library()
        self.reads = Counter()
        self.restart()
        self.bell = Bell(lambda: open_errands(self.central_db), 5)
        self.book = ErrandBook(self.central_db, self.clock, self.bell)
        self.announcements = Announcements(self.central_db, self.clock)
        self.register = StudyRegister(self.central_db, self.announcements)
        self.awaiting = Awaiting(self.central_db, self.clock, self.book, self.register)
        self.requests = Requests(self.register, self.awaiting)
        self.shelves = Shelves(self.central, self.central_db, self.clock)
        self.endpoints = [
            *errand_endpoints(Tokens(), self.book, self.bell),
            *retrieval_wire_endpoints(Tokens(), self.announcements, self.shelves),
        ]

    def proxy(self, mo="42001", rules=None):
        return Hospital(self, mo, rules or Prefetch())


class Hospital(ProxySide):
    """A proxy with retrieval."""

    def __init__(self, region, mo, rules):
        self.mo = mo
        self.rules = rules
        self.disk = Disk()
        self.part_size = 1000
        self.library = Library()
        super().__init__(region, mo)

    def restart(self):
        self.archive = self.library
        self.line = Link(self.region, self.mo)
        self.line.endpoints = self.region.endpoints
        super().restart()
        clock, engine = self.region.clock, self.engine
        self.holdings = Holdings(engine, clock)
        self.catalogue = Catalogue(self.archive, engine, clock)
        self.fetches = Fetches(engine, clock, self.holdings)
        self.folder = self.region.folder / f"downloads-{self.mo}"
        self.downloads = Downloads(self.folder, self.line, Pace(), self.part_size)
        self.fetcher = Fetcher(
            archive=self.archive,
            fetches=self.fetches,
            holdings=self.holdings,
            adoption=Adoption(engine, clock),
            catalogue=self.catalogue,
            downloads=self.downloads,
            link=self.line,
            disk=self.disk,
        )
        self.returns = Returns(
            self.mo, catalogue=self.catalogue, fetches=self.fetches, fetcher=self.fetcher, link=self.line
        )
        self.schedule = Schedule(engine, clock, ZONE, self.rules)
        self.announcer = Announcer(self.catalogue, self.line, clock)
        self.prefetcher = Prefetcher(
            schedule=self.schedule,
            fetches=self.fetches,
            link=self.line,
            rules=self.rules,
            room_for=lambda size: size < 10**9,
            clock=clock,
        )
        self.raising = Raising(engine, clock, self.queue)
        handlers = Handlers(
            archive=self.archive,
            feed=self.feed,
            queue=self.queue,
            holdings=self.holdings,
            raising=self.raising,
            link=self.line,
            wake_senders=lambda: None,
        )
        self.documents = Documents(
            archive=self.archive, adoption=Adoption(engine, clock), downloads=self.downloads, link=self.line
        )
        self.runner = Runner(Impatient(self.line), {**handlers.by_kind(), **self.documents.by_kind()}, clock)
        self.fetcher.recover()

    def arrive(self, *, told=True):
        """What came in is seen by the feed and the catalogue, and the centre is told."""
        while self.feed.advance():
            pass
        more = True
        while more:
            new, more = self.catalogue.advance()
            self.schedule.arrived(new)
        if told:
            while self.announcer.step():
                pass

    def fetch_all(self, steps=300):
        """Work off what is to be fetched; the line's faults are waited out."""
        for _ in range(steps):
            try:
                if self.fetcher.step() and not self.fetches.due():
                    break
            except Transient:
                self.region.clock.pass_(seconds=1)
            while self.feed.advance():
                pass

    def evict(self, study_id):
        """Let go of a study as retention does."""
        ids = self.archive.instances_of(study_id)
        assert self.holdings.begin_eviction(study_id, ids)
        for instance_id in ids:
            self.archive.delete_instance(instance_id)
        self.holdings.end_eviction(study_id)


class Impatient:
    """Asks for errands without waiting."""

    def __init__(self, line):
        self._line = line

    def ask(self, method, path, document=None):
        return self._line.ask(method, path.replace("wait=20", "wait=0").replace("wait=10", "wait=0"), document)


def person(role=Role.RADIOLOGIST, mo="42001"):
    return Identity(f"{role.value}.{mo}", "Кто-то", role, mo)


def study_id(patient="P1", study="1.1"):
    return orthanc_id(patient, study)


def fill(hospital, patient="P1", study="1.1", count=3, size=10, **tags):
    """Store a study at a proxy, as its devices do; return its Orthanc id."""
    hospital.archive.tags[study] = hospital.region.central.tags[study] = tags
    for number in range(count):
        content = hashlib.sha256(f"{study}{number}".encode()).hexdigest() * (size // 64 + 1)
        hospital.archive.store(dicom(patient, study, f"{study}.1", f"{study}.1.{number}", content))
    return study_id(patient, study)


def delivered(hospital, *studies, **options):
    """Store studies at a proxy, deliver them, and let go of them."""
    ids = [fill(hospital, study=study, **options) for study in studies]
    hospital.arrive()
    hospital.work(4)
    for each in ids:
        hospital.evict(each)
    return ids


@pytest.fixture
def country(tmp_path):
    made = Country(tmp_path)
    yield made
    for engine in made.engines:
        engine.dispose()


@pytest.fixture
def hospital(country):
    return country.proxy()
