"""What a proxy keeps and when it lets go: a full disk, retention, commitment, comparison with the centre."""

import os
import shutil
import sqlite3
from collections import Counter
from contextlib import closing

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from tests.live import LiveRegion, cami, wait_until
from tests.registry import MO, PROXY, Registry, ShapedRegion

GB = 1_000_000_000
#: Seconds that anything may take on a machine that has much else to do.
PATIENCE = 150
pytestmark = pytest.mark.timeout(900)
OUT_OF_RESOURCES = 0xA700


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """The module's region. Each test lets it `follow` its own registry first, so none depends on what another left."""
    with ShapedRegion(tmp_path_factory.mktemp("region")) as live:
        yield live


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "region.yaml")


def image(study=None, patient="KEEP-1", number=1):
    """Make a small CT slice."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = study or generate_uid()
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[dataset.StudyInstanceUID])
    dataset.PatientID, dataset.PatientName, dataset.Modality = patient, "Иванов^Пётр", "CT"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.InstanceNumber = number
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = np.random.default_rng(number).integers(0, 2**16, 64 * 64, dtype=np.uint16).tobytes()
    return dataset


def store(region, *datasets):
    """Store images as a device does; return the statuses."""
    dicom = region.proxy(MO)["dicom"]
    entity = AE(ae_title="CT42001")
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"])
    assert association.is_established
    try:
        return [association.send_c_store(dataset).Status for dataset in datasets]
    finally:
        association.release()


def log_of(region, server=PROXY):
    return (region.state / "servers" / server / "server.log").read_text()


def metrics(region, base):
    answer = region.session("region_admin").get(base + "/tools/metrics-prometheus", timeout=30)
    return dict(line.split()[:2] for line in answer.text.splitlines() if line and not line.startswith("#"))


def test_a_full_disk_refuses_new_images_and_takes_them_when_there_is_room(region, registry, tmp_path):
    # By its rules: what else goes on on this volume must not decide. A volume that really fills up: tests/faults.
    much = f"{shutil.disk_usage(tmp_path).total / GB + 1:.2f}"
    registry.proxy["disk"] = {"warn_free_gb": much, "stop_free_gb": "0.001"}
    region.follow(registry)
    first, second = image(number=1), image(number=2)
    assert store(region, first) == [0]
    assert region.delivery(MO)["disk"]["state"] == "low"
    registry.proxy["disk"] = {"warn_free_gb": f"{2 * float(much):.2f}", "stop_free_gb": much}
    region.follow(registry)
    assert region.delivery(MO)["disk"]["state"] == "full"
    assert store(region, second) == [OUT_OF_RESOURCES]
    assert study_of(region, second) == {}
    registry.proxy.pop("disk")
    region.follow(registry)
    assert store(region, second) == [0]
    for dataset in (first, second):
        wait_until("delivered", lambda of=dataset: study_of(region, of)["confirmed"] == 1, PATIENCE)
    log = log_of(region)
    assert "the disk is getting full" in log
    assert "the disk is full" in log


def test_what_cannot_be_kept_in_quarantine_is_refused(region, registry):
    region.follow(registry)
    dataset = image(number=20)
    assert store(region, dataset) == [0]
    dataset.PixelData = bytes(len(dataset.PixelData))
    quarantine = region.state / "servers" / PROXY / "data" / "quarantine"
    before = set(quarantine.iterdir())
    quarantine.chmod(0o500)
    try:
        (status,) = store(region, dataset)
    finally:
        quarantine.chmod(0o700)
    assert status != 0, "told that it was accepted, the device would forget it"
    assert set(quarantine.iterdir()) == before
    assert store(region, dataset) == [0]
    assert len(set(quarantine.iterdir()) - before) == 1
    wait_until("delivered", lambda: study_of(region, dataset)["confirmed"] == 1, PATIENCE)


def test_a_full_centre_takes_nothing_and_loses_nothing(region, registry, tmp_path):
    volume = shutil.disk_usage(tmp_path)
    registry.content["centre"]["disk"] = {
        "warn_free_gb": f"{volume.total / GB + 2:.2f}",
        "stop_free_gb": f"{volume.total / GB + 1:.2f}",
    }
    region.follow(registry)
    said = len(log_of(region))
    dataset = image(number=3)
    assert store(region, dataset) == [0]
    wait_until("507", lambda: "the centre answered HTTP 507" in log_of(region)[said:], PATIENCE)
    assert study_of(region, dataset)["confirmed"] == 0
    assert float(metrics(region, region.central)["cami_disk_state"]) == 2
    assert 0 < float(metrics(region, region.central)["cami_disk_free_bytes"]) < volume.total
    registry.content["centre"].pop("disk")
    region.follow(registry)
    wait_until("delivered", lambda: study_of(region, dataset)["confirmed"] == 1, PATIENCE)


def sops_of(region):
    """Return the SOP Instance UIDs of the local archive."""
    answer = region.session("radiologist", MO).post(
        region.proxy(MO)["url"] + "/tools/find", json={"Level": "Instance", "Query": {}, "Expand": True}, timeout=30
    )
    return {instance["MainDicomTags"]["SOPInstanceUID"] for instance in answer.json()}


def test_a_quota_evicts_the_longest_unused_and_what_returns_is_known(region, registry):
    region.follow(registry)
    opened, gone, last = (image(patient=f"KEEP-{number}") for number in range(3))
    for dataset in (opened, gone, last):
        dataset.PixelData = os.urandom(2048 * 2048 * 2)  # 8 MB, so that a quota can tell them apart
        dataset.Rows = dataset.Columns = 2048
        assert store(region, dataset) == [0]
        wait_until("delivered", lambda of=dataset: study_of(region, of)["confirmed"] == 1, PATIENCE)
    answer = region.session("radiologist", MO).get(
        f"{region.proxy(MO)['url']}/dicom-web/studies/{opened.StudyInstanceUID}/metadata",
        headers={"Accept": "application/dicom+json"},
        timeout=30,
    )
    assert answer.status_code == 200
    wait_until("the reading noted", lambda: read_at(region, opened), PATIENCE)
    said = len(log_of(region))
    # Two of the three fit, beside small ones that other tests have left.
    registry.proxy["retention"] = {"quota_gb": "0.0175"}
    region.follow(registry)
    wait_until("an eviction", lambda: study_of(region, gone)["evicted"] == 1, PATIENCE)
    assert study_of(region, opened)["confirmed"] == 1, "it was opened last"
    assert study_of(region, last)["confirmed"] == 1
    assert sops_of(region) & {of.SOPInstanceUID for of in (opened, gone, last)} == {
        opened.SOPInstanceUID,
        last.SOPInstanceUID,
    }
    assert "evicted study" in log_of(region)[said:]
    assert "KEEP-" not in log_of(region)

    # A device sends it again: new here, the same at the centre.
    assert store(region, gone) == [0]
    wait_until("confirmed again", lambda: study_of(region, gone)["confirmed"] == 1, PATIENCE)
    assert study_of(region, gone)["quarantined"] == 0
    # And a late image of an evicted study.
    registry.proxy["retention"] = {"quota_gb": "0.000001"}
    region.follow(registry)
    wait_until("evicted again", lambda: study_of(region, gone)["evicted"] == 1, PATIENCE)
    registry.proxy.pop("retention")
    region.follow(registry)
    late = image(study=gone.StudyInstanceUID, patient=gone.PatientID, number=2)
    assert store(region, late) == [0]
    wait_until("the late one confirmed", lambda: study_of(region, gone)["confirmed"] == 1, PATIENCE)
    (there,) = [study for study in region.studies() if study["study_uid"] == gone.StudyInstanceUID]
    assert (there["instances"], there["expected"]) == (2, 2)


def read_at(region, dataset):
    """Say whether it is noted when a study was opened."""
    database = region.state / "servers" / PROXY / "data" / "cami.sqlite"
    opened = "SELECT count(*) FROM study_read JOIN delivery_item USING (study_id) WHERE sop_uid = ?"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(opened, (dataset.SOPInstanceUID,)).fetchone()[0]


def stored_file(region, server, dataset):
    """Find the file in which a server's Orthanc keeps an image."""
    storage = region.state / "servers" / server / "data" / "orthanc"
    (path,) = [
        file
        for file in storage.glob("??/??/*")
        if dataset.SOPInstanceUID.encode() in (content := file.read_bytes()) and content.endswith(dataset.PixelData)
    ]
    return path


def rot(path):
    """Change one bit of a file, as a failing disk does."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def study_of(region, dataset):
    found = [study for study in region.delivery(MO)["studies"] if study["study_uid"] == dataset.StudyInstanceUID]
    return found[0] if found else Counter()


def test_a_file_that_is_damaged_at_the_centre_keeps_the_copy_at_the_proxy(region, registry):
    region.follow(registry)
    dataset = image(patient="KEEP-ROT")
    assert store(region, dataset) == [0]
    wait_until("confirmed", lambda: study_of(region, dataset)["confirmed"] == 1, PATIENCE)
    rot(stored_file(region, "central", dataset))
    said = len(log_of(region))
    registry.proxy["retention"] = {"quota_gb": "0.000001"}
    region.follow(registry)
    wait_until("noticed", lambda: "the centre cannot read 1 of its files" in log_of(region)[said:], PATIENCE)
    assert study_of(region, dataset)["confirmed"] == 1


ABSENT, CONFLICT, FAILED = 0x0112, 0x0119, 0x0110


class Device:
    """A device that asks for commitment and listens for the answer on a port of its own."""

    def __init__(self):
        self.reports = {}
        entity = AE(ae_title="CT42001")
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._heard)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.socket.getsockname()[1]

    def _heard(self, event):
        report = event.event_information
        told = {item.ReferencedSOPInstanceUID: 0 for item in report.get("ReferencedSOPSequence", [])}
        told |= {item.ReferencedSOPInstanceUID: item.FailureReason for item in report.get("FailedSOPSequence", [])}
        self.reports[report.TransactionUID] = (event.event_type, told)
        return 0x0000, None

    def ask(self, region, *items, aet="CT42001"):
        """Ask about (SOP class, SOP instance) pairs; return the status of the N-ACTION and the transaction."""
        dicom = region.proxy(MO)["dicom"]
        entity = AE(ae_title=aet)
        entity.add_requested_context(StorageCommitmentPushModel)
        association = entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"])
        if not association.is_established:
            return None, ""
        question = pydicom.Dataset()
        question.TransactionUID = generate_uid()
        question.ReferencedSOPSequence = []
        for sop_class, sop_instance in items:
            item = pydicom.Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
            question.ReferencedSOPSequence.append(item)
        status, _ = association.send_n_action(
            question, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        association.release()
        return status.get("Status"), question.TransactionUID

    def answer(self, region, *items):
        status, transaction = self.ask(region, *items)
        assert status == 0
        return wait_until("the report", lambda: self.reports.get(transaction), PATIENCE)


@pytest.fixture
def device():
    made = Device()
    yield made
    made.server.shutdown()


def test_commitment_is_answered_truthfully(region, registry, device):
    registry.content["organizations"][0]["devices"][0]["port"] = str(device.port)
    region.follow(registry)
    whole, damaged, deleted = (image(patient="KEEP-SC", number=number) for number in range(3))
    assert store(region, whole, damaged, deleted) == [0, 0, 0]
    asked = [(CTImageStorage, dataset.SOPInstanceUID) for dataset in (whole, damaged, deleted)]
    assert device.answer(region, *asked) == (1, {uid: 0 for _, uid in asked})
    # On the disk, past all caches: Orthanc's own commitment says "success" to both.
    rot(stored_file(region, PROXY, damaged))
    stored_file(region, PROXY, deleted).unlink()
    unknown = generate_uid()
    assert device.answer(region, *asked, (CTImageStorage, unknown), (MRImageStorage, whole.SOPInstanceUID)) == (
        2,
        {
            damaged.SOPInstanceUID: FAILED,
            deleted.SOPInstanceUID: FAILED,
            unknown: ABSENT,
            whole.SOPInstanceUID: CONFLICT,
        },
    )
    assert device.answer(region, asked[0]) == (1, {whole.SOPInstanceUID: 0})
    assert "storage commitment for CT42001: 1 committed, 1 unknown, 1 other class, 2 damaged" in log_of(region)


def test_commitment_can_demand_the_centre(region, registry, device):
    registry.content["organizations"][0]["devices"][0]["port"] = str(device.port)
    registry.proxy["commitment"] = "central"
    region.follow(registry)
    region.server("stop", "central")
    try:
        dataset = image(patient="KEEP-SC", number=9)
        assert store(region, dataset) == [0]
        asked = (CTImageStorage, dataset.SOPInstanceUID)
        assert device.answer(region, asked) == (2, {dataset.SOPInstanceUID: FAILED})
    finally:
        region.server("start", "central")
    wait_until("confirmed", lambda: study_of(region, dataset)["confirmed"] == 1, PATIENCE)
    assert device.answer(region, asked) == (1, {dataset.SOPInstanceUID: 0})


def test_only_devices_that_listen_may_ask(region, registry, device):
    region.follow(registry)
    known = (CTImageStorage, generate_uid())
    for stranger in ("MR42001", "NOBODY"):
        status, _ = device.ask(region, known, aet=stranger)
        assert status != 0
    assert device.reports == {}


def reconcile(region, *, code=0):
    """Compare the proxy with the centre by the command line; return the counts that it prints, zeros left out."""
    done = cami("delivery", "reconcile", "--to", MO, "--state", region.state, check=False)
    assert done.returncode == code, done.stderr
    counts = {line[11:]: int(line[:9]) for line in done.stdout.splitlines()[1:]}
    return {words: count for words, count in counts.items() if count}


def change_database(region, server, *statements):
    """Do to a server's database what a bug or an accident would, while it is down."""
    region.server("stop", server)
    with closing(sqlite3.connect(region.state / "servers" / server / "data" / "cami.sqlite")) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount == 1
        connection.commit()
    region.server("start", server)


def test_a_comparison_finds_and_repairs_differences(tmp_path_factory, registry):
    region = LiveRegion(tmp_path_factory.mktemp("compared"))
    try:
        region.up(registry.write())
        first = [image(patient="KEEP-A", number=number) for number in range(6)]
        for dataset in first[1:]:
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = first[0].StudyInstanceUID, first[0].SeriesInstanceUID
        second = image(patient="KEEP-B", number=9)
        assert store(region, *first, second) == [0] * 7
        region.settle(MO, 7)
        assert reconcile(region) == {"studies compared": 2, "images here": 7}

        # The queue has forgotten one; the centre remembers other content of another.
        forgotten, other = first[0].SOPInstanceUID, first[1].SOPInstanceUID
        change_database(region, PROXY, f"DELETE FROM delivery_item WHERE sop_uid = '{forgotten}'")
        change_database(region, "central", f"UPDATE received_instance SET sha256 = 'x' WHERE sop_uid = '{other}'")
        found = reconcile(region, code=1)
        assert found == {
            "studies compared": 2,
            "images here": 7,
            "unknown to the queue, now sent": 1,
            "other content at the centre, set apart": 1,
        }
        region.settle(MO, 7)
        assert study_of(region, first[0])["quarantined"] == 1

        # The centre begins anew: all that is here is sent again.
        region.server("stop", "central")
        shutil.rmtree(region.state / "servers" / "central" / "data")
        region.up(registry.path)
        assert reconcile(region)["missing at the centre, sent again"] == 6
        region.settle(MO, 7)
        assert sum(study["instances"] for study in region.studies()) == 6
        assert reconcile(region) == {"studies compared": 2, "images here": 7}
        report = region.session("mo_admin", MO).get(
            region.proxy(MO)["url"] + "/cami/api/delivery/completeness", timeout=30
        )
        assert [run["missing"] for run in report.json()["runs"]] == [0, 6, 0, 0]
        doctor = region.session("radiologist", MO)
        url = region.proxy(MO)["url"] + "/cami/api/delivery/reconcile"
        assert doctor.post(url, json={}, timeout=30).status_code == 403
    finally:
        region.down()
