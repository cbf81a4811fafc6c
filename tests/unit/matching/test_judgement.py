"""Which order a study belongs to, as a pure function."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cami.matching.judgement import Candidate, Study, compare, judge
from cami.matching.states import Cause, Finding, State

NOON = datetime(2026, 11, 28, 5, 0, tzinfo=UTC)
STUDY = Study(
    study_id="s", study_uid="1.2.3", owner="42001", patient_id="4512207", patient_name="Тестова^Анна", sex="F",
    birth_date="19610314", accession="", modalities=("CT",), device="CT42001", day="20261128", began_at=NOON,
)  # fmt: skip
ORDER = Candidate(
    number=1, accession="K1", study_uid="2.25.1", modality="CT", device="CT42001", state="accepted", patient="anna",
    patient_name="testova anna", birth_date="19610314", sex="F", scheduled_at=NOON, created_at=NOON,
)  # fmt: skip
ANNA = {"anna"}


def verdict(study, *orders, holders=ANNA, name="testova anna", parted=()):
    return judge(study, orders, holders=holders, latin_name=name, parted=parted)


def test_by_its_number():
    found = verdict(replace(STUDY, accession="K1"), ORDER)
    assert (found.state, found.order, found.cause, found.score) == (State.LINKED, 1, Cause.ACCESSION, 100)


def test_by_the_uid_that_was_issued():
    found = verdict(replace(STUDY, study_uid="2.25.1", accession="typed"), ORDER)
    assert (found.state, found.order, found.cause) == (State.LINKED, 1, Cause.UID)


def test_number_and_uid_of_two_orders_contradict():
    other = replace(ORDER, number=2, accession="K2", study_uid="2.25.2")
    found = verdict(replace(STUDY, accession="K2", study_uid="2.25.1"), ORDER, other)
    assert (found.state, found.findings) == (State.CONTRADICTORY, (Finding.TWO_ORDERS,))


@pytest.mark.parametrize("holders", [{"boris"}, {"boris", "vera"}])
def test_a_number_of_somebody_else_contradicts(holders):
    found = verdict(replace(STUDY, accession="K1"), ORDER, holders=holders)
    assert (found.state, found.order) == (State.CONTRADICTORY, 1)
    assert Finding.ID_OTHER in found.findings


@pytest.mark.parametrize("change", [{"birth_date": "19610315"}, {"sex": "M"}, {"modalities": ("MR",)}])
def test_what_says_that_it_is_somebody_or_something_else_contradicts_a_number(change):
    found = verdict(replace(STUDY, accession="K1", **change), ORDER, holders=set())
    assert found.state is State.CONTRADICTORY


def test_another_name_contradicts_where_the_patients_number_is_not_known():
    said = replace(STUDY, accession="K1")
    assert verdict(said, ORDER, holders=set(), name="ivanov ivan").state is State.CONTRADICTORY
    assert verdict(said, ORDER, name="testova-novikova anna").state is State.LINKED, "names change"
    shared = replace(said, birth_date="19990101")
    assert verdict(shared, ORDER, name="ivanov ivan").state is State.CONTRADICTORY, "a card that two people share"


def test_a_number_alone_is_only_a_suggestion():
    bare = replace(STUDY, accession="K1", patient_id="", birth_date="", sex="")
    assert verdict(bare, ORDER, holders=set(), name="").state is State.SUGGESTED
    assert verdict(replace(bare, study_uid="2.25.1"), ORDER, holders=set(), name="").state is State.LINKED


def test_an_order_that_was_withdrawn_is_for_a_person():
    found = verdict(replace(STUDY, accession="K1"), replace(ORDER, state="cancelled"))
    assert (found.state, found.order) == (State.CONTRADICTORY, 1)


def test_by_patient_modality_and_time():
    found = verdict(STUDY, ORDER)
    assert (found.state, found.order, found.cause) == (State.LINKED, 1, Cause.PATIENT)
    assert found.score >= 80
    late = replace(ORDER, scheduled_at=NOON - timedelta(hours=30))
    assert verdict(STUDY, late).state in (State.LINKED, State.SUGGESTED)
    assert verdict(STUDY, replace(ORDER, scheduled_at=NOON - timedelta(days=5))).state is State.UNMATCHED
    assert verdict(STUDY, replace(ORDER, modality="MR")).state is State.UNMATCHED
    assert verdict(replace(STUDY, modalities=("DX",)), replace(ORDER, modality="CR", device="")).order == 1


def test_two_orders_alike_are_for_a_person():
    found = verdict(STUDY, ORDER, replace(ORDER, number=2, accession="K2", study_uid="2.25.2"))
    assert (found.state, [one.number for one in found.candidates]) == (State.SUGGESTED, [1, 2])


def test_a_name_never_links():
    found = verdict(STUDY, ORDER, holders=set())
    assert (found.state, [one.number for one in found.candidates]) == (State.SUGGESTED, [1])


def test_what_a_person_has_parted_stays_parted():
    assert verdict(replace(STUDY, accession="K1"), ORDER, parted={1}).state is State.UNMATCHED


studies = st.builds(
    Study, study_id=st.just("s"), study_uid=st.sampled_from(["1.2.3", "2.25.1", "2.25.2"]), owner=st.just("42001"),
    birth_date=st.sampled_from(["", "19610314", "20000101"]), sex=st.sampled_from(["", "F", "M"]),
    accession=st.sampled_from(["", "K1", "K2", "X"]), modalities=st.sampled_from([(), ("CT",), ("MR", "SR")]),
    device=st.sampled_from(["", "CT42001"]), began_at=st.sampled_from([None, NOON, NOON + timedelta(days=3)]),
)  # fmt: skip
orders = st.builds(
    Candidate, number=st.integers(1, 2), accession=st.sampled_from(["K1", "K2"]),
    modality=st.sampled_from(["CT", "MR"]),
    study_uid=st.sampled_from(["2.25.1", "2.25.2"]), device=st.sampled_from(["", "CT42001"]),
    state=st.sampled_from(["accepted", "started", "cancelled"]), patient=st.sampled_from(["anna", "boris"]),
    patient_name=st.sampled_from(["", "testova anna"]), birth_date=st.sampled_from(["", "19610314"]),
    sex=st.sampled_from(["", "F"]), scheduled_at=st.sampled_from([None, NOON]), created_at=st.just(NOON),
)  # fmt: skip
people = st.sets(st.sampled_from(["anna", "boris"]))
names = st.sampled_from(["", "testova anna", "ivanov ivan"])


@given(studies, st.lists(orders, max_size=4, unique_by=lambda each: each.number), people, names)
def test_whatever_comes_nothing_is_linked_on_a_name_alone_or_against_the_patients_number(study, found, holders, name):
    verdict = judge(study, found, holders=holders, latin_name=name)
    if verdict.state is not State.LINKED:
        return
    order = next(one for one in found if one.number == verdict.order)
    findings = set(compare(study, order, holders=holders, latin_name=name))
    assert Finding.ID_OTHER not in findings
    assert findings & {Finding.UID, Finding.ACCESSION, Finding.ID}
    assert order.state != "cancelled"
    assert Finding.MODALITY_OTHER not in findings


@given(studies, st.lists(orders, max_size=4, unique_by=lambda each: each.number), people, names)
def test_the_order_of_the_candidates_changes_nothing(study, found, holders, name):
    one = judge(study, found, holders=holders, latin_name=name)
    other = judge(study, found[::-1], holders=holders, latin_name=name)
    assert (one.state, one.order, one.score) == (other.state, other.order, other.score)
