"""Searches from the study index against those of the core: the same studies and tags, and what the core cannot."""

import os

import pydicom
import pytest

from tests.integration.isolation.sides import JSON, image
from tests.live import wait_until

PEOPLE = [
    ("1", "Иванов^Иван^Иванович", "20260105", "CT"),
    ("2", "СЁМИН^Юрий", "20260107", "MR"),
    ("3", "PETROVA^ANNA", "20260106", "CT"),
    ("4", "Иваненко^Пётр=IVANENKO^PETR", "20251230", "CT"),
    ("5", "", "", "DX"),
]
FOREIGN = "1.2.826.0.1.77.9"


def study_uid(number):
    return f"1.2.826.0.1.77.{number}"


def refine(path, date, modality, number):
    """Give an image what searches look for, and leave out of the last one what may be missing."""
    dataset = pydicom.dcmread(path)
    dataset.Modality, dataset.StudyDate = modality, date
    if number != "5":
        dataset.AccessionNumber, dataset.StudyTime, dataset.PatientSex = f"ACC-{number}", "101112.5", "F"
        dataset.PatientBirthDate, dataset.ReferringPhysicianName = "19500101", "Врач^Вера"
        dataset.SeriesDescription, dataset.SeriesNumber, dataset.BodyPartExamined = "Серия", "7", "HEAD"
    else:
        del dataset.AccessionNumber
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def filled(region, tmp_path_factory):
    """Five studies of МО 42001 and one of 42002, in an index that is fresh."""
    folder = tmp_path_factory.mktemp("images")
    for number, name, date, modality in PEOPLE:
        for series in (1, 2):
            path = image(folder / "one" / number, study_uid(number), name=name, series=series, patient=f"P-{number}")
            refine(path, date, modality if series == 1 else "SR", number)
    image(folder / "two", FOREIGN, name="Иванов^Чужой", patient="P-1")
    region.send(folder / "one", "42001")
    region.send(folder / "two", "42002")
    region.settle("42001", 2 * len(PEOPLE))
    region.settle("42002", 1)
    wait_until("the index is whole", lambda: index(region)["instances"] == 2 * len(PEOPLE) + 1)
    wait_until("the index is fresh", lambda: index(region)["state"] == "fresh")
    return region


def index(region):
    answer = region.session("region_admin").get(region.central + "/cami/api/index", timeout=30)
    assert answer.status_code == 200
    return answer.json()


def qido(region, person, search):
    answer = person.get(f"{region.central}/dicom-web/{search}", headers=JSON, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def numbers(studies):
    return [study["0020000D"]["Value"][0].rpartition(".")[2] for study in studies]


def named(region, person, name):
    """Search for a name, by QIDO-RS where letters other than ASCII reach the DICOMweb plugin: not in Orthanc 1.12.7."""
    if os.environ.get("SUITE") != "trixie":
        return numbers(qido(region, person, f"studies?PatientName={name}"))
    found = find(region, person, Query={"PatientName": name}, ResponseContent=["MainDicomTags"])
    return [study["MainDicomTags"]["StudyInstanceUID"].rpartition(".")[2] for study in found]


def find(region, person, **body):
    answer = person.post(region.central + "/tools/find", json={"Level": "Study", "Query": {}, **body}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "search",
    [
        "studies",
        "studies?includefield=StudyDescription,InstitutionName,00321060",
        "studies?includefield=00081032",
        "studies?PatientID=P-1",
        "studies?PatientID=p-1",
        "studies?PatientID=P-1,P-3",
        "studies?PatientID=P-*",
        "studies?PatientID=P-%3F",
        "studies?StudyDate=20260105",
        "studies?StudyDate=20260105-20260106",
        "studies?StudyDate=20260106-",
        "studies?StudyDate=-20260105",
        "studies?AccessionNumber=acc-2",
        "studies?AccessionNumber=*-2",
        "studies?ModalitiesInStudy=CT",
        "studies?ModalitiesInStudy=MR,DX",
        "studies?PatientBirthDate=19400101-19501231&PatientSex=F",
        "studies?StudyInstanceUID=1.2.826.0.1.77.2,1.2.826.0.1.77.9",
        "studies?StudyDescription=*иван*",
        "studies?PatientName=Иванов^Иван^Иванович",
        "studies?PatientName=*PETROV*",
        "studies?PatientName=Ива*",
        "studies?ReferringPhysicianName=Врач*",
        "studies?StudyTime=101112.5",
        "studies?Modality=CT",
        "studies?NumberOfStudyRelatedInstances=2",
        "series?Modality=SR",
        "series?StudyInstanceUID=1.2.826.0.1.77.2",
        "series?SeriesDescription=Сер*&BodyPartExamined=HEAD&SeriesNumber=7",
        "series?SeriesInstanceUID=1.2.826.0.1.77.2.1,1.2.826.0.1.77.9.1",
        "series?PatientID=P-1",
        "series?includefield=00081030,StationName",
        "studies/1.2.826.0.1.77.3/series",
        "studies/1.2.826.0.1.77.9/series",
        "studies/1.2.826.0.1.77.3/instances",
    ],
)
def test_qido_answers_as_the_core(filled, search):
    # The region administrator is answered by the core, with everybody's studies.
    core = [
        found
        for found in qido(filled, filled.session("region_admin"), search)
        if found["0020000D"]["Value"][0] != FOREIGN
    ]
    ours = qido(filled, filled.session("radiologist", "42001"), search)

    def key(found):
        return str(found.get("0020000E", "")) + str(found["0020000D"]) + str(found.get("00080018", ""))

    assert sorted(ours, key=key) == sorted(core, key=key)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Expand": True},
        {"Expand": True, "Full": True},
        {"Expand": True, "Short": True, "Limit": 2},
        {"Expand": True, "RequestedTags": ["ModalitiesInStudy", "PatientName"]},
        {"ResponseContent": ["MainDicomTags"]},
        {"ResponseContent": ["MainDicomTags", "RequestedTags"], "Full": True, "RequestedTags": ["0020,1208"]},
        {"ResponseContent": ["RequestedTags"], "Short": True, "RequestedTags": ["0008-0061", "00201206", "PatientSex"]},
        {"ResponseContent": ["RequestedTags"], "RequestedTags": ["SOPClassesInStudy", "Rows"]},
        {"ResponseContent": ["Metadata", "Children", "Parent", "IsStable"], "Limit": 3},
        {"Level": "Series", "ResponseContent": ["MainDicomTags"]},
        {"Level": "Series", "Expand": True, "Limit": 3},
        {"Level": "Series", "Query": {"Modality": "CT"}, "ResponseContent": ["MainDicomTags"], "Full": True},
    ],
)
def test_find_answers_as_the_core(filled, body):
    ours = find(filled, filled.session("radiologist", "42001"), **body)
    core = find(filled, filled.session("region_admin"), **{**body, "Limit": 0})
    if not isinstance(core[0], dict):
        assert set(ours) < set(core)
        return
    by_id = {found["ID"]: found for found in core}
    for found in ours:
        expected = by_id[found["ID"]]
        expected.pop("Metadata", found.pop("Metadata", None))
        assert found == expected | ({"Labels": []} if "Labels" in expected else {})
    assert len(ours) == body.get("Limit", len(core) - 1)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("семин*", ["2"]),
        ("СЁМИН^ЮРИЙ", ["2"]),
        ("semin*", ["2"]),
        ("Semin^Yuriy", ["2"]),
        ("иван*", ["1", "4"]),
        ("IVAN*", ["1", "4"]),
        ("*нович", ["1"]),
        ("*анн*", ["3"]),
        ("петрова анна", ["3"]),
        ("Петров^*", []),
        ("ив?н*", ["1", "4"]),  # the core compares bytes: its ? is half a Cyrillic letter
        ("*petr*", ["3", "4"]),
    ],
)
def test_names_in_any_case_and_script(filled, name, found):
    assert named(filled, filled.session("clinician", "42001"), name) == found


def test_newest_first_in_pages_with_the_right_count(filled):
    person = filled.session("radiologist", "42001")
    everything = numbers(qido(filled, person, "studies"))
    assert everything == ["2", "3", "1", "4", "5"]
    pages = [numbers(qido(filled, person, f"studies?limit=2&offset={start}")) for start in (0, 2, 4, 6)]
    assert pages == [["2", "3"], ["1", "4"], ["5"], []]
    counted = person.post(filled.central + "/tools/count-resources", json={"Level": "Series", "Query": {}}, timeout=30)
    assert counted.json() == {"Count": 10}
    listed = person.get(filled.central + "/studies?since=1&limit=2", timeout=30).json()
    assert listed == find(filled, person)[1:3]
    assert named(filled, filled.session("radiologist", "42002"), "иван*") == ["9"]


def test_the_page_searches_in_the_index(filled):
    person = filled.session("radiologist", "42001")
    page = filled.central + "/cami/"
    form = {"words": "иван P-1 acc-1", "since": "2026-01-01", "until": ""}
    same_site = {"Sec-Fetch-Site": "same-origin"}
    assert person.post(page, data=form, headers=same_site, timeout=30).status_code == 200
    shown = person.get(page, timeout=30).text
    assert "Иванов Иван Иванович" in shown
    assert "Иваненко" not in shown
    assert person.get(filled.central + "/patients", timeout=30).status_code == 200
    assert len(person.get(filled.central + "/patients?since=1&limit=3", timeout=30).json()) == 3


def test_only_the_region_administrator_has_the_index_built_anew(filled):
    address = filled.central + "/cami/api/index"
    for person in (filled.session("radiologist", "42001"), filled.session("operator")):
        assert person.get(address, timeout=30).status_code == 403
        assert person.post(address + "/rebuild", timeout=30).status_code == 403
    root = filled.session("region_admin")
    assert root.post(address + "/rebuild", timeout=30).status_code == 200
    # While it is built the core answers: nothing is missing at any moment.
    person = filled.session("radiologist", "42001")
    while index(filled)["state"] != "fresh":
        assert sorted(numbers(qido(filled, person, "studies"))) == ["1", "2", "3", "4", "5"]
    assert index(filled)["studies"] == 6


def test_a_restart_and_what_comes_after_it(filled, tmp_path):
    filled.server("kill", "central")
    filled.server("start", "central")
    wait_until("the index is fresh again", lambda: index(filled)["state"] == "fresh")
    person = filled.session("radiologist", "42001")
    assert numbers(qido(filled, person, "studies")) == ["2", "3", "1", "4", "5"]
    path = image(tmp_path / "more", study_uid("6"), name="Яшина^Юлия", patient="P-6")
    refine(path, "20260201", "CT", "6")
    filled.send(tmp_path / "more", "42001")
    filled.settle("42001", 2 * len(PEOPLE) + 1)
    assert numbers(qido(filled, person, "studies?limit=1")) == ["6"]
    assert numbers(qido(filled, person, "studies?PatientName=iashina*")) == ["6"]
