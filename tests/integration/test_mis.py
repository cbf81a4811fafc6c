"""The МИС and a real region: orders in, what became of them out, over kills of either side."""

import os
import signal
import socket
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import pydicom
import pytest
import requests
import yaml
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from cami_cli.hl7.client import MllpClient
from cami_cli.hl7.examples import Sender
from cami_cli.hl7.examples import order as hl7_order
from cami_cli.hl7.receiver import Receiver
from cami_cli.mis.client import FhirClient, read_access
from tests.integration.test_worklist import numbers
from tests.live import CAMI, ROOT, LiveRegion, cami, wait_until
from tests.relay import Relay

MO = "42001"
pytestmark = pytest.mark.timeout(400)


class Simulated:
    """``scripts/cami mis simulate`` as a process of its own."""

    def __init__(self, region, folder):
        self._region = region
        self._folder = Path(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = None

    def start(self):
        command = [CAMI, "mis", "simulate", "--state", self._region.state, "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*map(str, command), "--folder", str(self._folder)], start_new_session=True, env=os.environ
        )
        wait_until("the simulated МИС answers", self._answers, 180)

    def _answers(self):
        assert self._process.poll() is None, "the simulated МИС has ended"
        try:
            return requests.get(self.url + "/api/health", timeout=2).json()["subscribed"]
        except requests.RequestException:
            return False

    def kill(self):
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def order(self, **form):
        form = {"patient": "4512207", "modality": "CT", "reason": "Исключить панкреонекроз"} | form
        return requests.post(self.url + "/api/orders", json=form, timeout=60).json()

    def told(self):
        return requests.get(self.url + "/api/told", timeout=10).json()

    def orders(self):
        return requests.get(self.url + "/api/orders", timeout=10).json()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


#: Where the centre listens for HL7, and where it tells the МИС.
HL7_IN, HL7_OUT = free_port(), free_port()
HL7 = {
    "listen": {"port": str(HL7_IN), "tls": "false"},
    "systems": [
        {
            "name": "legacy",
            "title": "МИС по HL7",
            "application": "KUZDRAV",
            "facilities": [{"name": "RB01", "mo": MO}],
            "oid": "1.2.643.5.1.13.13.12.2.42.9999.100.7.1",
            "addresses": ["127.0.0.1"],
            "send": {"host": "127.0.0.1", "port": str(HL7_OUT), "tls": "false"},
        }
    ],
}


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    content = yaml.load((ROOT / "orthanc-config" / "region.yaml").read_text(), Loader=yaml.BaseLoader)
    content["hl7"] = HL7
    content["organizations"][0]["proxy"]["worklist"] = {"quiet_minutes": "0"}
    registry = tmp_path_factory.mktemp("registry") / "region.yaml"
    registry.write_text(yaml.safe_dump(content, allow_unicode=True))
    with LiveRegion(tmp_path_factory.mktemp("region"), registry) as live:
        yield live


@pytest.fixture(scope="module")
def mis(region, tmp_path_factory):
    simulated = Simulated(region, tmp_path_factory.mktemp("mis"))
    try:
        simulated.start()
        yield simulated
    finally:
        simulated.kill()


@pytest.fixture(scope="module")
def client(region):
    return FhirClient(read_access(Path(region.state)))


def image(order, number=1):
    """Make a CT slice as a device does that has the order on its worklist."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = order["study_uid"]
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[order["study_uid"]])
    dataset.PatientID, dataset.PatientName, dataset.Modality = order["patient"], "Тестова^Анна^Петровна", "CT"
    dataset.SpecificCharacterSet, dataset.AccessionNumber = "ISO_IR 192", order["accession"]
    dataset.StudyDate, dataset.StudyTime, dataset.StudyDescription = time.strftime("%Y%m%d"), "101500", "КТ ОБП"
    dataset.PatientBirthDate, dataset.PatientSex = "19610314", "F"
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.InstanceNumber = 15, 0, number
    dataset.PixelData = np.random.default_rng(number).integers(0, 2**16, 64 * 64, dtype=np.uint16).tobytes()
    return dataset


def store(region, *datasets):
    dicom = region.proxy(MO)["dicom"]
    entity = AE(ae_title=f"CT{MO}")
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"])
    assert association.is_established
    try:
        assert [association.send_c_store(dataset).Status for dataset in datasets] == [0] * len(datasets)
    finally:
        association.release()


def last_order(mis):
    return mis.orders()[0]


def heard(mis, kind, request):
    return [
        message["body"]
        for message in mis.told()
        if message["body"]["resourceType"] == kind and request in str(message["body"])
    ]


def test_an_order_comes_back_as_images(region, mis, client):
    placed = mis.order(priority="urgent")
    assert placed["status"] == 200, placed
    order = last_order(mis)
    store(region, image(order, 1), image(order, 2))
    wait_until("the images are available in the МИС", lambda: last_order(mis)["study_status"] == "available", 60)
    wait_until("the order is completed in the МИС", lambda: last_order(mis)["status"] == "completed", 60)
    found = client.call("GET", "/ImagingStudy", query={"based-on": order["request"]})
    (study,) = [entry["resource"] for entry in found.body["entry"]]
    assert (study["status"], study["numberOfInstances"]) == ("available", 2)
    assert study["identifier"][1]["value"] == order["accession"]
    # After the start it can be neither cancelled nor moved to another device.
    task = client.call("GET", f"/Task/{order['task']}").body
    coding = {"system": "urn:cami:cancel-reason", "code": "no-show"}
    late = client.call(
        "PUT",
        f"/Task/{order['task']}",
        {**task, "status": "cancelled", "statusReason": {"coding": [coding]}},
        headers={"If-Match": f'W/"{task["meta"]["versionId"]}"'},
    )
    assert (late.status, late.codes) == (422, ["CAMI-0041"])


def test_nothing_is_lost_when_the_centre_or_the_mis_is_killed(region, mis, client):
    """Orders while the centre is killed with -9, then the МИС away while states change, killed with -9 too."""
    known = {each["number"] for each in mis.orders()}
    accepted = []
    for number in range(4):
        if number == 2:
            region.server("kill", "central")
            region.server("start", "central")
        placed = mis.order(reason=f"причина {number}")
        assert placed["status"] == 200
        accepted.append(placed)
    orders = [each for each in mis.orders() if each["number"] not in known]
    assert len({each["accession"] for each in orders}) == len(orders) == 4
    found = client.call("GET", "/Task", query={"_count": "200"}).body["entry"]
    assert {each["task"] for each in orders} <= {entry["resource"]["id"] for entry in found}

    mis.kill()
    for order in orders[:2]:
        store(region, image(order))
    region.settle(MO, 4)
    region.server("kill", "central")
    region.server("start", "central")
    mis.start()
    for order in orders[:2]:
        wait_until(
            "told of the images",
            lambda order=order: heard(mis, "ImagingStudy", f"ServiceRequest/{order['request']}'"),
            90,
        )
    wait_until("both are completed", lambda: [
        each["status"] for each in mis.orders() if each["number"] in {order["number"] for order in orders[:2]}
    ] == ["completed"] * 2, 60)  # fmt: skip
    ids = [message["event_id"] for message in mis.told()]
    assert len(ids) == len(set(ids))
    by_patient = [message["seq"] for message in mis.told() if message["body"].get("resourceType") == "Task"]
    assert by_patient == sorted(by_patient)


def test_both_sides_pass_the_conformance_run(region, mis):
    ours = cami("mis", "check", "--state", region.state)
    assert "не пройдено: 0" in ours.stdout
    secret = (mis._folder / "hook.secret").read_text().strip()
    theirs = cami("mis", "check", "--hook", f"{mis.url}/hook", "--header", f"Authorization: Bearer {secret}")
    assert "не пройдено: 0" in theirs.stdout


def test_a_click_shows_these_images_and_no_others(region, mis, client):
    order = next(each for each in mis.orders() if each["study_status"] == "available")
    browser = requests.Session()
    page = browser.post(f"{mis.url}/orders/{order['number']}/images", timeout=30, allow_redirects=False)
    launch = browser.get(page.headers["Location"], timeout=30, allow_redirects=False)
    assert launch.headers["Location"].startswith("/ohif/viewer?StudyInstanceUIDs=2.25.")
    assert browser.get(region.central + launch.headers["Location"], timeout=30).status_code == 200
    seen = browser.get(region.central + "/dicom-web/studies", timeout=30).json()
    numbers = {study["0020000D"]["Value"][0] for study in seen}
    assert order["study_uid"] in numbers
    patients = {study["00100020"]["Value"][0] for study in seen}
    assert patients == {order["patient"]}
    assert browser.get(region.central + "/cami/whoami", timeout=30).json()["role"] == "guest"
    again = requests.get(page.headers["Location"], timeout=30)
    assert "Вернитесь в МИС" in again.text
    lasting = browser.get(f"{region.central}/cami/s/{order['study_uid']}", timeout=30, allow_redirects=False)
    assert lasting.headers["Location"].startswith("/ohif/viewer?")
    stranger = requests.get(f"{region.central}/cami/s/{order['study_uid']}", timeout=30, allow_redirects=False)
    assert stranger.headers["Location"].startswith("/cami/login?next=")


def test_strangers_get_nothing(region):
    fhir = region.about["mis"]["fhir"]
    assert requests.get(fhir + "/metadata", timeout=10).status_code == 200
    assert requests.get(fhir + "/Task", timeout=10).status_code == 401
    doctor = region.session("radiologist", MO)
    assert doctor.get(fhir + "/Task", timeout=10).status_code == 401
    secret = {"grant_type": "client_credentials", "client_id": doctor.auth[0], "client_secret": doctor.auth[1]}
    assert requests.post(region.about["mis"]["token_url"], data=secret, timeout=30).status_code == 401


class Legacy:
    """A МИС that speaks HL7: it sends orders, and is told by a listener that comes and goes."""

    def __init__(self):
        self.now = datetime.now(ZoneInfo("Asia/Novokuznetsk"))
        self.told = []
        self._receiver = None

    def order(self, number, what="NW", patient="700700"):
        sender = Sender(number=number, patient=patient, device=f"CT{MO}")
        return hl7_order(sender, f"{number}-{what}", self.now, what=what)

    def send(self, message):
        with MllpClient("127.0.0.1", HL7_IN) as line:
            return line.tell(message)

    def listen(self):
        self._receiver = Receiver(HL7_OUT, lambda _data, message: self.told.append(message))
        threading.Thread(target=self._receiver.serve, daemon=True).start()

    def close(self):
        if self._receiver:
            self._receiver.close()

    def heard(self, number):
        return [
            ("^".join(message.kind), message.first("ORC").text(5))
            for message in list(self.told)
            if message.first("ORC").text(2) == number
        ]


@pytest.fixture
def legacy():
    made = Legacy()
    yield made
    made.close()


def test_an_order_by_hl7_is_on_the_worklist_and_its_life_is_told_after_an_absence(region, legacy):
    placed = legacy.send(legacy.order("H-1"))
    assert placed.first("MSA").text(1) == "AA"
    accession, uid = placed.first("ORC").text(3), placed.first("IPC").text(3)
    wait_until("the device finds the order", lambda: numbers(region, f"AccessionNumber={accession}"), 30)
    # Nobody listens while the study is made and comes to the centre.
    store(region, image({"study_uid": uid, "patient": "700700", "accession": accession}))
    operator = region.session("operator")
    page = f"{region.central}/cami/mis"
    wait_until("the silent МИС shows", lambda: "МИС не отвечает" in operator.get(page, timeout=30).text, 60)
    legacy.listen()
    wait_until("all of it is told", lambda: len(legacy.heard("H-1")) >= 3, 90)
    heard = legacy.heard("H-1")
    assert heard[0][0] == "OMI^O23"
    assert ("OMI^O23", "CM") in heard or ("OMI^O23", "IP") in heard
    assert ("ORU^R01", "CM") in heard or ("ORU^R01", "IP") in heard
    controls = [each.control for each in legacy.told]
    assert len(set(controls)) == len(controls)
    # What was refused is on the operator's page, without whose it is.
    assert legacy.send(legacy.order("H-1", what="CA")).first("MSA").text(1) == "AE"
    shown = operator.get(f"{region.central}/cami/hl7", timeout=30).text
    assert "H-1-CA" in shown
    assert "Исследование уже начато" in shown
    assert "700700" not in shown
    assert "Тестова" not in shown


def test_orders_by_hl7_survive_kill_9_in_the_middle(region, legacy):
    """The centre is killed while orders come; what has no answer is sent again, and each order is there once."""
    wanted = [f"K-{number}" for number in range(30)]
    numbers_of = {}
    killer = threading.Timer(0.5, lambda: region.server("kill", "central"))
    killer.start()
    for number in wanted:
        try:
            numbers_of[number] = legacy.send(legacy.order(number)).first("ORC").text(3)
        except OSError:
            break
    killer.join()
    region.server("start", "central")
    for number in wanted:
        answer = wait_until("the listener is back", lambda number=number: _again(legacy, number), 60)
        accession = answer.first("ORC").text(3)
        assert numbers_of.setdefault(number, accession) == accession
    assert len(set(numbers_of.values())) == len(wanted)


def _again(legacy, number):
    try:
        answer = legacy.send(legacy.order(number))
    except OSError:
        return None
    return answer if answer.first("MSA").text(1) == "AA" else None


def test_the_listener_passes_its_conformance_run(region):
    done = cami("hl7", "check", "--to", f"127.0.0.1:{HL7_IN}", "--device", f"CT{MO}")
    assert "не пройдено: 0" in done.stdout


@pytest.fixture
def line(region):
    """The line between the proxy and the centre, which the test cuts."""
    relay = Relay(urlsplit(region.central).port)
    region.lead_through(MO, relay.url)
    yield relay
    region.lead_through(MO, region.central)
    relay.close()


def test_a_question_survives_a_lost_line_and_its_answer_reaches_the_mis(region, mis, line):
    """Asked about one image; the line is cut; the rest, the answer and its way down come when it is back."""
    doctor, consultant = region.session("clinician", MO), region.session("consultant", "42900")

    def call(who, method, path, **more):
        return who.request(method, region.central + path, timeout=60, **more)

    mis.order()
    order = last_order(mis)
    api, uid = "/cami/api/consultations", order["study_uid"]
    store(region, image(order, 1))
    given = {
        "studies": [uid], "urgency": "stat", "profile": "radiology", "route": "radiology-centre", "phone": "1",
        "question": "Есть ли панкреонекроз?", "send": True,
    }  # fmt: skip
    asked = wait_until("the centre knows the study", lambda: _sent(call(doctor, "POST", api, json=given)), 90)
    line.refuse()
    store(region, *(image(order, number) for number in range(2, 9)))
    assert call(consultant, "POST", f"{api}/{asked}/take").json()["state"] == "in-work"

    def instances(who=consultant, server=region.central):
        answer = who.get(f"{server}/dicom-web/studies/{uid}/instances", timeout=60)
        return {each["00080018"]["Value"][0] for each in answer.json()} if answer.status_code == 200 else set()

    assert len(instances()) < 8
    line.restore()
    wait_until("the study is whole", lambda: len(instances()) == 8, 120)
    call(consultant, "PUT", f"{api}/{asked}/answer", json={"conclusion": "Панкреонекроза нет.", "revision": 0})
    line.refuse()
    signed = call(consultant, "POST", f"{api}/{asked}/answer/sign", json={"password": consultant.auth[1]})
    assert signed.json()["state"] == "done"
    assert instances() == set()  # the right has ended with the request
    versions = call(doctor, "GET", f"{api}/{asked}/answer").json()["versions"]
    assert versions[0]["conclusion"] == "Панкреонекроза нет."
    report = wait_until("the МИС has it", lambda: heard(mis, "Bundle", f"'C-{asked}'"), 90)[0]
    assert "Панкреонекроза нет." in str(report)
    assert "application/xml" in str(report)  # the СЭМД beside the PDF
    line.restore()
    wait_until("the answer is at the МО", lambda: len(instances(doctor, region.proxy(MO)["url"])) == 10, 120)


def _sent(answer):
    return answer.status_code == 200 and answer.json()["number"]
