"""Searches of tenants in the study index: scoped like those of the core, which answers what the index cannot."""

import pytest
from sqlalchemy import event, update

from cami.access import Identity, Role, Visibility
from cami.access.patients import Patients
from cami.db.tables import indexed_study
from cami.index import IndexStore, StudyIndex
from cami.index.source import Kept, study_row

ONE = Identity("rad1", "", Role.RADIOLOGIST, "42001")
TWO = Identity("rad2", "", Role.RADIOLOGIST, "42002")
ROOT = Identity("root", "", Role.REGION_ADMIN, "")
STUDIES = {"Level": "Study", "Query": {}}
UID = "0020,000d"


class Standing:
    """An index that is fresh as long as the test says."""

    kept = Kept(frozenset({UID}), frozenset({"0010,0010", "0010,0020"}), frozenset({"0008,0060", "0020,000e"}))
    state = "fresh"


@pytest.fixture
def standing():
    return Standing()


def full(**named):
    """Write tags as the core does in its full form."""
    return {tag: {"Name": name, "Type": "String", "Value": value} for tag, (name, value) in named.items()}


def row_of(archive, study):
    """Make the index's row of a study in the archive."""
    found = archive.resources[study.id]
    tags = full(
        **{
            "0010,0010": ("PatientName", found["PatientMainDicomTags"]["PatientName"]),
            "0010,0020": ("PatientID", found["PatientMainDicomTags"]["PatientID"]),
            UID: ("StudyInstanceUID", study.uid),
        }
    )
    children = []
    for key in found["Series"]:
        own = archive.resources[key]["MainDicomTags"]
        named = {
            "0008,0060": ("Modality", own["Modality"]),
            "0020,000e": ("SeriesInstanceUID", own["SeriesInstanceUID"]),
        }
        children.append({"ID": key, "Instances": archive.resources[key]["Instances"], "RequestedTags": full(**named)})
    return study_row({"ID": study.id, "ParentPatient": study.patient, "RequestedTags": tags}, children)


@pytest.fixture
def filled(archive, engine, clock, first, *, second, orphan):
    """Both МО have delivered, and everything is in the index."""
    store = IndexStore(engine, clock)
    for study in (first, second, orphan):
        store.write({study.id: row_of(archive, study)})
    archive.questions.clear()
    return store


@pytest.fixture
def visibility(archive, engine, filled, standing):
    return Visibility("central", "", archive, engine, StudyIndex(engine, standing))


QUERIES = [
    {},
    {"PatientName": "*"},
    {"PatientName": "*A*"},
    {"PatientID": "SHARED"},
    {"0020,000D": "1.2.1\\1.2.2"},
    {"ModalitiesInStudy": "CT"},
]


@pytest.mark.parametrize("level", ["Study", "Series"])
@pytest.mark.parametrize("query", QUERIES)
def test_each_finds_only_its_own_and_the_core_is_not_asked(visibility, archive, first, *, second, level, query):
    body = {"Level": level, "Query": query}
    for person, own in ((ONE, first), (TWO, second)):
        found = visibility.find(person, body)
        assert {archive._lineage(archive.resources[key])["Study"] for key in found} == {own.id}
        assert visibility.count(person, body) == len(found) == (1 if level == "Study" else 2)
    assert archive.questions == []


def test_one_image_is_found_without_the_core(visibility, archive, first, second):
    def find(person, study, series="1.2.1.1", sop="1.2.1.1.1", **more):
        query = {"0020,000D": study, "SeriesInstanceUID": series, "SOPInstanceUID": sop}
        return visibility.find(person, {"Level": "instance", "Query": query, **more})

    assert find(ONE, first.uid) == [first.instance]
    assert archive.questions == []
    assert find(TWO, first.uid) == []
    assert find(ONE, second.uid) == find(ONE, first.uid, series="1.2.1.2") == find(ONE, first.uid, sop="9.9") == []
    assert find(ONE, first.uid, Since=1) == []
    assert find(ONE, first.uid, Expand=True)[0]["ID"] == first.instance


def test_what_is_foreign_and_what_is_not_there_cost_the_same(visibility, engine, second):
    def statements(uid):
        seen = []

        def note(_connection, _cursor, statement, *_):
            seen.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        assert visibility.find(ONE, {**STUDIES, "Query": {"StudyInstanceUID": uid}}) == []
        event.remove(engine, "before_cursor_execute", note)
        return seen

    assert statements(second.uid) == statements("9.9.9")


def test_a_row_with_a_wrong_owner_shows_nothing_foreign(visibility, archive, engine, first, *, second, caplog):
    with engine.begin() as connection:
        connection.execute(update(indexed_study).where(indexed_study.c.study_id == second.id).values(owner="42001"))
    assert visibility.find(ONE, STUDIES) == [first.id]
    assert archive.questions  # the core answered
    assert "another owner" in caplog.text
    assert second.id not in caplog.text


def test_an_index_that_is_behind_is_not_asked(visibility, archive, standing, first, deliver):
    standing.state = "behind"
    newer = deliver("42001", "1.2.9", patient="P9")
    assert set(visibility.find(ONE, STUDIES)) == {first.id, newer.id}
    assert visibility.count(ONE, STUDIES) == 2
    assert archive.questions


@pytest.mark.parametrize(
    "query",
    [
        {"SOPInstanceUID": "1.2.1.1.1"},
        {"StudyTime": "10-11"},
        {"PatientName": "A^^B"},
        {"PatientName": "ALPHA*", "0010,0010": "BETA*"},
        {"StudyDate": "202601*"},
        {"ModalitiesInStudy": "C*"},
        {"NumberOfStudyRelatedInstances": "4"},
        {"AccessionNumber": "A*\\B"},
    ],
)
def test_what_the_index_cannot_say_the_core_is_asked(visibility, archive, second, query):
    found = visibility.find(ONE, {**STUDIES, "Query": query})
    assert second.id not in found
    assert archive.questions
    assert all(question.get("Labels") for question in archive.questions)


def test_case_matters_only_to_the_core(visibility, archive):
    visibility.find(ONE, {**STUDIES, "Query": {"PatientName": "alpha*"}, "CaseSensitive": True})
    assert archive.questions


def test_tags_in_every_form(visibility, archive, first):
    body = {**STUDIES, "ResponseContent": ["MainDicomTags", "RequestedTags"], "RequestedTags": ["0020-1208", UID]}
    named = {"Name": "NumberOfStudyRelatedInstances", "Type": "String", "Value": "4"}
    (full,) = visibility.find(ONE, {**body, "Full": True})
    assert full["RequestedTags"]["0020,1208"] == named
    assert full["MainDicomTags"] == {UID: {"Name": "StudyInstanceUID", "Type": "String", "Value": first.uid}}
    (short,) = visibility.find(ONE, {**body, "Short": True})
    assert short["RequestedTags"] == {"0020,1208": "4", UID: first.uid}
    (human,) = visibility.find(ONE, body)
    assert human["RequestedTags"] == {"NumberOfStudyRelatedInstances": "4", "StudyInstanceUID": first.uid}
    assert human["PatientMainDicomTags"] == {"PatientID": "SHARED", "PatientName": "ALPHA^A"}
    assert archive.questions == []


def test_what_the_index_does_not_hold_the_core_tells_of_the_page(visibility, archive, deliver, first):
    (answer,) = visibility.find(ONE, {**STUDIES, "Expand": True, "Limit": 5})
    assert answer["ID"] == first.id
    assert answer["Labels"] == []
    (question,) = archive.questions
    assert question["Query"] == {"StudyInstanceUID": first.uid}


@pytest.mark.parametrize("labels", [["mo-42002"], ["mo-42001"]])
def test_labels_of_the_client_open_nothing(visibility, labels):
    assert visibility.find(ONE, {**STUDIES, "Labels": labels, "LabelsConstraint": "Any"}) == []
    assert visibility.count(ONE, {**STUDIES, "Labels": labels, "LabelsConstraint": "Any"}) == 0


def test_the_region_administrator_is_answered_by_the_core(visibility, archive):
    assert len(visibility.find(ROOT, STUDIES)) == 3
    assert archive.questions


def test_patients_are_listed_from_the_index(visibility, archive, filled, *, deliver, first, standing):
    newer = deliver("42001", "1.2.9", patient="P9")
    filled.write({newer.id: row_of(archive, newer)})
    archive.questions.clear()
    patients = Patients(visibility)
    listed = patients.listing(ONE, {})
    assert sorted(listed) == sorted([first.patient, newer.patient])
    assert [patients.listing(ONE, {"since": str(start), "limit": "1"}) for start in (0, 1, 2)] == [
        *([one] for one in listed),
        [],
    ]
    assert archive.questions == []
    assert {one["ID"]: one["Studies"] for one in patients.listing(ONE, {"expand": ""})} == {
        first.patient: [first.id],
        newer.patient: [newer.id],
    }
    standing.state = "behind"
    assert sorted(patients.listing(ONE, {})) == sorted(listed)


def test_parents(visibility, first, second):
    for level in ("Study", "Series"):
        body = {"Level": level, "Query": {}, "ParentPatient": first.patient}
        assert len(visibility.find(ONE, body)) == (1 if level == "Study" else 2)
    assert len(visibility.find(ONE, {"Level": "Series", "Query": {}, "ParentStudy": first.id})) == 2
    assert visibility.find(ONE, {"Level": "Series", "Query": {}, "ParentStudy": second.id}) == []
    assert visibility.find(ONE, {"Level": "Series", "Query": {}, "ParentSeries": second.series}) == []


def test_a_second_look_at_the_owners_touches_the_named_studies_only(visibility, engine, first):
    # Given the owner too, SQLite goes through all studies of the МО: 10 ms more at 10,000 of them.
    seen = []

    def note(_connection, _cursor, statement, parameters, *_):
        if " FROM study " in " ".join(statement.split()):
            seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    assert visibility.find(ONE, STUDIES) == [first.id]
    event.remove(engine, "before_cursor_execute", note)
    ((statement, parameters),) = seen
    with engine.connect() as connection:
        plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters).all()
    steps = [row[-1] for row in plan]
    assert steps[0] == "SEARCH study USING INDEX sqlite_autoindex_study_1 (study_id=?)"
    assert all("ix_study_grant" in step for step in steps[1:] if step.startswith(("SEARCH", "SCAN")))
