"""In step with the archive, whatever happens to either."""

import pytest

from cami.errors import Transient
from cami.index import Asked, Beyond, IndexFollower, Page, Scope
from cami.index.follower import MOMENT
from cami.index.store import Totals
from tests.unit.index.conftest import settle

MINE = Scope("42001")


def tags(number, **more):
    return {"StudyInstanceUID": f"1.{number}", "PatientID": f"P{number}", "PatientName": f"Имя{number}^А", **more}


@pytest.fixture
def deliver(archive, own):
    def arrive(number, mo="42001", **more):
        study_id, _ = archive.add(tags(number, **more))
        own(mo, study_id, f"1.{number}")
        return study_id

    return arrive


def found(index, **query):
    return [hit.resource for hit in index.find(MINE, Asked("studies", query), Page())]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("иванов", {1, 2}),
        ("ИВАН ИВ", {1, 2}),
        ("ivan", {1, 2}),
        ("ванов", set()),
        ("семин", {3}),
        ("17", {1, 3}),
        ("к-17", {1}),
        ("ivan 17", {1}),
        ("acc", {3}),
        ("%", set()),
        ("", {1, 2, 3}),
    ],
)
def test_words_as_people_type_them(index, follower, deliver, words, numbers):
    ids = {
        1: deliver(1, PatientName="Иванов^Иван", PatientID="К-17"),
        2: deliver(2, PatientName="IVANOVA^ANNA", PatientID="44"),
        3: deliver(3, PatientName="Сёмин^О'Нил", AccessionNumber="ACC-9170"),
    }
    deliver(4, mo="42002", PatientName="Иванов^Иван")
    settle(follower)
    hits = index.find(MINE, Asked("studies", words=words), Page())
    assert {hit.resource for hit in hits} == {ids[number] for number in numbers}


def test_words_find_what_is_granted_too(index, follower, deliver, grant):
    first, second = deliver(1, PatientName="Иванов^Иван"), deliver(2, mo="42002", PatientName="IVANOVA^ANNA")
    deliver(3, PatientName="Иванов^Иван")
    settle(follower)
    granted = grant("42009", [("42001", "1.1"), ("42002", "1.2")])
    for words, found in (("ivan", {first, second}), ("anna", {second}), ("", {first, second}), ("петр", set())):
        for mo in ("42009", ""):
            hits = index.find(Scope(mo, granted), Asked("studies", words=words), Page())
            assert {hit.resource for hit in hits} == found


def test_it_is_not_asked_before_it_is_built(index, follower, deliver):
    deliver(1)
    assert follower.state == "building"
    with pytest.raises(Beyond):
        index.find(MINE, Asked("studies"), Page())
    settle(follower)
    assert follower.state == "fresh"
    assert len(found(index)) == 1


def test_arrivals_follow_in_pages_of_the_log(index, follower, archive, deliver, store):
    settle(follower)
    ids = {deliver(number) for number in range(7)}
    settle(follower)
    assert set(found(index)) == ids
    archive.add(tags(3), series_uid="2", modality="SR")
    archive.add(tags(3), series_uid="2", modality="SR", sop="2")
    settle(follower)
    assert store.totals() == Totals(7, 8, 9)
    assert found(index, ModalitiesInStudy="SR") == found(index, PatientID="P3")


def test_it_goes_on_where_it_stopped(archive, store, follower, deliver):
    settle(follower)
    deliver(1)
    settle(follower)
    archive.questions.clear()
    deliver(2)
    settle(IndexFollower(archive, store))
    assert {question.get("ParentStudy") for question in archive.questions} == {
        study_id for study_id, study in archive.studies.items() if study["tags"]["PatientID"] == "P2"
    }


def test_what_is_deleted_is_out_before_the_index_is_asked_again(index, follower, archive, deliver, store):
    gone, stays = deliver(1), deliver(2)
    settle(follower)
    archive.delete(gone)
    follower.note_deleted("studies", gone)
    assert follower.state == "behind"
    with pytest.raises(Beyond):
        found(index)
    settle(follower)
    assert found(index) == [stays]
    assert store.totals() == Totals(1, 1, 1)


@pytest.mark.parametrize("level", ["series", "instances"])
def test_a_part_is_deleted(index, *, follower, archive, deliver, store, level):
    study_id = deliver(1)
    archive.add(tags(1), series_uid="2", modality="SR")
    settle(follower)
    series_id = next(key for key, one in archive.studies[study_id]["series"].items() if one["tags"]["Modality"] == "SR")
    (instance_id,) = archive.studies[study_id]["series"].pop(series_id)["instances"]
    archive.log = [change for change in archive.log if change.resource != instance_id]
    follower.note_deleted(level, series_id if level == "series" else instance_id)
    settle(follower)
    assert store.totals() == Totals(1, 1, 1)
    assert found(index, ModalitiesInStudy="SR") == []


def test_a_deletion_that_nobody_heard_of_is_found_at_the_next_start(engine, store, follower, archive, deliver):
    gone, stays = deliver(1), deliver(2)
    settle(follower)
    archive.delete(gone)
    again = IndexFollower(archive, store)
    again.step()
    assert again.state != "fresh"
    settle(again)
    assert again.state == "fresh"
    assert store.page("", 10) == [stays]


def test_an_archive_that_was_replaced(follower, archive, deliver, store):
    deliver(1), deliver(2)
    settle(follower)
    archive.studies.clear()
    archive.log.clear()
    archive.add(tags(9))
    settle(follower)
    assert store.page("", 10) == list(archive.studies)


def test_it_is_asked_for_a_moment_only_after_it_was_level(archive, store, deliver):
    now = [100.0]
    follower = IndexFollower(archive, store, monotonic=lambda: now[0])
    settle(follower)
    assert follower.state == "fresh"
    now[0] += MOMENT
    assert follower.state == "fresh"
    now[0] += 0.1
    assert follower.state == "behind"
    archive.failing = True
    with pytest.raises(Transient):
        follower.step()
    assert follower.state == "behind"
    archive.failing = False
    settle(follower)
    assert follower.state == "fresh"


def test_making_it_anew_takes_up_what_is_there(follower, archive, deliver, store, index):
    deliver(1)
    settle(follower)
    archive.studies[next(iter(archive.studies))]["tags"] = tags(1, AccessionNumber="A-9")
    follower.rebuild()
    assert follower.state == "building"
    settle(follower)
    assert len(found(index, AccessionNumber="a-9")) == 1


def test_the_nightly_comparison_finds_what_the_log_did_not_tell(follower, archive, deliver, index):
    study_id = deliver(1)
    deliver(2)
    settle(follower)
    archive.studies[study_id] |= {"tags": tags(1, AccessionNumber="A-9"), "updated": "20270101T000000"}
    follower.ask_for_check(thorough=True)
    assert follower.state == "fresh"
    archive.questions.clear()
    settle(follower)
    assert found(index, AccessionNumber="A-9") == [study_id]
    assert {question.get("ParentStudy") for question in archive.questions} == {None, study_id}


def test_an_index_that_cannot_be_mended_is_not_asked(archive, store, deliver, monkeypatch):
    now = [100.0]
    follower = IndexFollower(archive, store, monotonic=lambda: now[0])
    deliver(1)
    monkeypatch.setattr(archive, "get", _one_more(archive.get))
    settle(follower)
    assert follower.state != "fresh"
    archive.questions.clear()
    settle(follower)
    assert archive.questions == []  # not again and again
    monkeypatch.undo()
    now[0] += 3600
    settle(follower)
    assert follower.state == "fresh"


def _one_more(get):
    def answer(uri):
        found = get(uri)
        return found | {"CountStudies": found["CountStudies"] + 1} if uri == "/statistics" else found

    return answer


def test_another_name_leaves_nothing_of_the_old_one(engine, follower, archive, deliver, index):
    study_id = deliver(1, PatientSex="F")
    settle(follower)
    archive.studies[study_id]["tags"] = tags(1, PatientName="Другой^Человек")
    archive.add(archive.studies[study_id]["tags"], sop="2")
    settle(follower)
    assert found(index, PatientName="*имя1*") == []
    assert found(index, PatientName="*руго*") == [study_id]
    with engine.connect() as connection:
        names = connection.exec_driver_sql("SELECT count(*) FROM indexed_name").scalar()
        grams = connection.exec_driver_sql("SELECT count(DISTINCT name_id) FROM indexed_gram").scalar()
    assert (names, grams) == (1, 1)
