"""The owner's own access works, by DICOMweb and by Orthanc Explorer; so does that of the МО with the same patient."""

import io
import json
import zipfile

import pydicom
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from tests.integration.isolation.sides import JSON, unhurt


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
    assert metadata["TransferSyntax"] in (ExplicitVRLittleEndian, JPEGLSLossless)
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
