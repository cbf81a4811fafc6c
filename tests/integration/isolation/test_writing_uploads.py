"""Objects that people send by HTTP, STOW-RS and their own proxy; jobs in the background: cases 1, 2, 3, 6, 7 and 11."""

import pydicom
import pytest
import requests
from pydicom.uid import ComprehensiveSRStorage, generate_uid

from tests.integration.isolation.sides import JSON, PATIENT, image, unhurt
from tests.live import wait_until

RELATED = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x', **JSON}


def related(*files):
    """Make the body of a STOW-RS request (PS3.18 §10.5)."""
    parts = b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files)
    return parts + b"--x--\r\n"


def stow(person, server, *files, study=""):
    return person.post(f"{server}/dicom-web/studies{study}", data=related(*files), headers=RELATED, timeout=60)


def stored(answer):
    """Return how many instances a STOW-RS answer says are stored, and how many are not (PS3.18 Table 10.5.1-3)."""
    content = answer.json()
    return len(content.get("00081199", {}).get("Value", [])), len(content.get("00081198", {}).get("Value", []))


@pytest.mark.parametrize("role", ["radiologist", "technologist"])
def test_the_own_mo_stores_at_the_centre(region, victim, thief, tmp_path, role):
    admin = region.session("region_admin")
    person, uid = region.session(role, "42002"), generate_uid()[:50]
    files = [image(tmp_path, uid, name="BETA^UPLOADED", number=number).read_bytes() for number in (1, 2, 3)]
    first = person.post(region.central + "/instances", data=files[0], timeout=60)
    assert first.status_code == 200, first.text
    assert first.json()["Status"] == "Success"
    assert person.post(region.central + "/instances", data=files[0], timeout=60).json()["Status"] == "AlreadyStored"
    answer = stow(person, region.central, files[1], files[2])
    assert answer.status_code == 200, answer.text
    assert stored(answer) == (2, 0)
    study = first.json()["ParentStudy"]
    assert admin.get(f"{region.central}/studies/{study}/labels", timeout=30).json() == ["mo-42002"]
    wait_until("it is found", lambda: len(thief.find("Instance", ParentStudy=study)) == 3, 20)
    assert victim.get(f"/studies/{study}").status_code == 403
    assert not victim.find("Study", {"StudyInstanceUID": uid})
    listed = thief.get(f"/dicom-web/studies?StudyInstanceUID={uid}", headers=JSON).json()
    assert len(listed) == 1


def attacks(folder, victim, thief):
    """Make an object for each way into another МО's study."""
    names = ("new image", "other patient", "same identifiers", "SOP UID", "series UID", "charset")
    files = [
        image(folder, victim.uid, name="EVIL", series=3, number=1),
        image(folder, victim.uid, name="EVIL", patient="OTHER", series=4, number=1),
        image(folder, victim.uid, name="EVIL", series=1, number=1, seed=99),
        image(folder, thief.uid, name="EVIL", series=5, number=1, sop=f"{victim.uid}.1.1"),
    ]
    made = [path.read_bytes() for path in files]
    dataset = pydicom.dcmread(image(folder, victim.uid, name="EVIL", series=6, number=1))
    dataset.SeriesInstanceUID = f"{victim.uid}.1"
    dataset.save_as(folder / "series.dcm")
    dataset = pydicom.dcmread(image(folder, victim.uid, name="EVIL", series=7, number=1))
    dataset.SpecificCharacterSet, dataset.PatientID = "ISO_IR 144", PATIENT + " "
    dataset.save_as(folder / "charset.dcm")
    made += [(folder / "series.dcm").read_bytes(), (folder / "charset.dcm").read_bytes()]
    return dict(zip(names, made, strict=True))


def test_no_object_enters_another_mos_study(region, victim, thief, tmp_path):
    counts = len(thief.find("Study"))
    for name, file in attacks(tmp_path, victim, thief).items():
        answer = thief.doctor.post(region.central + "/instances", data=file, timeout=60)
        assert (answer.status_code, answer.content) == (403, b""), name
        for study in ("", f"/{victim.uid}", f"/{thief.uid}"):
            answer = stow(thief.doctor, region.central, file, study=study)
            assert answer.status_code in (200, 202, 400, 403, 409, 500), (name, study, answer.status_code)
            assert b'"00081199"' not in answer.content or stored(answer)[0] == 0, (name, study)
        mixed = image(tmp_path, thief.uid, name=thief.name, series=1, number=1).read_bytes()
        stow(thief.doctor, region.central, mixed, file)
    unhurt(victim)
    assert len(thief.find("Study")) == counts
    assert len(thief.find("Instance", ParentStudy=thief.study)) == 4


def report(folder, side, name):
    """Write a structured report about somebody's study."""
    dataset = pydicom.dcmread(image(folder, side.uid, name=name, series=8, number=1))
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        del dataset[keyword]
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
    dataset.Modality = "SR"
    dataset.save_as(folder / "report.dcm")
    return (folder / "report.dcm").read_bytes()


def test_a_report_enters_no_study_that_its_author_does_not_see(region, victim, thief, tmp_path):
    file = report(tmp_path, victim, "EVIL")
    for person in (thief.doctor, region.session("consultant", "42900"), region.session("technologist", "42002")):
        assert person.post(region.central + "/instances", data=file, timeout=60).status_code == 403
    unhurt(victim)


@pytest.mark.parametrize("role", ["", "clinician", "mo_admin", "operator", "auditor", "dispatcher", "region_admin"])
def test_others_upload_nothing_anywhere(region, victim, tmp_path, role):
    mo = "42002" if role in ("clinician", "mo_admin") else ""
    person = region.session(role, mo) if role else requests.Session()
    file = image(tmp_path, generate_uid()[:50], name="EVIL").read_bytes()
    form = {"file": ("x.dcm", file, "application/dicom")}
    for server in (region.central, region.proxy("42001")["url"], region.proxy("42002")["url"]):
        assert person.post(server + "/instances", data=file, timeout=30).status_code == 403
        assert person.post(server + "/instances", files=form, timeout=30).status_code == 403
        assert stow(person, server, file).status_code == 403
        assert stow(person, server, file, study=f"/{victim.uid}").status_code == 403
        assert person.put(server + "/webdav/uploads/x.dcm", data=file, timeout=30).status_code in (403, 404)
        wire = person.post(server + "/cami/wire/v1/instances", data=file, timeout=30)
        assert wire.status_code in (401, 403, 404)


def test_crooked_uploads(region, thief):
    for body in (b"", b"junk", b"PK\x03\x04", b"\0" * 200):
        assert thief.doctor.post(region.central + "/instances", data=body, timeout=30).status_code == 400

    def pieces():
        yield b"x"

    answer = thief.doctor.post(region.central + "/instances", data=pieces(), timeout=30)
    assert answer.status_code == 403  # no length


def test_what_is_uploaded_at_a_proxy_goes_to_the_centre(region, thief, tmp_path):
    server, uid = region.proxy("42002")["url"], generate_uid()[:50]
    person = region.session("technologist", "42002")

    def known():
        return person.get(server + "/system", timeout=30).status_code == 200

    wait_until("the proxy knows its people", known, 60)
    one, two = (image(tmp_path, uid, name="BETA^DISC", number=number).read_bytes() for number in (1, 2))
    assert person.post(server + "/instances", data=one, timeout=60).json()["Status"] == "Success"
    other = image(tmp_path, uid, name="BETA^DISC", number=1, seed=5).read_bytes()
    assert person.post(server + "/instances", data=other, timeout=60).status_code == 403
    answer = stow(person, server, two)
    assert (answer.status_code, stored(answer)) == (200, (2 - 1, 0))
    for stranger in (region.session("radiologist", "42001"), region.session("region_admin")):
        assert stranger.post(server + "/instances", data=one, timeout=60).status_code == 403
    wait_until("both are at the centre", lambda: len(thief.find("Instance", {"StudyInstanceUID": uid})) == 2, 60)


def test_archives_in_the_background_are_ones_own(region, victim, thief):
    asked = {"study_id": victim.study, "kind": "archive"}
    assert thief.doctor.post(region.central + "/cami/api/archives", json=asked, timeout=30).status_code == 404
    nothing = asked | {"study_id": "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd"}
    assert thief.doctor.post(region.central + "/cami/api/archives", json=nothing, timeout=30).status_code == 404
    started = victim.doctor.post(region.central + "/cami/api/archives", json=asked, timeout=30)
    assert started.status_code == 200, started.text
    job = started.json()["ID"]
    wait_until("the job is done", lambda: victim.get(f"/jobs/{job}").json().get("State") == "Success", 30)
    assert victim.get("/jobs").json() == [job]
    assert thief.get("/jobs").json() == []
    colleague = region.session("clinician", "42001")
    for person in (thief.doctor, colleague, requests.Session()):
        for path in (f"/jobs/{job}", f"/jobs/{job}/archive"):
            answer = person.get(region.central + path, timeout=30)
            assert (answer.status_code, answer.content) == (403, b""), path
        for verb in ("cancel", "pause", "resume", "resubmit"):
            assert person.post(f"{region.central}/jobs/{job}/{verb}", data=b"", timeout=30).status_code == 403
        assert person.delete(f"{region.central}/jobs/{job}", timeout=30).status_code == 403
    content = victim.get(f"/jobs/{job}/archive").content
    assert content.startswith(b"PK")
    assert victim.betrayed_by(content)
    assert b"ParentResources" not in victim.get(f"/jobs/{job}").content


def test_statistics_and_lists_count_what_is_seen(victim, thief, admin):
    mine, all_ = thief.get("/statistics").json(), admin.get(thief.central + "/statistics", timeout=30).json()
    assert mine["CountInstances"] == len(thief.find("Instance")) < all_["CountInstances"]
    assert mine["CountStudies"] == len(thief.find("Study"))
    assert "TotalDiskSize" not in mine
    assert victim.get("/statistics").json()["CountInstances"] == 4
    counted = thief.doctor.post(
        thief.central + "/tools/count-resources", json={"Level": "Instance", "Query": {}}, timeout=30
    )
    assert counted.json() == {"Count": mine["CountInstances"]}
    ids = thief.get("/instances").json()
    paged = [key for since in range(0, len(ids), 3) for key in thief.get(f"/instances?since={since}&limit=3").json()]
    assert sorted(paged) == sorted(ids)
    assert thief.get("/changes").status_code == thief.get("/exports").status_code == 403


def test_attachments_are_the_file_and_no_more(victim, thief, admin):
    base = f"/instances/{victim.instance}/attachments"
    assert victim.get(base).json() == ["dicom"]
    file = victim.get(f"/instances/{victim.instance}/file").content
    assert victim.get(f"{base}/dicom/data").content == file
    assert int(victim.get(f"{base}/dicom/size").text) == len(file)
    for tail in ("", "/dicom", "/dicom/data", "/dicom/md5", "/dicom/info", "/dicom/compressed-data"):
        assert thief.get(base + tail).status_code == 403
    for tail in ("/dicom/info", "/dicom/compressed-data", "/4301/data"):  # where it lies; our own
        assert victim.get(base + tail).status_code == 403
    for kind in ("media", "archive"):
        own = victim.get(f"/studies/{victim.study}/{kind}")
        assert own.content.startswith(b"PK")
        assert not thief.betrayed_by(own.content)
        assert thief.get(f"/studies/{victim.study}/{kind}").status_code == 403


def test_hidden_and_absent_take_alike_long_in_the_answer(victim, thief):
    """Not the time itself (`make bench-access` measures that): status, body and headers."""
    nothing = "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd"
    for level in ("studies", "series", "instances"):
        for tail in ("", "/archive", "/media", "/attachments", "/metadata", "/file", "/tags", "/labels"):
            answers = [thief.get(f"/{level}/{key}{tail}") for key in (victim.ids[level], nothing)]
            shown = [(a.status_code, a.content, sorted({*a.headers} - {"Date"})) for a in answers]
            assert shown[0] == shown[1], (level, tail)
