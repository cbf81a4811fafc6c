"""МО 42002 attacks the studies of МО 42001: reference/orthanc.md §6, cases 1-11, 13-15 as far as they exist yet.

Both МО have a patient with the same number, so Orthanc's patient level mixes them. Whatever a doctor of 42002 does,
nothing that is only in the studies of 42001 may come back: neither name, nor description, nor any identifier.
"""

import contextlib
import hashlib
import http.client
import io
import json
import sqlite3
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pydicom
import pytest
import requests
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.live import wait_until

ROUTES = Path(__file__).with_name("core_routes.txt").read_text().split()
OPEN_POSTS = {"/tools/find", "/tools/count-resources", "/tools/lookup"}
JSON = {"Accept": "application/dicom+json"}
PATIENT = "SHARED-1"


def image(folder, study, *, name="", series=1, number=1, patient=PATIENT, sop="", seed=0):
    """Write one small CT image; UIDs are made of the study's."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = sop or f"{study}.{series}.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, f"{study}.{series}"
    dataset.PatientID, dataset.PatientName, dataset.SpecificCharacterSet = patient, name, "ISO_IR 192"
    dataset.Modality, dataset.StudyDate, dataset.AccessionNumber = "CT", "20260102", "ACC1"
    dataset.StudyDescription = f"Описание {name}"
    dataset.InstanceNumber, dataset.Rows, dataset.Columns = number, 16, 16
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = ((np.arange(256) * 7 + seed) % 4096).astype("<u2").tobytes()
    path = folder / f"{series}-{number}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


class Side:
    """One МО with its study, and everything that identifies it."""

    def __init__(self, region, folder, mo, name):
        self.mo, self.name, self.uid = mo, name, generate_uid()[:50]
        for series in (1, 2):
            for number in (1, 2):
                image(folder / mo, self.uid, name=name, series=series, number=number)
        region.send(folder / mo, mo)
        region.settle(mo, 4)
        self.central = region.central
        self.doctor = region.session("radiologist", mo)
        self.study = self.find("Study")[0]
        self.series = self.find("Series", {"SeriesInstanceUID": f"{self.uid}.1"})[0]
        self.instance = self.find("Instance", {"SOPInstanceUID": f"{self.uid}.1.1"})[0]
        self.patient = self.get(f"/studies/{self.study}").json()["ParentPatient"]
        self.ids = {"studies": self.study, "series": self.series, "instances": self.instance, "patients": self.patient}

    def get(self, path, **more):
        return self.doctor.get(self.central + path, timeout=60, **more)

    def find(self, level, query=(), **more):
        body = {"Level": level, "Query": dict(query), **more}
        answer = self.doctor.post(self.central + "/tools/find", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def web(self):
        return f"/dicom-web/studies/{self.uid}"

    def betrayed_by(self, content):
        """Say what of this МО stands in `content`."""
        secrets = (self.name, self.uid, self.study, self.series, self.instance)
        texts = [content]
        if content.startswith(b"PK"):
            archive = zipfile.ZipFile(io.BytesIO(content))
            texts += [name.encode() for name in archive.namelist()] + [
                archive.read(name) for name in archive.namelist()
            ]
        return [secret for secret in secrets if any(secret.encode() in text for text in texts)]


@pytest.fixture(scope="module")
def victim(region, tmp_path_factory):
    return Side(region, tmp_path_factory.mktemp("images"), "42001", "ALPHA^VICTIM")


@pytest.fixture(scope="module")
def thief(region, victim, tmp_path_factory):
    return Side(region, tmp_path_factory.mktemp("images"), "42002", "BETA^THIEF")


@pytest.fixture(scope="module")
def admin(region):
    return region.session("region_admin")


def unhurt(victim):
    """The owner still has all of it, unchanged and readable by every way."""
    assert victim.find("Study") == [victim.study]
    assert len(victim.find("Instance", ParentStudy=victim.study)) == 4
    metadata = victim.get(f"{victim.web}/metadata", headers=JSON)
    assert metadata.status_code == 200
    assert {image["00100010"]["Value"][0]["Alphabetic"] for image in metadata.json()} == {victim.name}
    assert len(metadata.json()) == 4
    frame = victim.get(f"{victim.web}/series/{victim.uid}.1/instances/{victim.uid}.1.1/frames/1")
    assert frame.status_code == 200
    assert (np.arange(256) * 7 % 4096).astype("<u2").tobytes() in frame.content


# --- the owner's own access -------------------------------------------------------------------------------------------


def test_the_owner_reads_by_dicomweb(victim):
    unhurt(victim)
    for path in (
        "/dicom-web/studies?PatientName=ALPHA*",
        f"/dicom-web/studies?StudyInstanceUID={victim.uid}",
        f"{victim.web}/series",
        f"{victim.web}/instances",
        f"{victim.web}/series/{victim.uid}.1/instances",
        "/dicom-web/series?Modality=CT",
        "/dicom-web/instances?limit=3",
    ):
        answer = victim.get(path, headers=JSON)
        assert answer.status_code == 200
        assert answer.json(), path
        assert victim.betrayed_by(answer.content), path
    one = f"{victim.web}/series/{victim.uid}.1/instances/{victim.uid}.1.1"
    for path in (f"{one}/rendered", f"{one}/thumbnail", f"{victim.web}/rendered", one, victim.web):
        answer = victim.get(path)
        assert answer.status_code == 200
        assert len(answer.content) > 100, path


def test_the_owner_uses_orthanc_explorer(victim):
    """The requests of explorer.js of Orthanc 1.13.0, page by page."""
    for static in ("/app/explorer.html", "/app/explorer.js", "/app/libs/jquery.min.js", "/plugins/explorer.js"):
        assert victim.get(static).status_code == 200
    assert victim.get("/system?_=1").json()["HasLabels"] is False
    lists = "?expand&since=0&limit=101&full&_=1"
    assert [patient["ID"] for patient in victim.get("/patients" + lists).json()] == [victim.patient]
    assert [study["ID"] for study in victim.get("/studies" + lists).json()] == [victim.study]
    lookup = {"Level": "Study", "Expand": True, "Limit": 101, "Query": {"StudyDate": ""}, "Full": True}
    answer = victim.doctor.post(victim.central + "/tools/find", data=json.dumps(lookup), timeout=30)
    assert [study["ID"] for study in answer.json()] == [victim.study]
    patient = victim.get(f"/patients/{victim.patient}?full&_=1").json()
    assert patient["MainDicomTags"]["0010,0010"]["Value"] == victim.name
    assert len(victim.get(f"/patients/{victim.patient}/studies?full&_=1").json()) == 1
    study = victim.get(f"/studies/{victim.study}?full&_=1").json()
    assert (study["ID"], study["ParentPatient"], study["Labels"]) == (victim.study, victim.patient, [])
    assert len(victim.get(f"/studies/{victim.study}/series?full&_=1").json()) == 2
    assert victim.get(f"/series/{victim.series}?full&_=1").json()["ParentStudy"] == victim.study
    assert len(victim.get(f"/series/{victim.series}/instances?full&_=1").json()) == 2
    base = f"/instances/{victim.instance}"
    assert victim.get(f"{base}?full&_=1").json()["ParentSeries"] == victim.series
    assert victim.get(f"{base}/tags?_=1").json()["0010,0010"]["Value"] == victim.name
    assert victim.get(f"{base}/header?_=1").status_code == 200
    metadata = victim.get(f"{base}/metadata?expand&_=1").json()
    assert metadata["TransferSyntax"] == ExplicitVRLittleEndian
    assert not {"RemoteIP", "RemoteAET", "CalledAET", "HttpUsername", "HttpHost", "Origin"} & set(metadata)
    assert victim.get(f"{base}/frames?_=1").json() == [0]
    for preview in ("/preview?returnUnsupportedImage", "/frames/0/preview?returnUnsupportedImage"):
        assert victim.get(base + preview).content.startswith(b"\x89PNG")
    assert pydicom.dcmread(io.BytesIO(victim.get(f"{base}/file").content)).PatientName == victim.name
    for path, count in ((f"/studies/{victim.study}/archive", 4), (f"/series/{victim.series}/archive", 2)):
        files = zipfile.ZipFile(io.BytesIO(victim.get(path).content)).namelist()
        assert len(files) == count


def test_the_other_mo_sees_its_own_of_the_shared_patient(victim, thief):
    assert victim.patient == thief.patient
    for path in (f"/patients/{thief.patient}?full", f"/patients/{thief.patient}/studies?full", "/patients?expand"):
        answer = thief.get(path)
        assert thief.name in answer.text
        assert not victim.betrayed_by(answer.content)
    archive = thief.get(f"/studies/{thief.study}/archive").content
    assert thief.betrayed_by(archive)
    assert not victim.betrayed_by(archive)


# --- cases 5, 6, 7, 10, 11: every route of the core -------------------------------------------------------------------


def named(route, ids):
    """Fill a route's places with the identifiers of a victim, of the level that the route is for."""
    own = ids.get(route.split("/")[1], ids["studies"])
    fill = {
        "id": own,
        "frame": "0",
        "name": "dicom",
        "index": "0",
        "label": "mo-42001",
        "path": "0010-0010",
        "key": "archive",
    }
    for place, value in fill.items():
        route = route.replace("{" + place + "}", value)
    return route


@pytest.mark.parametrize("confused", [False, True], ids=["right level", "wrong level"])
def test_no_route_of_the_core_reads_for_another_mo(victim, thief, confused):
    ids = victim.ids
    if confused:
        ids = dict(zip(ids, [*list(ids.values())[1:], ids["studies"]], strict=True))
    read = 0
    for route in ROUTES:
        path = named(route, ids)
        for suffix in ("", "?expand", f"?resources={victim.study}", f"?resources={thief.study},{victim.study}"):
            answer = thief.get(path + suffix)
            assert not victim.betrayed_by(answer.content), (path, suffix)
            if answer.status_code == 200:
                read += 1
                assert "{id}" not in route or route.startswith("/patients/{id}"), (path, suffix)
            else:
                assert answer.status_code in (400, 403, 404), (path, answer.status_code)
    assert 10 < read < 60


def bodies(victim, thief):
    """Bodies that make the core's dangerous routes do harm, if one lets them."""
    both = [thief.study, victim.study]
    return [
        {"Resources": both, "Level": "Study", "Synchronous": True},
        {"Resources": [victim.series], "KeepSource": False, "Synchronous": True},
        {"Replace": {"StudyInstanceUID": victim.uid}, "Force": True, "KeepSource": False, "Synchronous": True},
        {"Parent": victim.study, "Tags": {"PatientName": "X"}},
    ]


def test_no_route_of_the_core_changes_anything_for_anybody(region, victim, thief, admin):
    people = {"stranger": requests.Session(), "thief": thief.doctor, "owner": victim.doctor, "administrator": admin}
    for who, person in people.items():
        for route in ROUTES:
            for ids in (victim.ids, thief.ids):
                path = region.central + named(route, ids)
                for method in ("POST", "PUT", "DELETE"):
                    if method == "POST" and route in OPEN_POSTS and who != "stranger":
                        continue
                    answer = person.request(method, path, data=b"", timeout=60)
                    assert answer.status_code == 403, (who, method, path)
                    assert answer.content == b""
    for path in ("/tools/bulk-content", "/tools/create-archive", "/tools/create-dicom", "/tools/bulk-delete"):
        for body in bodies(victim, thief):
            assert thief.doctor.post(region.central + path, json=body, timeout=60).status_code == 403
    for path in (f"/studies/{thief.study}/merge", f"/series/{thief.series}/modify", f"/studies/{thief.study}/archive"):
        for body in bodies(victim, thief):
            assert thief.doctor.post(region.central + path, json=body, timeout=60).status_code == 403
    unhurt(victim)


def test_a_stranger_reads_nothing(region, victim):
    stranger = requests.Session()
    for route in ROUTES:
        answer = stranger.get(region.central + named(route, victim.ids), timeout=60)
        assert (answer.status_code, answer.content) == (403, b""), route
    for path in ("/cami/", "/ohif/", "/ohif/viewer", "/cami/health", "/cami/whoami", f"/cami/studies/{victim.study}"):
        answer = stranger.get(region.central + path, timeout=60)
        # The way back after signing in is in the page, no more.
        assert not victim.betrayed_by(answer.content.replace(victim.study.encode(), b"")), path
    for path in ("/cami/api/studies", "/cami/api/delivery", "/cami/wire/v1/directory", "/cami/wire/v1/ping"):
        assert stranger.get(region.central + path, timeout=60).status_code in (401, 403, 404), path


def test_our_own_lists_are_scoped_too(victim, thief):
    for path in ("/cami/api/studies", "/cami/", "/cami/whoami", "/cami/api/delivery"):
        assert not victim.betrayed_by(thief.get(path).content), path
    for path in (f"/cami/studies/{victim.study}", f"/ohif/viewer?StudyInstanceUIDs={victim.uid}"):
        content = thief.get(path).content
        assert victim.name.encode() not in content
        assert victim.study.encode() not in content.replace(path.encode(), b"")


# --- cases 4, 8: DICOMweb and searches --------------------------------------------------------------------------------


def test_dicomweb_of_a_foreign_study_is_that_of_none(victim, thief):
    nothing = f"{victim.uid}.999"
    for uid in (victim.uid, nothing):
        base = f"/dicom-web/studies/{uid}"
        one = f"{base}/series/{victim.uid}.1/instances/{victim.uid}.1.1"
        for path in ("/series", "/instances", f"/series/{victim.uid}.1/instances"):
            answer = thief.get(base + path, headers=JSON)
            assert (answer.status_code, answer.json()) == (200, [])
        for path in (
            base,
            f"{base}/metadata",
            f"{base}/rendered",
            f"{base}/thumbnail",
            f"{base}/series/{victim.uid}.1",
        ):
            assert thief.get(path).status_code == 404, path
        for tail in ("", "/metadata", "/rendered", "/thumbnail", "/frames/1", "/frames/1/rendered", "/bulk/7fe00010"):
            assert thief.get(one + tail).status_code == 404, tail


def test_own_study_with_foreign_series_and_instances(victim, thief):
    for series, sop in (
        (f"{victim.uid}.1", f"{victim.uid}.1.1"),
        (f"{thief.uid}.1", f"{victim.uid}.1.1"),
        (f"{victim.uid}.1", f"{thief.uid}.1.1"),
    ):
        base = f"{thief.web}/series/{series}/instances/{sop}"
        for tail in ("", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/bulk/7fe00010"):
            answer = thief.get(base + tail)
            assert answer.status_code == 404, base + tail
    for path in (f"{thief.web}/series/{victim.uid}.1", f"{thief.web}/series/{victim.uid}.1/metadata"):
        assert thief.get(path).status_code == 404
    # The query string must not win over the path.
    for argument in (f"StudyInstanceUID={victim.uid}", f"0020000D={victim.uid}", f"0020,000d={victim.uid}"):
        answer = thief.get(f"{thief.web}/series?{argument}", headers=JSON)
        assert not victim.betrayed_by(answer.content)


@pytest.mark.parametrize(
    "path",
    [
        "/wado?requestType=WADO&studyUID={v.uid}&seriesUID={v.uid}.1&objectUID={v.uid}.1.1",
        "/wado?requestType=WADO&studyUID={t.uid}&seriesUID={v.uid}.1&objectUID={v.uid}.1.1",
        "/wado?requestType=WADO&objectUID={v.uid}.1.1",
    ],
)
def test_wado_uri(victim, thief, path):
    answer = thief.get(path.format(v=victim, t=thief))
    assert answer.status_code in (403, 404)


@pytest.mark.parametrize(
    "search",
    [
        "/studies",
        "/studies?PatientName=ALPHA*",
        "/studies?PatientID=" + PATIENT,
        "/studies?AccessionNumber=ACC1",
        "/studies?StudyInstanceUID={v.uid}",
        "/studies?StudyInstanceUID={t.uid},{v.uid}",
        "/studies?StudyInstanceUID={t.uid}%5C{v.uid}",
        "/studies?0020000D={v.uid}&0020000d={v.uid}",
        "/studies?StudyInstanceUID=*&limit=1000&offset=0",
        "/studies?includefield=all&includefield=00201200,00201202,00201204",
        "/studies?Labels=mo-42001",
        "/series",
        "/series?Modality=CT",
        "/series?SeriesInstanceUID={v.uid}.1",
        "/series?PatientName=ALPHA*",
        "/instances",
        "/instances?limit=1000",
        "/instances?SOPInstanceUID={v.uid}.1.1",
        "/instances?StudyInstanceUID={v.uid}",
    ],
)
def test_qido_finds_nothing_foreign(victim, thief, search):
    answer = thief.get("/dicom-web" + search.format(v=victim, t=thief), headers=JSON)
    assert answer.status_code == 200
    if "ALPHA" in search or "={v.uid}" in search.split("&")[0]:
        assert answer.json() == []
    assert not victim.betrayed_by(answer.content)


def test_searches_without_a_study_tell_the_truth(victim, thief):
    for person in (victim, thief):
        assert len(person.get("/dicom-web/series?Modality=CT", headers=JSON).json()) == 2
        assert len(person.get("/dicom-web/instances", headers=JSON).json()) == 4
        assert len(person.get("/dicom-web/instances?limit=3&offset=2", headers=JSON).json()) == 2


@pytest.mark.parametrize("level", ["Patient", "PATIENTS", "Study", "studies", "Series", "IMAGES", "instance"])
@pytest.mark.parametrize("labels", [None, [], ["mo-42001"], ["mo-42002", "mo-42001"]])
@pytest.mark.parametrize("how", ["Any", "All", "None"])
def test_find_in_all_disguises(victim, thief, level, labels, how):
    bodies = [
        {},
        {"Query": {"StudyInstanceUID": victim.uid}},
        {"Query": {"0020,000D": f"{thief.uid}\\{victim.uid}"}},
        {"Query": {"PatientName": "ALPHA*"}},
        {"ParentPatient": victim.patient},
        {"ParentStudy": victim.study},
        {"ParentSeries": victim.series},
        {"Expand": True, "RequestedTags": ["PatientName", "NumberOfPatientRelatedStudies"]},
        {"ResponseContent": ["Metadata", "Labels", "Attachments", "Parent", "Children", "MainDicomTags"]},
    ]
    for body in bodies:
        more = {} if labels is None else {"Labels": labels, "LabelsConstraint": how}
        question = {"Level": level, "Query": {}, **body, **more}
        answer = thief.doctor.post(thief.central + "/tools/find", json=question, timeout=30)
        counted = thief.doctor.post(thief.central + "/tools/count-resources", json=question, timeout=30)
        if "ParentSeries" in body and level.lower().startswith("stud"):
            assert answer.status_code == counted.status_code == 400
            continue
        assert answer.status_code == 200
        assert not victim.betrayed_by(answer.content)
        assert b"mo-42" not in answer.content
        assert b"RelatedStudies" not in answer.content
        assert counted.json() == {"Count": len(answer.json())}


def test_lookup_is_no_oracle(victim, thief):
    for uid in (victim.uid, f"{victim.uid}.1", f"{victim.uid}.1.1", PATIENT, "ACC1", "*", f"{victim.uid}.999"):
        answer = thief.doctor.post(thief.central + "/tools/lookup", data=uid, timeout=30)
        assert (answer.status_code, answer.json()) == (200, [])


def test_what_is_foreign_and_what_is_not_there_look_the_same(victim, thief):
    nothing = dict.fromkeys(victim.ids, "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd")
    foreign = {**victim.ids, "patients": nothing["patients"]}  # the patient is theirs too
    for route in ROUTES:
        if "{id}" in route:
            one, other = thief.get(named(route, foreign)), thief.get(named(route, nothing))
            assert (one.status_code, one.content) == (other.status_code, other.content), route


# --- cases 1, 2, 3: writing into another's study ----------------------------------------------------------------------


def quarantined(region):
    return sum(region.delivery("42002")["queue"][state] for state in ("quarantined",))


@pytest.mark.parametrize("case", ["new image", "same study UID, other patient", "same identifiers, other pixels"])
def test_injection_through_the_own_proxy(region, victim, thief, tmp_path, case):
    before = quarantined(region)
    if case == "new image":
        image(tmp_path, victim.uid, name="EVIL", series=3, number=1)
    elif case == "same study UID, other patient":
        image(tmp_path, victim.uid, name="EVIL", patient="OTHER", series=4, number=1)
    else:
        image(tmp_path, victim.uid, name="EVIL", series=1, number=1, seed=99)
    region.send(tmp_path, "42002")
    wait_until("in quarantine", lambda: quarantined(region) == before + 1, 60)
    unhurt(victim)
    assert thief.find("Study") == [thief.study]
    assert not victim.betrayed_by(thief.get("/dicom-web/studies", headers=JSON).content)


def test_the_owner_label_stayed(region, victim, thief, admin):
    for side in (victim, thief):
        labels = admin.get(f"{region.central}/studies/{side.study}/labels", timeout=30).json()
        assert labels == [f"mo-{side.mo}"]


@pytest.mark.parametrize("role", ["", "radiologist", "technologist", "mo_admin", "region_admin"])
def test_nobody_uploads_over_http(region, victim, tmp_path, role):
    mo = "" if role in ("", "region_admin") else "42002"
    person = region.session(role, mo) if role else requests.Session()
    file = image(tmp_path, victim.uid, name="EVIL", series=5, number=1).read_bytes()
    stow = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n--x--\r\n"
    related = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
    form = {"file": ("x.dcm", file, "application/dicom")}
    servers = [region.central, region.proxy("42001")["url"], region.proxy("42002")["url"]]
    for server in servers:
        assert person.post(server + "/instances", data=file, timeout=30).status_code == 403
        assert person.post(server + "/instances", files=form, timeout=30).status_code == 403
        for uid in ("", f"/{victim.uid}"):
            answer = person.post(f"{server}/dicom-web/studies{uid}", data=stow, headers=related, timeout=30)
            assert answer.status_code == 403
        assert person.put(server + "/webdav/uploads/x.dcm", data=file, timeout=30).status_code in (403, 404)
        wire = person.post(server + "/cami/wire/v1/instances", data=file, timeout=30)
        assert wire.status_code in (401, 403, 404)
    unhurt(victim)


# --- case 9: tricks with the request itself ---------------------------------------------------------------------------


def raw(server, method, target, headers, version=11):
    """Send a request as it stands: no client tidies the target up."""
    place = urlsplit(server)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    connection._http_vsn, connection._http_vsn_str = version, f"HTTP/{version // 10}.{version % 10}"
    connection._validate_path = lambda _: None
    with contextlib.closing(connection):
        connection.putrequest(method, target, skip_host=version == 10, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (http.client.HTTPException, ConnectionError):
            return 0, b""


TARGETS = [
    "/studies/{v}/",
    "//studies/{v}",
    "/./studies/{v}",
    "/studies/{v}//",
    "/studies//{v}",
    "/app/../studies/{v}",
    "/app/%2e%2e/studies/{v}",
    "/app/..%2fstudies/{v}",
    "/app/..%5cstudies/{v}",
    "/ohif/../studies/{v}",
    "/cami/../studies/{v}",
    "/cami/%2e%2e/studies/{v}",
    "/cami/health/../../studies/{v}",
    "/cami/health%2f..%2f..%2fstudies/{v}",
    "/%73tudies/{v}",
    "/%2573tudies/{v}",
    "/studies/{v}%00",
    "/studies/{v}%0a",
    "/studies/{v}%0d%0aX:1",
    "/studies/{v};x=1",
    "/studies/{v}%3bx",
    "/studies/{v}%20",
    "/cami%00/../studies/{v}",
    "/cami/%00/../../studies/{v}",
    "/STUDIES/{v}",
    "/studies/{v}?_method=DELETE",
    "/studies/{v}?_method=GET",
    "http://cami/studies/{v}",
    "*",
    "/studies/{v}#/cami/health",
    "/cami/..;/studies/{v}",
]


@pytest.mark.parametrize("target", TARGETS)
def test_crooked_addresses(victim, thief, region, target):
    prepared = requests.Request("GET", region.central, auth=thief.doctor.auth).prepare()
    signed = {"Authorization": prepared.headers["Authorization"]}
    for headers in ({}, signed):
        for method in ("GET", "HEAD", "OPTIONS", "PROPFIND", "POST", "DELETE", "TRACE"):
            for version in (10, 11):
                status, content = raw(region.central, method, target.format(v=victim.study), headers, version)
                assert not victim.betrayed_by(content), (method, headers)
                assert status != 200 or target.startswith(("/cami", "*")) or method == "OPTIONS", (method, status)
    assert victim.get(f"/studies/{victim.study}").status_code == 200


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Http-Method-Override"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_method_override(victim, thief, header, method):
    for person in (victim, thief):
        for fake in ("DELETE", "PUT", "GET"):
            url = f"{person.central}/studies/{person.study}"
            answer = person.doctor.request(method, url, headers={header: fake}, timeout=30)
            assert answer.status_code in (400, 403)  # Orthanc itself knows no "GET" to fake
    unhurt(victim)


def test_the_region_administrator_reads_but_does_not_run_code(region, victim, admin):
    assert admin.get(region.central + "/changes?limit=1", timeout=30).status_code == 200
    assert admin.get(f"{region.central}/studies/{victim.study}/patient", timeout=30).status_code == 200
    for path in ("/tools/execute-script", "/tools/reset", "/tools/shutdown", "/webdav", "/webdav/by-patients"):
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = admin.request(method, region.central + path, data=b"print(1)", timeout=30)
            assert answer.status_code == 403
    crash = f"{region.central}/instances/{victim.instance}/file?transcode=1.2.840.10008.1.2.4.80"
    assert admin.get(crash, timeout=30).status_code == 403
    assert admin.get(region.central + "/system", timeout=30).status_code == 200


# --- cases 13, 15: who somebody is ------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["mo_admin", "consultant", "operator", "dispatcher", "auditor"])
def test_roles_without_images(region, victim, role):
    mo = {"mo_admin": "42001", "consultant": "42900"}.get(role, "")
    person = region.session(role, mo)
    assert person.get(region.central + "/cami/whoami", timeout=30).status_code == 200
    for route in ROUTES:
        answer = person.get(region.central + named(route, victim.ids), timeout=30)
        assert not victim.betrayed_by(answer.content), route
    one = f"{victim.web}/series/{victim.uid}.1/instances/{victim.uid}.1.1"
    for path in ("/dicom-web/studies", f"{one}/frames/1", f"{one}/rendered", f"{victim.web}/metadata"):
        assert person.get(region.central + path, timeout=30).status_code == 403
    answer = person.post(region.central + "/tools/find", json={"Level": "Study", "Query": {}}, timeout=30)
    assert answer.status_code == 403
    assert not victim.betrayed_by(person.get(region.central + "/cami/", timeout=30).content)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic cm9vdDpyb290"},
        {"Authorization": "Basic YWRtaW46"},
        {"Authorization": "Bearer 00000000-0000-0000-0000-000000000000"},
        {"Authorization": "Bearer"},
        {"Cookie": "cami_session=x"},
        {"Cookie": "cami_session="},
        {"X-Remote-User": "admin", "Remote-User": "admin", "X-Forwarded-User": "admin", "X-Forwarded-For": "127.0.0.1"},
        {"X-Cami-Token": "x", "X-Cami-Csrf": "1"},
    ],
)
def test_forged_identities(region, victim, headers):
    for path in (f"/studies/{victim.study}", "/dicom-web/studies", "/system", "/app/explorer.html", "/changes"):
        answer = requests.get(region.central + path, headers=headers, timeout=30)
        assert (answer.status_code, answer.content) == (403, b"")


def cookie_of(region, role, mo):
    """Sign in on the login page and return the session."""
    account = next(each for each in region.about["accounts"] if (each["role"], each["mo"]) == (role, mo))
    browser = requests.Session()
    form = {"login": account["login"], "password": account["password"]}
    same = {"Origin": region.central}
    browser.post(region.central + "/cami/login", data=form, headers=same, timeout=30, allow_redirects=False)
    assert "cami_session" in browser.cookies
    return browser


def test_another_site_does_nothing_with_a_cookie(region, victim):
    browser = cookie_of(region, "radiologist", "42001")
    url = f"{region.central}/studies/{victim.study}"
    question = {"Level": "Study", "Query": {}}
    for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = browser.post(region.central + "/tools/find", json=question, headers=headers, timeout=30)
        assert answer.status_code == 403
        assert browser.get(url + "?_method=DELETE", headers=headers, timeout=30).status_code == 403
    same = browser.post(region.central + "/tools/find", json=question, headers={"Origin": region.central}, timeout=30)
    assert same.json() == [victim.study]
    unhurt(victim)


def test_sign_out_closes_at_once(region, victim):
    browser = cookie_of(region, "radiologist", "42001")
    url = f"{region.central}/studies/{victim.study}"
    assert browser.get(url, timeout=30).status_code == 200
    stolen = dict(browser.cookies)
    browser.post(region.central + "/cami/logout", headers={"Origin": region.central}, timeout=30)
    assert requests.get(url, cookies=stolen, timeout=30).status_code == 403


def test_the_proxy_serves_its_own_mo_only(region, victim, thief):
    mine, theirs = region.proxy("42002")["url"], region.proxy("42001")["url"]
    question = {"Level": "Study", "Query": {}}

    def own():
        answer = thief.doctor.post(mine + "/tools/find", json=question, timeout=30)
        return answer.status_code == 200 and thief.study in answer.json()

    wait_until("the proxy knows its people", own, 60)
    for path in (f"/studies/{victim.study}", "/dicom-web/studies", "/system", "/studies", f"{victim.web}/metadata"):
        assert thief.get(path).content is not None
        answer = thief.doctor.get(theirs + path, timeout=30)
        assert (answer.status_code, answer.content) == (403, b"")
    assert thief.doctor.post(theirs + "/tools/find", json=question, timeout=30).status_code == 403
    for person in (region.session("mo_admin", "42001"), region.session("region_admin"), region.session("operator")):
        assert person.get(f"{theirs}/studies/{victim.study}", timeout=30).status_code == 403
    for route in ROUTES:
        for method in ("POST", "PUT", "DELETE"):
            if method == "POST" and route in OPEN_POSTS:
                continue
            answer = victim.doctor.request(method, theirs + named(route, victim.ids), data=b"", timeout=30)
            assert answer.status_code == 403, (method, route)
    assert victim.doctor.get(f"{theirs}{victim.web}/metadata", headers=JSON, timeout=30).status_code == 200


# --- case 14: what fails stays shut -----------------------------------------------------------------------------------


def test_a_broken_table_of_owners_shows_nothing(region, victim, thief, admin):
    database = region.state / "servers" / "central" / "data" / "cami.sqlite"
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.execute("ALTER TABLE study RENAME TO study_hidden")
        connection.commit()
        try:
            for person in (thief, victim):
                for path in (f"/studies/{person.study}", "/dicom-web/studies", f"{person.web}/metadata", "/studies"):
                    answer = person.get(path)
                    assert answer.status_code in (403, 404, 500, 503), path
                    assert not victim.betrayed_by(answer.content)
        finally:
            connection.execute("ALTER TABLE study_hidden RENAME TO study")
            connection.commit()
    unhurt(victim)


def test_a_forged_label_shows_nothing(region, victim, thief, admin):
    """Not even somebody who can write labels past us opens a study with one: Orthanc's own index is changed."""
    index = region.state / "servers" / "central" / "data" / "orthanc" / "index"
    assert index.exists()
    region.server("stop", "central")
    try:
        with contextlib.closing(sqlite3.connect(index, timeout=30)) as connection:
            (number,) = connection.execute(
                "SELECT internalId FROM Resources WHERE publicId = ?", (victim.study,)
            ).fetchone()
            connection.execute("INSERT INTO Labels VALUES (?, 'mo-42002')", (number,))
            connection.commit()
    finally:
        region.server("start", "central")
    labels = admin.get(f"{region.central}/studies/{victim.study}/labels", timeout=30).json()
    assert set(labels) == {"mo-42001", "mo-42002"}
    assert thief.find("Study") == [thief.study]
    assert thief.get(f"/studies/{victim.study}").status_code == 403
    assert not victim.betrayed_by(thief.get("/dicom-web/studies", headers=JSON).content)
    assert thief.get(f"{victim.web}/metadata").status_code == 404
    unhurt(victim)


def test_no_name_and_no_password_is_in_the_logs(region, victim, thief):
    secrets = [victim.name, thief.name, "EVIL", PATIENT]
    secrets += [account["password"] for account in region.about["accounts"]]
    logs = [*(region.state / "servers").glob("*/server.log")]
    assert len(logs) == 3
    for log in logs:
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log


def test_files_at_the_centre_are_those_that_were_sent(victim, admin):
    """After all attacks the bytes are those that the proxy sent (reference/orthanc.md §4.3: compare digests)."""
    for key in victim.find("Instance", ParentStudy=victim.study):
        file = victim.get(f"/instances/{key}/file").content
        md5 = admin.get(f"{victim.central}/instances/{key}/attachments/dicom/md5", timeout=30).text
        assert hashlib.md5(file, usedforsecurity=False).hexdigest() == md5
