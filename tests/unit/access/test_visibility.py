"""Searches: МО 42002 against the data of 42001, and each finds its own."""

import json

import pytest

from cami.access import Identity, Role, Visibility
from cami.access.question import Question
from cami.errors import Invalid

ONE = Identity("rad1", "", Role.RADIOLOGIST, "42001")
TWO = Identity("rad2", "", Role.RADIOLOGIST, "42002")
ROOT = Identity("root", "", Role.REGION_ADMIN, "")
BLIND = [
    None,
    Identity("adm1", "", Role.MO_ADMIN, "42001"),
    Identity("cons", "", Role.CONSULTANT, "42900"),
    Identity("oper", "", Role.OPERATOR, ""),
    Identity("aud", "", Role.AUDITOR, ""),
    Identity("disp", "", Role.DISPATCHER, ""),
    Identity("mis", "", Role.MIS, ""),
    Identity("nowhere", "", Role.RADIOLOGIST, ""),
]
STUDIES = {"Level": "Study", "Query": {}}


@pytest.fixture(autouse=True)
def _delivered(first, second, orphan):
    """Both МО have delivered."""


@pytest.mark.parametrize("level", ["Study", "study", "STUDIES", "Series", "Instance", "INSTANCES", "Image", "IMAGES"])
def test_each_sees_only_its_own(visibility, archive, first, second, level):
    mine, theirs = (visibility.find(person, {"Level": level, "Query": {}}) for person in (ONE, TWO))
    assert mine
    assert len(mine) == len(theirs)
    assert {archive._lineage(archive.resources[key])["Study"] for key in mine} == {first.id}
    assert {archive._lineage(archive.resources[key])["Study"] for key in theirs} == {second.id}


@pytest.mark.parametrize("person", BLIND)
@pytest.mark.parametrize("level", ["Study", "Series", "Instance", "Patient"])
def test_the_blind_see_nothing_and_the_core_is_not_asked(visibility, archive, person, level):
    assert visibility.find(person, {"Level": level, "Query": {}}) == []
    assert visibility.count(person, {"Level": level, "Query": {}}) == 0
    assert archive.questions == []


def test_the_region_administrator_asks_the_core(visibility, archive):
    assert len(visibility.find(ROOT, STUDIES)) == 3
    assert len(visibility.find(ROOT, {"Level": "Patient", "Query": {}})) == 1
    assert visibility.count(ROOT, STUDIES) == 3


def test_patients_are_not_found(visibility):
    for level in ("Patient", "PATIENTS", "patient"):
        assert visibility.find(ONE, {"Level": level, "Query": {}}) == []


@pytest.mark.parametrize("labels", [["mo-42002"], ["mo-42001", "mo-42002"], ["x"]])
@pytest.mark.parametrize("how", ["Any", "All", "None"])
def test_labels_of_the_client_open_nothing(visibility, labels, how):
    assert visibility.find(ONE, {**STUDIES, "Labels": labels, "LabelsConstraint": how}) == []


@pytest.mark.parametrize("how", ["Any", "All", "None"])
def test_an_empty_list_of_labels_is_no_way_around(visibility, first, how):
    assert visibility.find(ONE, {**STUDIES, "Labels": [], "LabelsConstraint": how}) == [first.id]


def test_the_core_is_never_asked_without_labels_or_parent(visibility, archive):
    for level in ("Study", "Series", "Instance"):
        visibility.find(ONE, {"Level": level, "Query": {"PatientName": "*"}})
        visibility.count(ONE, {"Level": level, "Query": {}})
    assert archive.questions
    assert all(question.get("Labels") or question.get("ParentStudy") for question in archive.questions)


def test_who_has_no_label_is_not_asked_about(visibility, archive, monkeypatch):
    monkeypatch.setattr(visibility._owners, "labels", lambda _: [])
    assert visibility.find(ONE, STUDIES) == []
    assert visibility.find(ONE, {"Level": "Series", "Query": {"PatientName": "*"}}) == []
    assert archive.questions == []


def test_a_forged_label_shows_nothing_foreign(visibility, archive, first, second, orphan):
    for study in (second, orphan):
        archive.resources[study.id]["Labels"].append("mo-42001")
    assert visibility.find(ONE, STUDIES) == [first.id]
    assert visibility.find(ONE, {**STUDIES, "Expand": True})[0]["ID"] == first.id
    assert visibility.count(ONE, STUDIES) == 1
    assert visibility.find(ONE, {"Level": "Series", "Query": {"StudyInstanceUID": second.uid}}) == []
    assert len(visibility.find(ONE, {"Level": "Series", "Query": {"PatientName": "*"}})) == 2


@pytest.mark.parametrize("key", ["StudyInstanceUID", "0020,000d", "0020,000D", "0020000D", "0020000d", "0020-000d"])
@pytest.mark.parametrize("level", ["Study", "Series", "Instance"])
def test_foreign_study_uid_finds_nothing_in_any_spelling(visibility, first, second, key, level):
    def ask(uid):
        return visibility.find(ONE, {"Level": level, "Query": {key: uid}})

    assert ask(second.uid) == []
    assert ask("9.9.9") == []
    assert ask(first.uid)
    assert ask(f"{second.uid}\\{first.uid}") == ask(first.uid)
    assert ask(f"{first.uid}\\{second.uid}") == ask(first.uid)
    assert ask("1.2.*") == ask("?") == ask(f"{first.uid}\\*") == []
    assert ask("*") == ask("") == ask(first.uid)


@pytest.mark.parametrize("level", ["Series", "Instance"])
def test_two_spellings_at_once_do_not_confuse(visibility, first, second, level):
    query = {"StudyInstanceUID": first.uid, "0020,000d": second.uid}
    assert visibility.find(ONE, {"Level": level, "Query": query}) == []


def test_own_study_with_foreign_series_or_instance_finds_nothing(visibility, first, second):
    # /dicom-web/studies/{own}/series/{foreign}/instances/{foreign}
    query = {"StudyInstanceUID": first.uid, "SeriesInstanceUID": f"{second.uid}.1"}
    assert visibility.find(ONE, {"Level": "Series", "Query": query}) == []
    query["SOPInstanceUID"] = f"{second.uid}.1.1"
    assert visibility.find(ONE, {"Level": "Instance", "Query": query}) == []


@pytest.mark.parametrize(
    ("level", "keyword", "tail"), [("Series", "SeriesInstanceUID", ".1"), ("Instance", "SOPInstanceUID", ".1.1")]
)
def test_a_uid_alone_finds_only_the_own(visibility, first, second, *, level, keyword, tail):
    assert visibility.find(ONE, {"Level": level, "Query": {keyword: second.uid + tail}}) == []
    assert len(visibility.find(ONE, {"Level": level, "Query": {keyword: first.uid + tail}})) == 1
    both = f"{first.uid}{tail}\\{second.uid}{tail}"
    assert len(visibility.find(ONE, {"Level": level, "Query": {keyword: both}})) == 1


def test_parents_of_others_are_no_way_in(visibility, first, second):
    for level in ("Series", "Instance"):
        assert visibility.find(ONE, {"Level": level, "Query": {}, "ParentStudy": second.id}) == []
        assert visibility.find(ONE, {"Level": level, "Query": {}, "ParentSeries": second.series}) == []
        assert visibility.find(ONE, {"Level": level, "Query": {}, "ParentStudy": first.id})
        # The shared patient holds both: only the own part comes.
        mine = visibility.find(ONE, {"Level": level, "Query": {}, "ParentPatient": first.patient})
        assert mine == visibility.find(ONE, {"Level": level, "Query": {}, "ParentStudy": first.id})
        assert visibility.find(ONE, {"Level": level, "Query": {}, "ParentPatient": "x"}) == []
        for confused in ("", first.series, first.patient):
            assert visibility.find(ONE, {"Level": level, "Query": {}, "ParentStudy": confused}) == []
    assert visibility.find(ONE, {**STUDIES, "ParentPatient": first.patient}) == [first.id]
    assert visibility.find(ONE, {**STUDIES, "ParentStudy": second.id}) == []
    assert len(visibility.find(ONE, {"Level": "Instance", "Query": {}, "ParentSeries": first.series})) == 2
    both = {"ParentStudy": second.id, "ParentSeries": first.series}
    assert visibility.find(ONE, {"Level": "Instance", "Query": {}, **both}) == []


def test_series_of_all_own_studies_newest_first_with_pages(visibility, archive, deliver, first):
    newer = deliver("42001", "1.2.9", patient="P9")
    everything = visibility.find(ONE, {"Level": "Series", "Query": {}})
    assert [archive.resources[key]["ParentStudy"] for key in everything] == [newer.id] * 2 + [first.id] * 2
    for since in range(5):
        for limit in range(1, 6):
            page = visibility.find(ONE, {"Level": "Series", "Query": {}, "Since": since, "Limit": limit})
            assert page == everything[since : since + limit]
        assert visibility.find(ONE, {"Level": "Series", "Query": {}, "Since": since}) == everything[since:]
    modality = visibility.find(ONE, {"Level": "Series", "Query": {"0008,0060": "CT"}})
    assert [archive.resources[key]["MainDicomTags"]["Modality"] for key in modality] == ["CT", "CT"]


def test_a_page_stops_asking_when_it_is_full(visibility, archive, deliver):
    for number in range(5):
        deliver("42001", f"1.3.{number}")
    archive.questions.clear()
    assert len(visibility.find(ONE, {"Level": "Instance", "Query": {}, "Limit": 3})) == 3
    assert len(archive.questions) == 1


def test_study_tags_narrow_a_search_for_series(visibility, archive, deliver):
    for number in range(5):
        deliver("42001", f"1.3.{number}", patient=f"P{number}", name=f"N{number}^A")
    archive.questions.clear()
    found = visibility.find(ONE, {"Level": "Series", "Query": {"0010,0010": "n3*"}})
    assert len(found) == 2
    assert len(archive.questions) == 2


def test_answers_carry_no_labels_and_no_addresses(visibility):
    for answer in visibility.find(ONE, {**STUDIES, "Expand": True}):
        assert answer["Labels"] == []
    content = ["Metadata", "Labels", "Attachments", "MainDicomTags"]
    for level in ("Study", "Series", "Instance"):
        for answer in visibility.find(ONE, {"Level": level, "Query": {}, "ResponseContent": content}):
            assert answer["Metadata"] == {"TransferSyntax": "1.2.840.10008.1.2"}
            assert "mo-" not in json.dumps(answer)
            assert "10.0.0.1" not in json.dumps(answer)


def test_counts_of_the_shared_patient_are_not_asked_for():
    tags = ["NumberOfPatientRelatedStudies", "0020,1200", "00201204", "0020-1202", "StudyDate"]
    question = Question.parse({**STUDIES, "RequestedTags": tags, "Query": {"0020,1200": "2", "StudyDate": "2026"}})
    assert question.rest["RequestedTags"] == ["StudyDate"]
    assert question.query == {"StudyDate": "2026"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Level": "Study", "Query": []},
        {"Level": "Study", "Query": {"PatientName": 5}},
        {"Level": "Study", "Query": {"PatientName": ["A", "B"]}},
        {"Level": "Nonsense", "Query": {}},
        {"Level": ["Study"], "Query": {}},
        {**STUDIES, "Limit": -1},
        {**STUDIES, "Limit": "1"},
        {**STUDIES, "Since": True},
        {**STUDIES, "ParentStudy": ["x"]},
        {**STUDIES, "ParentSeries": "x"},
        {**STUDIES, "RequestedTags": "x"},
        {**STUDIES, "ResponseContent": [1]},
        {**STUDIES, "OrderBy": [{"Type": "Metadata", "Key": "RemoteIP", "Direction": "ASC"}]},
        {**STUDIES, "MetadataQuery": {"CamiOwner": "42002"}},
        {**STUDIES, "Anything": 1},
    ],
)
def test_what_is_not_understood_is_not_asked(visibility, archive, body):
    with pytest.raises(Invalid):
        visibility.find(ONE, body)
    assert archive.questions == []


def test_at_the_proxy_its_people_find_everything_but_patients(archive, engine, first, second, orphan):
    proxy = Visibility("proxy", "42001", archive, engine)
    assert set(proxy.find(ONE, STUDIES)) == {first.id, second.id, orphan.id}
    assert proxy.find(ONE, {"Level": "Patient", "Query": {}}) == []
    assert len(proxy.find(ONE, {"Level": "Series", "Query": {}, "ParentStudy": first.id})) == 2
    assert proxy.find(TWO, STUDIES) == []
    assert all(proxy.find(person, STUDIES) == [] for person in BLIND)
    assert proxy.find(ONE, {**STUDIES, "Expand": True})[0]["Labels"] == []
