"""DICOMweb and searches against another МО's study: cases 4 and 8, and the oracles of 15."""

import pytest

from tests.integration.isolation.sides import JSON, PATIENT, ROUTES, named


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
