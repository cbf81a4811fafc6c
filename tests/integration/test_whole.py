"""That what was sent is what is stored, pixel by pixel, and stays so: on real Orthancs, with a real disk that errs."""

import hashlib
import json
import socket
import sqlite3
from contextlib import closing

import numpy as np
import pydicom
import pytest
import yaml
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from tests.live import ROOT, LiveRegion, cami, wait_until

MO = "42001"
PROXY = f"proxy-{MO}"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """The development registry with one proxy, whose link compresses and whose scanner listens."""
    content = yaml.load((ROOT / "orthanc-config" / "region.yaml").read_text(), Loader=yaml.BaseLoader)
    content["organizations"][1].pop("proxy")
    content["organizations"][1].pop("devices")
    content["organizations"][0]["proxy"]["link"]["compression"] = "jpeg-ls"
    content["organizations"][0]["devices"][0]["port"] = str(free_port())
    path = tmp_path_factory.mktemp("registry") / "region.yaml"

    def write():
        path.write_text(yaml.safe_dump(content, allow_unicode=True))
        return path

    return content["organizations"][0], write


@pytest.fixture(scope="module")
def region(tmp_path_factory, registry):
    live = LiveRegion(tmp_path_factory.mktemp("region"))
    try:
        yield live.up(registry[1]())
    finally:
        live.down()


def image(number, syntax=ExplicitVRLittleEndian, patient="WHOLE-1"):
    """Make a smooth CT slice with a nested sequence and a private block, in a study of its own."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientID, dataset.PatientName, dataset.Modality = patient, "Иванов^Пётр", "CT"
    dataset.SpecificCharacterSet = "ISO_IR 192"
    region = pydicom.Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "T-D3000", "SRT", "Chest"
    dataset.AnatomicRegionSequence = [region]
    block = dataset.private_block(0x0029, "CAMI TEST", create=True)
    block.add_new(1, "OB", bytes(range(40)))
    block.add_new(2, "LO", "private")
    dataset.Rows = dataset.Columns = 65  # odd, so that frames need padding in some encodings
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    values = (np.arange(65 * 65) // 9 + np.random.default_rng(number).integers(0, 4, 65 * 65)) % 4096
    dataset.PixelData = values.astype("<u2").tobytes()
    return dataset


def store(region, *datasets):
    """Store images as a device does."""
    dicom = region.proxy(MO)["dicom"]
    for dataset in datasets:
        entity = AE(ae_title="CT42001")
        entity.add_requested_context(CTImageStorage, dataset.file_meta.TransferSyntaxUID)
        association = entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"])
        assert association.is_established
        assert association.send_c_store(dataset).Status == 0
        association.release()


def query(region, server, statement):
    database = region.state / "servers" / server / "data" / "cami.sqlite"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement)]


def found(region, dataset):
    """Return the centre's row and the file of an image there."""
    (row,) = query(
        region,
        "central",
        "SELECT r.*, c.dataset, c.native, c.encapsulated, c.claimed, c.agrees FROM received_instance r "
        f"JOIN stored_content c USING (instance_id) WHERE sop_uid = '{dataset.SOPInstanceUID}'",
    )
    admin = region.session("region_admin")
    info = admin.get(f"{region.central}/instances/{row['instance_id']}/attachments/dicom/info", timeout=30).json()
    uuid = info["Uuid"]
    return row, region.state / "servers" / "central" / "data" / "orthanc" / uuid[:2] / uuid[2:4] / uuid


def marks(region, dataset):
    row, _ = found(region, dataset)
    base = f"{region.central}/studies/{row['study_id']}"
    admin = region.session("region_admin")
    return admin.get(base + "/labels", timeout=30).json(), admin.get(base + "/metadata/CamiOwner", timeout=30).text


def confirmed(region):
    return region.delivery(MO)["queue"]["confirmed"]


def reconcile(region):
    """Compare the proxy with the centre by the command line; return the counts that it prints."""
    done = cami("delivery", "reconcile", "--to", MO, "--state", region.state, check=False)
    return {line[11:]: int(line[:9]) for line in done.stdout.splitlines()[1:]}


@pytest.fixture(scope="module")
def images(region):
    """Images of which the first two are in the archive for all of these tests."""
    made = [image(1), image(2, ImplicitVRLittleEndian), image(3, patient="WHOLE-2")]
    store(region, *made)
    region.settle(MO, 3)
    return made


def test_pixels_are_compared_decoded_and_the_report_says_so(region, images):
    for dataset in images:
        row, path = found(region, dataset)
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == JPEGLSLossless
        assert row["claimed"] == f"native:{row['native']}"
        assert row["native"] == hashlib.sha256(dataset.PixelData[: 65 * 65 * 2]).hexdigest()
        assert (row["agrees"], len(row["encapsulated"]), len(row["dataset"])) == (1, 64, 64)
    verified = query(region, PROXY, "SELECT count(*) AS n FROM sent_content WHERE verified_at IS NOT NULL")
    assert verified == [{"n": 3}]
    for role, mo, shown in (("operator", "", {MO}), ("mo_admin", MO, {MO}), ("mo_admin", "42002", set())):
        answer = region.session(role, mo).get(region.central + "/cami/api/completeness", timeout=30).json()
        assert {entry["mo"] for entry in answer["organizations"]} == shown
        for entry in answer["organizations"]:
            assert (entry["studies"], entry["series"], entry["expected"], entry["received"]) == (3, 3, 3, 3)
            assert (entry["confirmed"], entry["pixels_verified"], entry["damaged"]) == (3, 3, 0)
    assert (
        region.session("radiologist", MO).get(region.central + "/cami/api/completeness", timeout=30).status_code == 403
    )


def test_a_file_that_rots_at_the_centre_is_whole_again_after_the_next_comparison(region, images):
    rotten, gone = images[0], images[2]
    (row, path), (_, lost) = found(region, rotten), found(region, gone)
    original = path.read_bytes()
    spoiled = bytearray(original)
    spoiled[-5] ^= 1
    path.write_bytes(spoiled)
    lost.unlink()
    region.server("stop", "central")
    region.server("start", "central")  # each start begins, or goes on with, a round of rereading
    wait_until("damage found", lambda: len(query(region, "central", "SELECT * FROM file_damage")) == 2, 30)
    report = region.session("operator").get(region.central + "/cami/api/completeness", timeout=30).json()
    assert (report["organizations"][0]["damaged"], report["scrub"]["damaged"]) == (2, 2)
    # The centre is killed about when it replaces them; each single point is killed in the unit tests.
    counted = reconcile(region)
    region.server("kill", "central")
    region.server("start", "central")
    assert counted["missing at the centre, sent again"] == 2
    wait_until("confirmed again", lambda: confirmed(region) == 3, 60)
    assert found(region, rotten)[1].read_bytes() == original
    assert hashlib.sha256(found(region, gone)[1].read_bytes()).hexdigest() == found(region, gone)[0]["sha256"]
    assert found(region, rotten)[0]["sha256"] == row["sha256"]
    damage = query(region, "central", "SELECT * FROM file_damage")
    assert [(entry["repaired_at"] is None, entry["marks"]) for entry in damage] == [(False, None)] * 2
    for dataset in (rotten, gone):
        assert marks(region, dataset) == ([f"mo-{MO}"], MO)
    kept = region.state / "servers" / "central" / "data" / "quarantine"
    assert [file.read_bytes() for file in kept.glob("*.dcm")] == [bytes(spoiled)]
    doctor = region.session("radiologist", MO)
    opened = doctor.get(f"{region.central}/instances/{row['instance_id']}/file", timeout=30)
    assert opened.content == original
    runs = region.session("operator").get(region.central + "/cami/api/completeness", timeout=30).json()
    assert runs["organizations"][0]["damaged"] == 0

    def last_run():
        answer = region.session("operator").get(region.central + "/cami/api/completeness", timeout=30).json()
        return answer["organizations"][0]["last_run"]

    told = wait_until("the proxy's report", last_run, 30)
    assert (told["cause"], told["missing"], told["clean"]) == ("asked", 2, False)


def test_an_image_that_is_sent_again_in_another_encoding_is_present(region, registry, images):
    before = {dataset.SOPInstanceUID: found(region, dataset) for dataset in images}
    proxy, write = registry
    proxy["proxy"]["link"]["compression"] = "none"
    region.server("stop", PROXY)
    database = region.state / "servers" / PROXY / "data" / "cami.sqlite"
    with closing(sqlite3.connect(database)) as connection:  # the answers were lost
        forget = "UPDATE delivery_item SET state = 'queued', sha256 = NULL, stored_at = NULL, confirmed_at = NULL"
        assert connection.execute(forget).rowcount == 3
        connection.commit()
    region.up(write())
    wait_until("confirmed again", lambda: confirmed(region) == 3, 60)
    assert region.delivery(MO)["queue"]["quarantined"] == 0
    for dataset in images:
        row, path = found(region, dataset)
        assert (row["sha256"], path) == (before[dataset.SOPInstanceUID][0]["sha256"], before[dataset.SOPInstanceUID][1])
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == JPEGLSLossless
    here = query(region, PROXY, "SELECT sop_uid, sha256 FROM delivery_item")
    assert {row["sop_uid"]: row["sha256"] for row in here} == {uid: row["sha256"] for uid, (row, _) in before.items()}
    log = (region.state / "servers" / "central" / "server.log").read_text()
    assert "WHOLE-" not in log


def ask(dicom, question):
    """Ask for storage commitment; what got no answer is asked again (pynetdicom drops one that comes too quickly)."""
    entity = AE(ae_title="CT42001")
    entity.add_requested_context(StorageCommitmentPushModel)
    for _ in range(5):
        association = entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"])
        assert association.is_established
        status, _ = association.send_n_action(
            question, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        association.release()
        if "Status" in status:
            assert status.Status == 0
            return
    raise AssertionError("no answer to N-ACTION")


def test_a_device_that_is_away_hears_of_its_question_when_it_is_back(region, registry, images):
    port = int(registry[0]["devices"][0]["port"])
    dicom = region.proxy(MO)["dicom"]
    question = pydicom.Dataset()
    question.TransactionUID = generate_uid()
    item = pydicom.Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, images[0].SOPInstanceUID
    question.ReferencedSOPSequence = [item]
    ask(dicom, question)

    def asked():
        return query(region, PROXY, "SELECT * FROM commitment_request")[0]

    wait_until("tried again", lambda: asked()["attempts"] >= 1, 40)
    assert json.loads(asked()["items"]) == [[CTImageStorage, images[0].SOPInstanceUID]]
    region.server("kill", PROXY)
    heard = []

    def listen(event):
        heard.append((event.event_type, event.event_information))
        return 0x0000, None

    device = AE(ae_title="CT42001")
    device.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
    server = device.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, listen)])
    try:
        # Not before: each try in vain while a busy machine starts the proxy doubles the pause until the next.
        region.server("start", PROXY)
        wait_until("the report", lambda: heard, 60)
        wait_until("noted", lambda: asked()["state"] == "reported", 30)
    finally:
        server.shutdown()
    (kind, information), *_ = heard
    assert (kind, information.TransactionUID) == (1, question.TransactionUID)
    assert [entry.ReferencedSOPInstanceUID for entry in information.ReferencedSOPSequence] == [images[0].SOPInstanceUID]
