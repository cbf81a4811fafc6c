"""Images from a device to the centre, whatever is killed on the way."""

import hashlib
import io
import random
import threading

import pydicom
import pytest
from pydicom.pixels import pixel_array
from pydicom.uid import CTImageStorage, JPEGLSLossless, generate_uid
from pynetdicom import AE

from tests.live import LiveRegion, wait_until

SEED = 20261122


def pixels(dataset):
    """Return a digest of every decoded sample; what has been compressed on the way must come back bit by bit."""
    return hashlib.sha256(pixel_array(dataset, raw=True).tobytes()).hexdigest() if "PixelData" in dataset else ""


def test_each_mo_gets_its_own_studies_with_the_same_pixels(region, phantoms):
    sent = {}
    for mo in ("42001", "42002"):
        files = sorted((phantoms / mo).rglob("*.dcm"))
        assert files
        region.send(phantoms / mo, mo)
        for path in files:
            dataset = pydicom.dcmread(path)
            syntax = dataset.file_meta.TransferSyntaxUID
            sent[dataset.SOPInstanceUID] = (mo, pixels(dataset), syntax if syntax.is_compressed else JPEGLSLossless)
        region.settle(mo, len(files))
    assert sum(study["instances"] for study in region.studies()) == len(sent)
    seen = set()
    for mo in ("42001", "42002"):
        doctor = region.session("radiologist", mo)
        found = doctor.post(
            region.central + "/tools/find", json={"Level": "Instance", "Query": {}, "Expand": True}, timeout=60
        ).json()
        for instance in found:
            uid = instance["MainDicomTags"]["SOPInstanceUID"]
            file = doctor.get(f"{region.central}/instances/{instance['ID']}/file", timeout=60)
            stored = pydicom.dcmread(io.BytesIO(file.content))
            assert sent[uid] == (mo, pixels(stored), stored.file_meta.TransferSyntaxUID)
            seen.add(uid)
    assert seen == set(sent)


def test_the_owner_is_a_label_and_metadata_of_each_study(region):
    admin = region.session("region_admin")
    for study in region.studies():
        base = f"{region.central}/studies/{study['study_id']}"
        assert admin.get(base + "/labels", timeout=30).json() == ["mo-" + study["owner"]]
        assert admin.get(base + "/metadata/CamiOwner", timeout=30).text == study["owner"]


def test_cyrillic_names_arrive_readable(region):
    doctor = region.session("radiologist", "42001")
    answer = doctor.get(region.central + "/dicom-web/studies", headers={"Accept": "application/dicom+json"}, timeout=30)
    names = {study["00100010"]["Value"][0]["Alphabetic"] for study in answer.json()}
    assert names
    for name in names:
        assert all("А" <= letter <= "я" or letter in "Ёё^ -" for letter in name), name


def series(folder, mo, count, rng):
    """Write a CT-like series of small slices with content that compresses badly."""
    folder.mkdir(parents=True, exist_ok=True)
    study, run = generate_uid(), generate_uid()
    for number in range(count):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = pydicom.uid.CTImageStorage
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, run
        dataset.PatientID, dataset.PatientName, dataset.Modality = f"FAULT-{mo}", "Иванов^Пётр", "CT"
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.InstanceNumber = number + 1
        dataset.Rows = dataset.Columns = 128
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation = 15, 0
        dataset.PixelData = rng.randbytes(128 * 128 * 2)
        dataset.save_as(folder / f"{number:04}.dcm", enforce_file_format=True)
    return study


@pytest.mark.timeout(600)
def test_kills_at_random_points_lose_and_double_nothing(tmp_path_factory):
    rng = random.Random(SEED)
    region = LiveRegion(tmp_path_factory.mktemp("killed")).up()
    folder = tmp_path_factory.mktemp("series")
    total = {"42001": 60, "42002": 40}
    studies = {mo: series(folder / mo, mo, count, rng) for mo, count in total.items()}
    try:
        outcome = {}

        def send(mo):
            # The device sends again what was refused or not answered, as devices do, until all is accepted.
            for _ in range(60):
                outcome[mo] = region.send(folder / mo, mo, check=False).returncode
                if outcome[mo] == 0:
                    return

        senders = [threading.Thread(target=send, args=(mo,)) for mo in total]
        for sender in senders:
            sender.start()
        for _ in range(4):
            name = rng.choice(["central", "proxy-42001", "proxy-42002"])
            wait = rng.uniform(0.0, 1.5)
            print(f"seed {SEED}: after {wait:.2f} s {name} is killed")
            threading.Event().wait(wait)
            region.server("kill", name)
            region.server("start", name)
        for sender in senders:
            sender.join()
        assert outcome == {"42001": 0, "42002": 0}
        for mo, count in total.items():
            region.settle(mo, count, 120)
        arrived = {study["study_uid"]: study for study in region.studies()}
        assert set(arrived) == set(studies.values())
        for mo, uid in studies.items():
            assert arrived[uid]["owner"] == mo
            assert arrived[uid]["instances"] == arrived[uid]["expected"] == total[mo]
            doctor = region.session("radiologist", mo)
            question = {"Level": "Instance", "ParentStudy": arrived[uid]["study_id"], "Query": {}}
            there = doctor.post(region.central + "/tools/find", json=question, timeout=30).json()
            assert len(set(there)) == len(there) == total[mo]
    finally:
        region.down()


def test_a_centre_that_is_away_is_caught_up_with(region, tmp_path):
    before = sum(region.delivery("42001")["queue"].values())
    region.server("stop", "central")
    try:
        series(tmp_path / "away", "42001", 20, random.Random(SEED))
        region.send(tmp_path / "away", "42001")
        queue = wait_until("20 in the queue", lambda: region.delivery("42001")["queue"])
        assert queue["confirmed"] + queue["quarantined"] <= before
    finally:
        region.server("start", "central")
    region.settle("42001", before + 20)


def test_the_same_image_with_other_content_is_kept_and_told(region, tmp_path):
    series(tmp_path / "one", "42001", 1, random.Random(1))
    region.send(tmp_path / "one", "42001")
    wait_until("delivered", lambda: region.delivery("42001")["queue"]["queued"] == 0)
    (path,) = (tmp_path / "one").iterdir()
    dataset = pydicom.dcmread(path)
    dataset.PixelData = bytes(128 * 128 * 2)
    dataset.save_as(path)
    region.send(tmp_path / "one", "42001")
    folder = region.state / "servers" / "proxy-42001" / "data" / "quarantine"
    (kept,) = folder.glob("*.dcm")
    assert pydicom.dcmread(kept).PixelData == bytes(128 * 128 * 2)


@pytest.mark.parametrize(
    ("calling", "called"), [("NOBODY", "PROXY42001"), ("CT42002", "PROXY42001"), ("CT42001", "OTHER")]
)
def test_only_the_devices_of_the_mo_are_let_in(region, calling, called):
    dicom = region.proxy("42001")["dicom"]
    entity = AE(ae_title=calling)
    entity.add_requested_context(CTImageStorage)
    association = entity.associate(dicom["host"], dicom["port"], ae_title=called)
    assert not association.is_established


def test_the_centre_takes_no_images_over_dicom(region):
    dicom = region.about["central"]["dicom"]
    entity = AE(ae_title="CT42001")
    entity.add_requested_context(CTImageStorage)
    assert not entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"]).is_established


def test_what_cannot_be_filed_is_refused_with_a_status_and_a_line_in_the_log(region):
    dicom = region.proxy("42001")["dicom"]
    entity = AE(ae_title="CT42001")
    entity.add_requested_context(CTImageStorage)
    association = entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"])
    assert association.is_established
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.PatientID, dataset.PatientName = "P1", "Secret^Name"
    status = association.send_c_store(dataset).Status
    association.release()
    assert status != 0
    log = (region.state / "servers" / "proxy-42001" / "server.log").read_text()
    assert dataset.SOPInstanceUID in log
    assert "required tags" in log
    assert "Secret" not in log
