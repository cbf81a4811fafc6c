"""What must not be joined to the archive, on real servers: seen, compared, decided of, carried out."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from tests.live import wait_until

MO, OTHER = "42001", "42002"
API = "/cami/api/quarantine"


def image(study, *, seed=1, sop=None, name="Иванов^Пётр", accession="", patient="Q-1"):
    """Make a small CT slice."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = sop or generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, generate_uid(entropy_srcs=[study])
    dataset.PatientID, dataset.PatientName, dataset.Modality = patient, name, "CT"
    dataset.SpecificCharacterSet, dataset.AccessionNumber = "ISO_IR 192", accession
    dataset.StudyDate, dataset.StudyTime, dataset.StudyDescription = "20261122", "101500", "КТ груди"
    dataset.Rows = dataset.Columns = 64
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = np.random.default_rng(seed).integers(0, 2**16, 64 * 64, dtype=np.uint16).tobytes()
    return dataset


def store(region, mo, *datasets):
    """Store images as the CT of an МО does."""
    dicom = region.proxy(mo)["dicom"]
    entity = AE(ae_title=f"CT{mo}")
    entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"])
    assert association.is_established
    try:
        assert [association.send_c_store(dataset).Status for dataset in datasets] == [0] * len(datasets)
    finally:
        association.release()


class Desk:
    """The desk of one server, as somebody there uses it."""

    def __init__(self, region, base, role, mo):
        self.session = region.session(role, mo)
        self.base = base

    def groups(self, study):
        answer = self.session.get(self.base + API, timeout=30)
        answer.raise_for_status()
        return [group for group in answer.json()["groups"] if group["study_uid"] == study]

    def group(self, study):
        return wait_until(f"{study} in quarantine", lambda: self.groups(study), 30)[0]

    def entry(self, group, number=1):
        return self.session.get(f"{self.base}{API}/{group['group']}/{number}", timeout=30)

    def decide(self, group, action, **more):
        document = {"group": group["group"], "action": action, "reason": "проверка", **more}
        answer = self.session.post(self.base + API + "/decide", json=document, timeout=30)
        answer.raise_for_status()
        return answer.json()["decided"]

    def latest(self, study):
        """The latest decision on a study, when it was carried out."""

        def ended():
            decisions = self.session.get(self.base + API + "/decisions", timeout=30).json()["decisions"]
            ours = [decision for decision in decisions if decision["study_uid"] == study]
            return ours if ours and all(decision["outcome"] for decision in ours) else None

        return wait_until("carried out", ended, 30)[0]

    def picture(self, group, which):
        return self.session.get(f"{self.base}/cami/quarantine/{group['group']}/1/{which}", timeout=60)


@pytest.fixture
def proxy(region):
    return Desk(region, region.proxy(MO)["url"], "technologist", MO)


@pytest.fixture
def centre(region):
    return Desk(region, region.central, "technologist", MO)


def files(region, base, study, mo=MO):
    """What a server holds of a study."""
    session = region.session("radiologist", mo)
    question = {"Level": "Instance", "Query": {"StudyInstanceUID": study}}
    found = session.post(base + "/tools/find", json=question, timeout=30).json()
    read = [session.get(f"{base}/instances/{key}/file", timeout=30).content for key in found]
    return [pydicom.dcmread(io.BytesIO(content)) for content in read]


def arrived(region, study, count, mo=MO):
    return wait_until(
        f"{count} images at the centre",
        lambda: found if len(found := files(region, region.central, study, mo)) == count else None,
        30,
    )


def test_other_content_from_a_device_is_compared_and_linked(region, proxy):
    first = image(generate_uid())
    second = image(first.StudyInstanceUID, sop=first.SOPInstanceUID, seed=2, name="Петров^Иван")
    store(region, MO, first)
    arrived(region, first.StudyInstanceUID, 1)
    store(region, MO, second)
    group = proxy.group(first.StudyInstanceUID)
    assert (group["cause"], group["device"], group["patient_name"]) == ("other-content", "CT42001", "Петров^Иван")
    compared = proxy.entry(group).json()
    assert (compared["stored"], compared["same_pixels"]) == (True, False)
    assert [found["keyword"] for found in compared["differences"]] == ["PatientName"]
    held, stored = (proxy.picture(group, which) for which in ("held", "stored"))
    assert held.headers["Content-Type"] == stored.headers["Content-Type"] == "image/png"
    assert held.content != stored.content

    assert proxy.decide(group, "resend") == 1
    assert proxy.latest(first.StudyInstanceUID)["detail"] == "other-content"
    assert proxy.decide(group, "link", target="same") == 1
    decision = proxy.latest(first.StudyInstanceUID)
    assert (decision["outcome"], decision["detail"]) == ("done", "linked")
    there = arrived(region, first.StudyInstanceUID, 2)
    by_uid = {str(dataset.SOPInstanceUID): dataset for dataset in there}
    assert set(by_uid) == {first.SOPInstanceUID, decision["new_sop_uid"]}
    assert by_uid[first.SOPInstanceUID].PixelData == first.PixelData
    new = by_uid[decision["new_sop_uid"]]
    assert (new.PixelData, new.PatientName) == (second.PixelData, "Петров^Иван")
    reasons = [item.ReasonForTheAttributeModification for item in new.OriginalAttributesSequence]
    assert reasons == ["COERCE", "CORRECT"]
    assert proxy.groups(first.StudyInstanceUID) == []


def test_a_cloned_study_uid_becomes_a_study_of_its_own(region, proxy, centre):
    clone = generate_uid()
    theirs = image(clone, patient="Q-2", name="Чужой^Пациент")
    store(region, OTHER, theirs)
    arrived(region, clone, 1, OTHER)
    ours = [image(clone, seed=seed) for seed in range(2, 5)]
    store(region, MO, *ours)
    group = wait_until("all refused", lambda: next((g for g in proxy.groups(clone) if g["entries"] == 3), None), 30)
    assert group["cause"] == "other-mo-study"
    compared = proxy.entry(group).json()
    assert (compared["stored"], compared["differences"]) == (False, [])

    seen = centre.group(clone)
    assert (seen["entries"], seen["source"]) == (3, MO)
    assert centre.entry(seen).json()["stored"] is False, "another МО's study is not shown"
    assert centre.decide(seen, "resend") == 3
    assert centre.latest(clone)["detail"] == "other-mo-study"

    assert (
        proxy.session.post(
            proxy.base + API + "/decide",
            json={"group": group["group"], "action": "link", "target": "same", "reason": "x"},
            timeout=30,
        ).status_code
        == 400
    )
    assert proxy.decide(group, "link", target="new") == 3
    assert proxy.latest(clone)["detail"] == "linked"
    studies = wait_until(
        "the new study",
        lambda: [s for s in region.studies("radiologist", MO) if s["instances"] == 3 and s["confirmed_at"]],
        30,
    )
    (new,) = [study for study in studies if study["study_uid"].startswith("2.25.")]
    stored = files(region, region.central, new["study_uid"])
    assert {dataset.PixelData for dataset in stored} == {dataset.PixelData for dataset in ours}
    (kept,) = files(region, region.central, clone, OTHER)
    assert (kept.PixelData, kept.PatientName) == (theirs.PixelData, "Чужой^Пациент")
    assert files(region, region.central, clone, MO) == []
    # The centre's own copies are rejected there.
    assert centre.decide(centre.group(clone), "reject") == 3
    assert centre.latest(clone)["detail"] == "rejected"
    assert centre.groups(clone) == []


def test_linking_to_a_study_of_the_own_found_by_its_number(region, proxy):
    clone, own = generate_uid(), generate_uid()
    store(region, OTHER, image(clone, patient="Q-3"))
    arrived(region, clone, 1, OTHER)
    right = image(own, accession="K2611220001", name="Верный^Пациент", patient="Q-4")
    stray = image(clone, seed=7, name="Чей^То", patient="Q-5")
    store(region, MO, right)
    store(region, MO, stray)
    group = proxy.group(clone)
    page = proxy.session.post(
        f"{proxy.base}/cami/quarantine/{group['group']}",
        data={"words": "K2611220001", "step": "find", "n": "1"},
        timeout=30,
    ).text
    assert "Верный Пациент" in page
    study_id = next(s["study_id"] for s in region.delivery(MO)["studies"] if s["study_uid"] == own)
    assert f'value="{study_id}"' in page
    proxy.decide(group, "link", target=study_id)
    assert proxy.latest(clone)["detail"] == "linked"
    there = arrived(region, own, 2)
    assert {str(dataset.PatientName) for dataset in there} == {"Верный^Пациент"}
    assert {dataset.AccessionNumber for dataset in there} == {"K2611220001"}
    assert {dataset.PatientID for dataset in there} == {"Q-4"}


def test_strangers_and_other_mo_learn_nothing(region, proxy, centre):
    clone = generate_uid()
    store(region, OTHER, image(clone))
    arrived(region, clone, 1, OTHER)
    store(region, MO, image(clone, seed=9))
    group, seen = proxy.group(clone), centre.group(clone)
    stranger = Desk(region, region.central, "technologist", OTHER)
    assert stranger.groups(clone) == []
    assert stranger.entry(seen).status_code == 404
    for desk, name in ((proxy, group), (centre, seen)):
        for role in ("radiologist", "clinician"):
            doctor = region.session(role, MO)
            assert doctor.get(desk.base + API, timeout=30).status_code == 403
            assert doctor.get(f"{desk.base}{API}/{name['group']}/1", timeout=30).status_code == 403
        assert desk.session.post(
            desk.base + API + "/decide",
            json={"group": name["group"], "action": "reject", "reason": "x"},
            headers={"Sec-Fetch-Site": "cross-site"},
            timeout=30,
        ).status_code in (401, 403)
    operator = Desk(region, region.central, "operator", "")
    (shown,) = operator.groups(clone)
    assert "patient_name" not in shown
    assert operator.picture(shown, "held").headers["Content-Type"] != "image/png"


def test_a_decision_survives_kill_9(region, proxy):
    clone = generate_uid()
    store(region, OTHER, image(clone))
    arrived(region, clone, 1, OTHER)
    store(region, MO, *[image(clone, seed=seed) for seed in range(20, 40)])
    wait_until("all refused", lambda: proxy.groups(clone) and proxy.groups(clone)[0]["entries"] == 20, 30)
    assert proxy.decide(proxy.group(clone), "link", target="new") == 20
    region.server("kill", f"proxy-{MO}")
    region.server("start", f"proxy-{MO}")
    assert proxy.latest(clone)["outcome"] == "done"
    found = wait_until(
        "all 20 confirmed",
        lambda: [s for s in region.studies("radiologist", MO) if s["instances"] == 20 and s["confirmed_at"]],
        60,
    )
    assert len(found) == 1
    assert proxy.groups(clone) == []
    assert region.delivery(MO)["queue"]["queued"] == 0


def test_no_log_names_a_patient(region):
    for log in (region.state / "servers").rglob("server.log"):
        text = log.read_text()
        for name in ("Иванов", "Петров", "Чужой", "Верный", "Чей^То", "K2611220001"):
            assert name not in text
