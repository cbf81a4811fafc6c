"""Studies brought to where they are needed, on real Orthancs: asked for, fetched back, prefetched; no one else's."""

import logging
import re
import time

import numpy as np
import pydicom
import pytest
import requests
import yaml
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from cami.archive import orthanc_id
from cami.clock import SystemClock
from cami.delivery import TokenIssuer
from tests.integration.dicom.stations import Screen, Station, free_port
from tests.live import ROOT, LiveRegion, cami, wait_until

log = logging.getLogger(__name__)

MO, OTHER = "42001", "42002"
SIDE = 128


class Registry:
    """The development registry with both proxies, the line of `MO` as a test wants it."""

    def __init__(self, path):
        self.path = path
        self.content = yaml.load((ROOT / "orthanc-config" / "region.yaml").read_text(), Loader=yaml.BaseLoader)
        self.proxy = self.content["organizations"][0]["proxy"]
        self.proxy["disk"] = {"warn_free_gb": "0.02", "stop_free_gb": "0.01"}
        self.screen = free_port()
        station = {"aet": f"WS{MO}", "name": "АРМ", "address": "127.0.0.1", "port": str(self.screen)}
        self.content["organizations"][0]["workstations"] = [station]

    def line(self, **link):
        plain = {"plain_http": "true"} if "plain_http" in self.proxy["link"] else {}
        self.proxy["link"] = plain | {name: str(value).lower() for name, value in link.items()}
        return self

    def write(self):
        self.path.write_text(yaml.safe_dump(self.content, allow_unicode=True))
        return self.path


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    return Registry(tmp_path_factory.mktemp("registry") / "region.yaml")


@pytest.fixture(scope="module")
def region(tmp_path_factory, registry):
    live = LiveRegion(
        tmp_path_factory.mktemp("region"), registry.line(mbit_s=0.5, capped=True, urgent_exempt=True).write()
    )
    with live:
        yield live


def again(region, registry):
    """Start the proxy anew with what a test changed in the registry."""
    region.server("stop", f"proxy-{MO}")
    region.up(registry.write())


def study(patient, count, **tags):
    """Make a study of small CT slices of noise."""
    uid, series = generate_uid(), generate_uid()
    return [image(uid, series, patient, number, **tags) for number in range(1, count + 1)]


def image(uid, series, patient, number, **tags):
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid, series
    dataset.PatientID, dataset.PatientName, dataset.Modality = patient, f"Пробный^{patient}", "CT"
    dataset.SpecificCharacterSet, dataset.StudyDate, dataset.BodyPartExamined = "ISO_IR 192", "20260901", "CHEST"
    dataset.InstanceNumber = number
    dataset.Rows = dataset.Columns = SIDE
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    noise = np.random.default_rng(hash((uid, number)) % 2**32)
    dataset.PixelData = noise.integers(0, 2**16, SIDE * SIDE, dtype=np.uint16).tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return dataset


def store(region, datasets, mo=MO):
    """Store images as a device does: what got no answer is sent again.

    pynetdicom's reactor sometimes takes an answer that is quicker than its sender for a request, and drops it.
    """
    dicom = region.proxy(mo)["dicom"]
    left = list(datasets)
    for _ in range(5):
        entity = AE(ae_title=f"CT{mo}")
        entity.dimse_timeout = 10
        entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        association = entity.associate(dicom["host"], dicom["port"], ae_title=dicom["aet"])
        assert association.is_established
        while left and "Status" in (answer := association.send_c_store(left[0])):
            assert answer.Status == 0
            left.pop(0)
        if not left:
            association.release()
            return
        association.abort()
    raise AssertionError(f"{len(left)} images got no answer")


def at_proxy(region, datasets, mo=MO):
    uid = datasets[0].StudyInstanceUID
    return next((found for found in region.delivery(mo)["studies"] if found["study_uid"] == uid), None)


def at_centre(region, datasets):
    uid = datasets[0].StudyInstanceUID
    return next((found for found in region.studies() if found["study_uid"] == uid), None)


def page(region, base, path="/cami/", role="radiologist", mo=MO):
    answer = region.session(role, mo).get(base + path, timeout=30)
    assert answer.status_code == 200
    return answer.text


def row_of(text, patient):
    """Return what the archive page says in the row of a patient, empty if there is none."""
    rows = [row for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL) if f"карта {patient}" in row]
    assert len(rows) <= 1
    return rows[0] if rows else ""


def announced(text, patient, count):
    """Return the row of a patient once it says that so many images are at the МО, else empty."""
    row = row_of(text, patient)
    return row if f"снимков в МО: {count}" in row else ""


def here(region, datasets):
    """Return the files that the proxy of `MO` has of a study, by SOP Instance UID."""
    session, url = region.session("radiologist", MO), region.proxy(MO)["url"]
    query = {"Level": "Instance", "Query": {"StudyInstanceUID": datasets[0].StudyInstanceUID}, "Expand": True}
    found = session.post(url + "/tools/find", json=query, timeout=30).json()
    return {one["MainDicomTags"]["SOPInstanceUID"]: f"{url}/instances/{one['ID']}/file" for one in found}


def pixels_are_the_same(region, datasets):
    session, files = region.session("radiologist", MO), here(region, datasets)
    assert set(files) == {dataset.SOPInstanceUID for dataset in datasets}
    for dataset in datasets:
        content = session.get(files[dataset.SOPInstanceUID], timeout=30).content
        found = pydicom.dcmread(pydicom.filebase.DicomBytesIO(content))
        assert found.PixelData == dataset.PixelData


def test_what_somebody_waits_for_passes_all_others(region):
    crowd, wanted = study("RET-CROWD", 50), study("RET-WANTED", 4)
    store(region, crowd)
    store(region, wanted)
    # A study is announced when its first image is there, and again as more of it come.
    row = wait_until("announced", lambda: announced(page(region, region.central), "RET-WANTED", 4), 20)
    assert "В МО, ещё не передано" in row
    assert "Запросить из МО" in row
    assert row_of(page(region, region.central, mo=OTHER), "RET-WANTED") == ""
    url = region.central + "/cami/api/retrieval"
    name = {"study_uid": wanted[0].StudyInstanceUID}
    stranger = region.session("radiologist", OTHER)
    answers = {
        (answer.status_code, answer.content)
        for answer in (stranger.post(url, json=body, timeout=30) for body in (name, {"study_uid": generate_uid()}))
    }
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert at_proxy(region, wanted)["priority"] == 2

    begin = time.monotonic()
    assert region.session("clinician", MO).post(url, json=name, timeout=30).status_code == 200
    wait_until("raised", lambda: at_proxy(region, wanted)["priority"] == 1 or at_proxy(region, wanted)["confirmed"], 20)
    log.warning("a request at the centre acted at the proxy after %.2f s", time.monotonic() - begin)
    wait_until("complete", lambda: (at_centre(region, wanted) or {}).get("confirmed_at"), 40)
    log.warning("and was complete at the centre after %.2f s", time.monotonic() - begin)
    assert (at_centre(region, crowd) or {"confirmed_at": None})["confirmed_at"] is None, (
        "it did not wait for the others"
    )
    wait_until("back to normal", lambda: at_proxy(region, wanted)["priority"] == 2, 20)
    history = region.session("mo_admin", MO).get(url, timeout=30).json()["requests"]
    asked = [(entry["asked_by"], entry["outcome"]) for entry in history if entry["study_uid"] == name["study_uid"]]
    assert asked == [("doc.42001", "done")]

    # A viewer opened at the centre raises what has not come, without being asked.
    path = f"/dicom-web/studies/{crowd[0].StudyInstanceUID}/metadata"
    wait_until("begun", lambda: at_centre(region, crowd), 30)
    region.session("radiologist", MO).get(
        region.central + path, headers={"Accept": "application/dicom+json"}, timeout=30
    )
    wait_until("raised", lambda: at_proxy(region, crowd)["priority"] == 1, 20)
    region.settle(MO, 54)


@pytest.fixture(scope="module")
def away(region, registry):
    """Studies that the centre has and that have left the proxy of `MO`."""
    again(region, registry.line(mbit_s=50))
    studies = {
        "opened": study("RET-OPENED", 3),
        "killed": study("RET-KILLED", 40),
        "prior": study("RET-PRIOR", 2),
        "due": study("RET-DUE", 2),
        "listed": study("RET-LISTED", 2),
        "station": study("RET-STATION", 4),
    }
    for datasets in studies.values():
        store(region, datasets)
    wait_until("delivered", lambda: all(at_proxy(region, one)["confirmed"] == len(one) for one in studies.values()), 90)
    registry.proxy["retention"] = {"quota_gb": "0.000001"}
    again(region, registry)
    wait_until("let go of", lambda: all(at_proxy(region, one)["evicted"] == len(one) for one in studies.values()), 90)
    registry.proxy.pop("retention")
    again(region, registry.line(mbit_s=50, down_mbit_s=2))
    return studies


def test_a_study_that_is_opened_comes_back(region, away):
    opened = away["opened"]
    url = region.proxy(MO)["url"]
    row = row_of(page(region, url), "RET-OPENED")
    assert "Хранится в ЦАМИ" in row
    assert "Вернуть из ЦАМИ" in row
    assert here(region, opened) == {}
    viewer = f"/ohif/viewer?StudyInstanceUIDs={opened[0].StudyInstanceUID}"
    waiting = page(region, url, viewer)
    assert "Снимки возвращаются из ЦАМИ" in waiting
    assert "получено 0 из 3" in waiting
    wait_until("the viewer", lambda: "Снимки возвращаются" not in page(region, url, viewer), 30)
    pixels_are_the_same(region, opened)
    wait_until("known", lambda: at_proxy(region, opened)["confirmed"] == 3, 30)
    assert at_proxy(region, opened)["queued"] == 0
    fetched = region.session("technologist", MO).get(url + "/cami/api/retrieval", timeout=30).json()["studies"]
    (entry,) = [each for each in fetched if each["total"] == 3 and each["cause"] == "viewer"]
    assert (entry["asked_by"], entry["received"], entry["reason"]) == ("rad.42001", 3, "")


def test_a_proxy_that_is_killed_in_the_middle_goes_on(region, away):
    killed = away["killed"]
    cami("delivery", "fetch", killed[0].StudyInstanceUID, "--to", MO, "--state", region.state, "--wait", "0")
    wait_until("begun", lambda: len(here(region, killed)) > 2, 30)
    region.server("kill", f"proxy-{MO}")
    region.server("start", f"proxy-{MO}")
    before = wait_until("what was there", lambda: len(here(region, killed)), 30)
    log.warning("killed after %d of %d images", before, len(killed))
    done = cami("delivery", "fetch", killed[0].StudyInstanceUID, "--to", MO, "--state", region.state)
    assert "40 of 40 images are here" in done.stdout or "all of it is here" in done.stdout
    pixels_are_the_same(region, killed)
    wait_until("known", lambda: at_proxy(region, killed)["confirmed"] == 40, 30)
    assert list((region.state / "servers" / f"proxy-{MO}" / "data").glob("downloads/*")) == []


def test_earlier_studies_come_for_a_visit_and_only_the_own(region, away):
    foreign = study("RET-PRIOR", 2)
    store(region, foreign, OTHER)
    wait_until("at the centre", lambda: (at_centre(region, foreign) or {}).get("confirmed_at"), 40)
    store(region, study("RET-PRIOR", 1, StudyDate="20261101"))
    wait_until("the prior", lambda: len(here(region, away["prior"])) == 2, 60)
    pixels_are_the_same(region, away["prior"])
    assert here(region, foreign) == {}
    url = region.proxy(MO)["url"]
    today = {"patient_id": "RET-DUE", "date": "2026-01-01", "modality": "CT"}
    assert region.session("radiologist", MO).post(url + "/cami/api/prefetch", json=today, timeout=30).status_code == 403
    assert (
        region.session("technologist", MO).post(url + "/cami/api/prefetch", json=today, timeout=30).status_code == 200
    )
    wait_until("the prior of who is expected", lambda: len(here(region, away["due"])) == 2, 60)
    assert here(region, away["listed"]) == {}
    log = (region.state / "servers" / f"proxy-{MO}" / "server.log").read_text()
    assert "RET-" not in log, "nothing that names a patient"


def test_the_button_brings_a_study_back(region, away):
    listed, url = away["listed"], region.proxy(MO)["url"]
    text = row_of(page(region, url), "RET-LISTED")
    (name,) = re.findall(r'name="study" value="([^"]+)"', text)
    session = region.session("clinician", MO)
    forged = {"Origin": "https://evil.example"}
    session.post(url + "/cami/bring", data={"study": name}, headers=forged, timeout=30)
    answer = session.post(url + "/cami/bring", data={"study": orthanc_id("x")}, timeout=30)
    assert "нет к ней доступа" in answer.text
    assert "Хранится в ЦАМИ" in row_of(page(region, url), "RET-LISTED")
    session.post(url + "/cami/bring", data={"study": name}, timeout=30)
    wait_until("back", lambda: len(here(region, listed)) == 2, 30)


def test_a_workstation_finds_what_has_left_and_gets_it_back(region, registry, away):
    """C-FIND tells that it is elsewhere, C-MOVE of its series has it fetched and sends it as it comes."""
    images = away["station"]
    study_uid, series_uid = images[0].StudyInstanceUID, images[0].SeriesInstanceUID
    station = Station(f"WS{MO}", region.proxy(MO)["dicom"])
    asked = {"StudyInstanceUID": study_uid, "InstanceAvailability": "", "NumberOfStudyRelatedInstances": ""}
    status, (found,) = station.find("STUDY", PatientName="пробный^ret-st*", **asked)
    assert (status, found.InstanceAvailability, int(found.NumberOfStudyRelatedInstances)) == (0, "NEARLINE", 4)
    screen = Screen(registry.screen, f"WS{MO}")
    try:
        other, _ = station.move(f"WS{MO}", "SERIES", StudyInstanceUID=study_uid, SeriesInstanceUID="1.2.3")
        assert (other.Status, screen.taken(), here(region, images)) == (0xC000, [], {})
        last, responses = station.move(f"WS{MO}", "SERIES", StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
        assert (last.Status, responses) == (0x0000, 4)
        assert screen.taken() == sorted(image.SOPInstanceUID for image in images)
    finally:
        screen.stop()
    assert len(here(region, images)) == 4
    assert station.find("STUDY", **asked)[1][0].InstanceAvailability == "ONLINE"


def test_another_mos_proxy_learns_nothing(region, away):
    """With a true key, and with the identifiers of what another МО owns."""
    opened = away["opened"]
    uid = opened[0].StudyInstanceUID
    owned = orthanc_id("RET-OPENED", uid)
    image_id = orthanc_id("RET-OPENED", uid, opened[0].SeriesInstanceUID, opened[0].SOPInstanceUID)
    session = {mo: proxy_session(region, mo) for mo in (MO, OTHER)}
    for path in (f"/studies/{owned}/instances", f"/instances/{image_id}"):
        assert session[MO].get(region.central + "/cami/wire/v1" + path, timeout=30).status_code in (200, 206)
        absent = re.sub(r"[0-9a-f]{8}-", "00000000-", path, count=1)
        answers = [session[OTHER].get(region.central + "/cami/wire/v1" + each, timeout=30) for each in (path, absent)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
        shown = [{name: value for name, value in answer.headers.items() if name != "Date"} for answer in answers]
        assert shown[0] == shown[1]
    for mo, known in ((MO, [owned]), (OTHER, [])):
        answer = session[mo].get(f"{region.central}/cami/wire/v1/studies?uid={uid}", timeout=30)
        assert answer.json() == {"studies": known}
        answer = session[mo].post(
            region.central + "/cami/wire/v1/priors", json={"patient": orthanc_id("RET-OPENED")}, timeout=30
        )
        assert [each["study_id"] for each in answer.json()["studies"]] == known
    part = session[MO].get(
        f"{region.central}/cami/wire/v1/instances/{image_id}", headers={"Range": "bytes=10-19"}, timeout=30
    )
    assert (part.status_code, len(part.content)) == (206, 10)
    assert part.headers["Content-Range"].startswith("bytes 10-19/")
    beyond = session[MO].get(
        f"{region.central}/cami/wire/v1/instances/{image_id}", headers={"Range": "bytes=99999999-999999999"}, timeout=30
    )
    assert beyond.status_code == 416
    assert requests.get(region.central + f"/cami/wire/v1/instances/{image_id}", timeout=30).status_code == 401


def proxy_session(region, mo):
    made = requests.Session()
    (key,) = (region.state / "servers" / f"proxy-{mo}").rglob("link.key")
    made.headers["X-Cami-Token"] = TokenIssuer(mo, key, SystemClock()).issue()
    return made
