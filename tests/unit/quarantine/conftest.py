"""A centre and a proxy with real DICOM in memory, and the desks of both."""

from datetime import timedelta

import pytest

from cami.access import Identity, Role
from cami.delivery import Coercing, Quarantine
from cami.quarantine import Carrier, CentralSide, Decisions, ProxySide, QuarantineDesk, Register, Removal
from cami.region import Organization
from tests.unit.delivery.conftest import Region
from tests.unit.delivery.images import DicomShelf

MO, OTHER = "42001", "42002"
TECHNOLOGIST = Identity("lab.42001", "Лаборантов Пётр", Role.TECHNOLOGIST, MO)
STRANGER = Identity("lab.42002", "Плёнкина Ольга", Role.TECHNOLOGIST, OTHER)
MO_ADMIN = Identity("adm.42001", "Управлялов Олег", Role.MO_ADMIN, MO)
OPERATOR = Identity("operator", "Дежурный", Role.OPERATOR, "")
ADMIN = Identity("admin", "Администратор", Role.REGION_ADMIN, "")
DOCTOR = Identity("rad.42001", "Рентгенова Анна", Role.RADIOLOGIST, MO)

ORGANIZATION = Organization.model_validate(
    {
        "code": MO,
        "oid": "1.2.643.5.1.13.13.12.2.42.9901",
        "full_name": "Больница",
        "short_name": "ГБ № 1",
        "proxy": {"aet": "PROXY42001", "link": {"mbit_s": 2}},
        "devices": [
            {
                "aet": "CT42001", "name": "Томограф", "modality": "CT", "address": "10.1.1.5",
                "character_set": {"default": "windows-1251"},
            }
        ],
    }
)  # fmt: skip


class SenderShelf(DicomShelf):
    """An archive that knows who sent an instance, and searches as Orthanc does, by whole values."""

    def get(self, uri):
        found = super().get(uri)
        return {"RemoteAET": "CT42001", **found} if uri.startswith("/instances/") else found

    def find(self, query):
        level, wanted = query["Level"], query["Query"]
        found = {}
        for key, file in self.files.items():
            identity = self.parse(file)
            known = {
                "SOPInstanceUID": identity.sop_uid,
                "StudyInstanceUID": identity.study_uid,
                "AccessionNumber": self.accession(file),
            }
            if all(known[name] == value for name, value in wanted.items()):
                tags = {"StudyInstanceUID": identity.study_uid, "AccessionNumber": known["AccessionNumber"]}
                whole = {"ID": identity.study_id, "MainDicomTags": tags, "PatientMainDicomTags": {}}
                found[key if level == "Instance" else identity.study_id] = whole
        return list(found.values()) if query.get("Expand") else list(found)

    @staticmethod
    def accession(file):
        from cami.quarantine import Header

        return Header(file).text(0x00080050)


class Office:
    """A desk and who does its work."""

    def __init__(self, role, side, *, engine, quarantine, clock):
        archive = side._archive
        self.engine, self.quarantine, self.clock, self.side = engine, quarantine, clock, side
        self.register = Register(engine, proxy=role == "proxy")
        self.decisions = Decisions(engine, clock)
        self.woken = 0
        self.desk = QuarantineDesk(
            role=role,
            mo=MO if role == "proxy" else "",
            archive=archive,
            register=self.register,
            decisions=self.decisions,
            side=side,
            wake=self.wake,
        )
        self.carrier = Carrier(
            engine=engine,
            clock=clock,
            register=self.register,
            decisions=self.decisions,
            side=side,
            system="PROXY42001" if role == "proxy" else "CAMI",
            keep_for=timedelta(days=30),
        )
        self.removal = Removal(archive, engine, quarantine, clock)

    def wake(self):
        self.woken += 1

    def carry(self):
        while self.carrier.step():
            pass

    def remove(self):
        while self.removal.step():
            pass

    def only(self, identity=TECHNOLOGIST):
        """The one group that somebody sees."""
        (shown,) = self.desk.groups(identity)
        return shown

    def decide(self, action, *, target="", number=None, identity=TECHNOLOGIST, reason="так надо"):
        group = self.only(identity).group.id
        count = self.desk.decide(identity, group, action, reason, target=target, number=number)
        self.carry()
        return count

    def latest(self):
        return self.decisions.latest(1)[0]


class World:
    """A region with the desk of its centre and of one proxy."""

    def __init__(self, folder):
        self.region = Region(folder)
        self.region.central = SenderShelf()
        self.region.restart()
        self.clock = self.region.clock
        self.proxy = self.region.proxy(MO)
        self.proxy.archive = SenderShelf()
        self.proxy.restart()
        self.coercing = Coercing(self.proxy.archive, ORGANIZATION, ORGANIZATION.proxy)
        self.woken = []
        local = Quarantine(folder / "proxy-quarantine", self.proxy.engine, self.clock)
        wired = {"mo": MO, "coercing": self.coercing, "wake": lambda: self.woken.append(1)}
        side = ProxySide(self.proxy.archive, self.proxy.engine, local, **wired)
        self.at_proxy = Office("proxy", side, engine=self.proxy.engine, quarantine=local, clock=self.clock)
        kept, engine = self.region.quarantine, self.region.central_db
        side = CentralSide(self.region.central, engine, kept, self.region.receiver)
        self.at_centre = Office("central", side, engine=engine, quarantine=kept, clock=self.clock)

    def deliver(self, mo, dicom):
        """What another МО's proxy does."""
        return self.region.receiver.receive(mo, dicom)

    def send(self, *files):
        """Store files at the proxy and let it send them."""
        for dicom in files:
            self.proxy.archive.store(dicom)
        self.proxy.work(2)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    for engine in made.region.engines:
        engine.dispose()
