"""Routing rules on a real region: what they send where, and that nothing is lost whatever a destination does."""

import sqlite3
import time
from contextlib import closing

import numpy as np
import pydicom
import pytest
import requests
import yaml
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)
from pynetdicom import AE

from cami_cli.ports import choose_free
from tests.integration.destinations import FailingNode, StoreScp, WebArchive
from tests.live import ROOT, LiveRegion, cami, wait_until

MO = "42001"
PROXY = f"proxy-{MO}"

RULES = """rules:
  - name: КТ в сосудистый центр
    when: {tag: Modality, equals: CT}
    then: {send_to: rsc}
  - name: МРТ в соседний архив
    when:
      all:
        - {tag: Modality, equals: MR}
        - {tag: BodyPartExamined, in: [HEAD, BRAIN]}
        - {device: MR42001}
        - {age: {from: 18}}
    then: {send_to: web, share_with: "42002", priority: P1}
"""
TO_NODE = """rules:
  - {name: всё, when: {always: true}, then: {send_to: node}}
"""


SOP_CLASSES = {
    "CT": CTImageStorage,
    "MR": MRImageStorage,
    "DX": DigitalXRayImageStorageForPresentation,
}


class Destinations:
    def __init__(self, folder):
        rsc, web, web_dicom, node = choose_free(4)
        self.rsc = StoreScp(folder / "rsc", rsc, "RSC")
        self.web = WebArchive(folder / "web", web, web_dicom)
        self.node = FailingNode(node, "NODE")

    def registry(self):
        def node(name, aet, port):
            return {"name": name, "title": name, "dicom": {"aet": aet, "host": "127.0.0.1", "port": str(port)}}

        web = {"url": f"{self.web.url}/dicom-web", "authorization": "basic"}
        return [
            node("rsc", "RSC", self.rsc.port),
            node("node", "NODE", self.node.port),
            {"name": "web", "title": "Соседний архив", "verify": "true", "paced": "true", "dicomweb": web},
        ]


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    destinations = Destinations(tmp_path_factory.mktemp("destinations"))
    try:
        destinations.rsc.start()
        destinations.web.start()
        yield destinations
    finally:
        destinations.rsc.stop()
        destinations.web.stop()
        destinations.node.stop()


@pytest.fixture(scope="module")
def region(tmp_path_factory, there):
    folder = tmp_path_factory.mktemp("region")
    content = yaml.load((ROOT / "orthanc-config" / "region.yaml").read_text(), Loader=yaml.BaseLoader)
    content["organizations"][0]["proxy"]["destinations"] = there.registry()
    registry = tmp_path_factory.mktemp("registry") / "region.yaml"
    registry.write_text(yaml.safe_dump(content, allow_unicode=True))
    live = LiveRegion(folder)
    secrets = folder / "servers" / PROXY / "config" / "secrets" / "destinations"
    try:
        live.up(registry)
        secrets.mkdir(parents=True, exist_ok=True)
        (secrets / "web.secret").write_text("router:secret")
        yield live
    finally:
        live.down()


OF_CENTRE = """rules:
  - name: регион, рентген
    organizations: ['42001']
    when: {tag: Modality, equals: DX}
    then: {send_to: node}
  - name: соседи
    organizations: '42002'
    when: {always: true}
    then: {priority: P1}
"""


class Api:
    """The routing interface, as the МО's administrator at its proxy or the region's at the centre."""

    def __init__(self, region, *, central=False):
        self.base = (region.central if central else region.proxy(MO)["url"]) + "/cami/api/routing"
        self.session = region.session("region_admin") if central else region.session("mo_admin", MO)

    def get(self, path=""):
        answer = self.session.get(self.base + path, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path, **body):
        answer = self.session.post(self.base + path, json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def apply(self, content):
        return self.post("", content=content, base=self.get()["version"], why="проверка")["version"]

    def destination(self, name):
        return next(entry for entry in self.get()["destinations"] if entry["name"] == name)


@pytest.fixture
def api(region):
    return Api(region)


def image(modality="CT", *, study=None, number=1, born="19570308", part="HEAD"):
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    sop_class = SOP_CLASSES[modality]
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = study or generate_uid()
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[dataset.StudyInstanceUID, modality])
    dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = "ROUTE-1", "Иванов^Пётр", born
    dataset.SpecificCharacterSet, dataset.Modality, dataset.BodyPartExamined = "ISO_IR 192", modality, part
    dataset.StudyDate, dataset.InstanceNumber = "20260105", number
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = np.random.default_rng(number).integers(0, 2**16, 64 * 64, dtype=np.uint16).tobytes()
    return dataset


def study_of(modality, count, **given):
    uid = generate_uid()
    return [image(modality, study=uid, number=number, **given) for number in range(1, count + 1)]


def store(region, datasets):
    """Store images as the device of their modality does."""
    dicom = region.proxy(MO)["dicom"]
    entity = AE(ae_title=f"{datasets[0].Modality}{MO}")
    entity.add_requested_context(datasets[0].SOPClassUID, ExplicitVRLittleEndian)
    association = entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"])
    assert association.is_established
    try:
        assert {association.send_c_store(dataset).Status for dataset in datasets} == {0}
    finally:
        association.release()
    return [str(dataset.SOPInstanceUID) for dataset in datasets]


def total(region):
    return sum(region.delivery(MO)["queue"].values())


def test_rules_send_what_they_name_and_nothing_else(region, there, api):
    assert api.apply(RULES) == 1
    scan, adult, child = study_of("CT", 5), study_of("MR", 3), study_of("MR", 2, born="20200101")
    sent = store(region, scan)
    mr = store(region, adult)
    store(region, child)
    wait_until("5 at rsc", lambda: there.rsc.received() == sorted(sent), 30)
    wait_until("3 at the web archive", lambda: there.web.received() == sorted(mr), 30)
    region.settle(MO, 10)  # the centre has all of it
    copy = pydicom.dcmread(next(path for path in there.rsc.folder.iterdir() if path.name.endswith(sent[0])))
    assert copy.InstitutionName == "ГБ № 1"  # as the centre gets it
    assert copy.PixelData == scan[0].PixelData
    assert str(copy.PatientName) == "Иванов^Пётр"
    assert there.rsc.requests() == 5
    wait_until("nothing waits", lambda: api.destination("web")["delivered"] == 3, 10)
    assert [entry["waiting"] for entry in api.get()["destinations"]] == [0, 0, 0]

    # The trial run of the same rules tells what has happened.
    run = api.post("/dry-run", content=RULES)
    assert sorted((study["modality"], study["instances"], str(study["destinations"])) for study in run["studies"]) == [
        ("CT", 5, "{'rsc': 5}"),
        ("MR", 2, "{}"),
        ("MR", 3, "{'web': 3}"),
    ]
    (refused,) = (s for s in run["studies"] if s["modality"] == "MR" and s["instances"] == 2)
    assert refused["rules"][1]["because"] == [{"condition": "age 18 to 150", "holds": False, "found": "6"}]


def test_a_share_is_recorded_at_the_centre_and_opens_that_study(region, api):
    database = region.state / "servers" / "central" / "data" / "cami.sqlite"

    def recorded():
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT owner, mo, rule, version, study_id FROM study_share").fetchall()

    ((owner, mo, rule, version, study_id),) = wait_until("recorded", recorded, 20)
    assert (owner, mo, rule, version) == ("42001", "42002", "МРТ в соседний архив", 1)
    assert study_id in {study["study_id"] for study in region.studies("radiologist", "42001")}
    assert api.get()["shares_waiting"] == {}
    other = region.session("radiologist", "42002")

    def seen():
        found = other.post(f"{region.central}/tools/find", json={"Level": "Study", "Query": {}}, timeout=10)
        return found.json() if found.status_code == 200 else []

    wait_until("granted", seen, 30)
    assert seen() == [study_id]
    assert other.get(f"{region.central}/studies/{study_id}", timeout=10).status_code == 200


def test_a_destination_that_was_down_gets_everything_once(region, there, api):
    before, requests_before, all_before = there.rsc.received(), there.rsc.requests(), total(region)
    there.rsc.stop()
    sent = store(region, study_of("CT", 10))
    others = store(region, study_of("MR", 2))
    wait_until("told", lambda: api.destination("rsc")["reason"] == "unreachable", 30)
    wait_until("the other destination has its images", lambda: set(others) <= set(there.web.received()), 30)
    region.settle(MO, all_before + 12)  # and so has the centre
    down = api.destination("rsc")
    assert (down["waiting"], down["failed"]) == (10, 0)
    assert down["rests_until"] is not None
    assert api.post("/destinations/rsc/echo")["answers"] is False
    there.rsc.start()
    wait_until("greets again", lambda: api.post("/destinations/rsc/echo")["answers"], 10)
    api.post("/destinations/rsc/resend")
    wait_until("all there", lambda: there.rsc.received() == sorted(before + sent), 30)
    wait_until("noted", lambda: api.destination("rsc")["waiting"] == 0, 10)
    assert there.rsc.requests() == requests_before + 10


def test_a_destination_that_refuses_is_tried_again_and_told(region, there, api):
    api.apply(TO_NODE)
    there.node.answers = [0xC000]
    sent = store(region, study_of("CT", 3))
    wait_until("all there", lambda: sorted(there.node.got) == sorted(sent), 30)
    there.node.always = 0xA700
    full = store(region, study_of("CT", 2))
    wait_until("out of resources", lambda: api.destination("node")["detail"] == "0xA700", 20)
    wait_until("both wait", lambda: api.destination("node")["waiting"] == 2, 10)
    there.node.always = 0x0000
    api.post("/destinations/node/resend")
    wait_until("there", lambda: set(full) <= set(there.node.got), 20)
    there.node.answers = [0x0122]
    (unsupported,) = store(region, study_of("CT", 1))
    wait_until("failed", lambda: api.destination("node")["failed"] == 1, 20)
    assert api.destination("node")["refused"] == {"not-supported": 1}
    assert api.post("/destinations/node/resend")["resent"] == 1
    wait_until("there", lambda: unsupported in there.node.got, 20)
    assert len(there.node.got) == len(set(there.node.got)) == 6


def test_a_proxy_that_is_killed_loses_nothing(region, there, api):
    there.node.got.clear()
    there.node.delay = 0.5  # a busy machine takes seconds to kill it
    sent = store(region, study_of("CT", 40))
    wait_until("some are there", lambda: len(there.node.got) > 2, 20)
    region.server("kill", PROXY)
    there.node.delay = 0.0
    at_the_kill = len(there.node.got)
    region.server("start", PROXY)
    assert at_the_kill < 40
    wait_until("all there", lambda: set(there.node.got) == set(sent), 30)
    # What was on its way at that moment may come a second time, nothing else.
    time.sleep(1)
    assert len(there.node.got) <= 41
    assert api.destination("node")["waiting"] == 0


def test_text_is_read_as_the_registry_says_and_goes_put_right(region, there, api):
    """DX42001 writes windows-1251 and declares nothing (region.yaml)."""
    api.apply("rules:\n  - {name: ОГК, when: {tag: StudyDescription, matches: ^грудная}, then: {send_to: web}}\n")
    chest, hand = image("DX"), image("DX")
    for dataset, words in ((chest, "Грудная клетка"), (hand, "Кисть")):
        del dataset.SpecificCharacterSet
        dataset.PatientName = "ROUTE"
        dataset.StudyDescription = words.encode("cp1251").decode("latin-1")
        store(region, [dataset])
    wait_until("the chest is there", lambda: str(chest.SOPInstanceUID) in there.web.received(), 30)
    assert str(hand.SOPInstanceUID) not in there.web.received()
    query = {"Level": "Study", "Query": {"StudyInstanceUID": str(chest.StudyInstanceUID)}, "Expand": True}
    answer = requests.post(there.web.url + "/tools/find", json=query, auth=("router", "secret"), timeout=10)
    assert answer.json()[0]["MainDicomTags"]["StudyDescription"] == "Грудная клетка"


def test_going_back_to_earlier_rules(region, there, api):
    version = api.get()["version"]
    api.post("/versions/1/restore", base=version, why="вернуть")
    latest = api.get("/versions")["versions"][0]
    assert (latest["version"], latest["restored"], latest["made_by"]) == (version + 1, 1, "adm.42001")
    node, rsc = len(there.node.got), len(there.rsc.received())
    store(region, study_of("CT", 1))
    wait_until("at rsc again", lambda: len(there.rsc.received()) == rsc + 1, 20)
    assert len(there.node.got) == node


def test_the_command_line_does_what_the_page_does(region, api, tmp_path):
    def routing(*arguments, check=True):
        return cami("routing", *arguments, "--to", MO, "--state", region.state, check=check)

    draft = tmp_path / "rules.yaml"
    draft.write_text(TO_NODE)
    told = routing("dry-run", draft, "--studies", "3").stdout
    assert "1 to node" in told
    assert "+ всё (1 images): always: yes" in told
    version = api.get()["version"]
    assert f"version {version + 1}" in routing("apply", draft, "--why", "проверка").stdout
    assert "всё: if always: send to node" in routing("show").stdout
    history = routing("history").stdout
    assert f"{version + 1}  " in history
    assert "adm.42001: проверка" in history
    draft.write_text(TO_NODE.replace("node", "nowhere"))
    refused = routing("apply", draft, "--why", "x", check=False)
    assert refused.returncode == 1
    assert f'{draft}:2: rules[0].then.send_to: there is no destination "nowhere"' in refused.stderr


def test_rules_of_the_centre_hold_at_a_proxy_and_survive_its_restart_without_the_line(region, there, api):
    api.apply("rules: []")
    central = Api(region, central=True)
    trial = central.post("/dry-run", content=OF_CENTRE, studies=50)["trial"]
    tried = wait_until("tried", lambda: central.get(f"/dry-run/{trial}")["organizations"].get(MO), 20)
    assert {name for study in tried["studies"] for name in study["destinations"]} == {"node"}  # of the two radiographs
    assert {study["modality"] for study in tried["studies"] if study["destinations"]} == {"DX"}
    assert central.apply(OF_CENTRE) == 1

    def here():
        return next(each for each in central.get()["organizations"] if each["mo"] == MO)

    wait_until("in force at the proxy", lambda: here()["version"] == 1, 10)
    assert here()["trouble"] == ""
    assert [rule["name"] for rule in api.get()["centre"]["rules"]] == ["регион, рентген"]
    there.node.got.clear()
    try:
        region.server("kill", "central")
        region.server("kill", PROXY)
        region.server("start", PROXY)
        (sent,) = store(region, [image("DX")])
        wait_until("the radiograph is there", lambda: there.node.got == [sent], 30)
    finally:
        region.server("start", "central")
    central.apply("rules: []")
    wait_until("out of force", lambda: here()["version"] == 2, 30)
    store(region, [image("DX")])
    store(region, study_of("CT", 1))
    assert there.node.got == [sent]


def test_logs_name_no_patient(region):
    log = (region.state / "servers" / PROXY / "server.log").read_text()
    assert "forward-rsc: unreachable" in log
    for secret in ("Иванов", "ROUTE-1", "19570308", "router:secret"):
        assert secret not in log
