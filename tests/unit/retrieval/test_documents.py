"""Answers that the centre makes come down into the study at its МО, through broken lines and crashes, not back up."""

from contextlib import suppress

import pytest

from cami.archive import orthanc_id
from cami.delivery.states import State
from cami.errands import Kind, Outcome, Study
from cami.errors import Transient

from .conftest import delivered, dicom, fill, person, study_id

NAMES = ("1.1.9.1", "1.1.9.2")


def answer(country, mo="42001"):
    """Store two objects at the centre under the owner of the study, and have them brought; return their ids."""
    ids = []
    for name in NAMES:
        file = dicom("P1", "1.1", "1.1.9", name, name * 300)
        what = country.central.parse(file)
        assert country.receiver.upload("42001", file, what, "consultation", None).outcome == "stored"
        ids.append(what.instance_id)
    study = Study(study_id(), "1.1")
    country.book.ask(mo, Kind.BRING, asked_by="consultation", cause="consultation", study=study,
                     details={"instances": ids})  # fmt: skip
    return ids


def outcome(country):
    entry = country.book.history(None, 1)[0]
    return entry.outcome, entry.reason


def run(hospital, steps=30):
    """Run errands; the line's faults are waited out."""
    for _ in range(steps):
        with suppress(Transient):
            hospital.runner.step()
        hospital.region.clock.pass_(seconds=11)
        while hospital.feed.advance():
            pass


@pytest.fixture
def sent(country, hospital):
    fill(hospital)
    hospital.arrive()
    hospital.work(4)
    return hospital


@pytest.mark.parametrize("fault", ["cut", "answer lost"])
@pytest.mark.parametrize("at", [0, 2, 4, 5])
def test_they_come_through_a_broken_line_and_are_not_sent_back(country, sent, fault, at):
    ids = answer(country)
    there = dict(country.central.files)
    sent.line.faults = [""] * at + [fault] * 3
    run(sent)
    assert outcome(country) == (Outcome.DONE, "")
    assert {sent.archive.files[each] for each in ids} == {there[each] for each in ids}
    sent.work(4)
    states = {item.state for key, item in sent.holdings.instances(study_id()).items() if key in ids}
    assert states == {State.CONFIRMED}
    assert country.central.files == there
    assert list(sent.folder.glob("*")) == []


def test_a_killed_proxy_brings_them_after_its_start(country, sent):
    ids = answer(country)
    sent.line.faults = [""] * 4 + ["cut"] * 99
    run(sent, 3)
    assert not set(ids) <= set(sent.archive.files)
    sent.restart()
    run(sent)
    assert set(ids) <= set(sent.archive.files)
    assert outcome(country) == (Outcome.DONE, "")


def test_of_a_study_that_has_left_they_come_with_it(country, hospital):
    (one,) = delivered(hospital, "1.1")
    ids = answer(country)
    run(hospital, 3)
    assert outcome(country) == (Outcome.DONE, "study-not-here")
    assert not set(ids) & set(hospital.archive.files)
    hospital.returns.request(person(), study_id=one)
    hospital.fetch_all()
    assert set(ids) <= set(hospital.archive.files)


def test_another_mos_proxy_is_given_nothing(country, sent):
    ids = answer(country, mo="42002")
    other = country.proxy("42002")
    run(other, 3)
    assert outcome(country) == (Outcome.UNKNOWN, "")
    assert not set(ids) & set(other.archive.files)


def test_an_errand_that_names_nothing_is_refused(country, sent):
    country.book.ask("42001", Kind.BRING, asked_by="x", cause="x", study=Study(orthanc_id("P1", "1.1"), "1.1"),
                     details={"instances": ["../x"]})  # fmt: skip
    run(sent, 2)
    assert outcome(country) == (Outcome.REFUSED, "invalid")
