"""Earlier studies: which, when, and whose."""

from datetime import UTC, date, datetime, timedelta

import pytest

from cami.archive import orthanc_id
from cami.delivery.order import Priority
from cami.errors import Transient
from cami.region import Prefetch
from cami.retrieval.priors import Prior, Visit, choose, parse_prior
from tests.unit.delivery.conftest import dicom
from tests.unit.retrieval.conftest import delivered, fill, study_id

TODAY = date(2026, 11, 23)


def prior(name, day="20260101", modality="CT", body="CHEST", *, size=1, issuer=""):
    return Prior(name, issuer, day, frozenset([modality]), frozenset([body]), 1, size)


def chosen(found, visit=None, here=(), **rules):
    wanted = visit or Visit("", frozenset(["CT"]), frozenset(["CHEST"]))
    rules = Prefetch.model_validate({"count": 50, **rules})
    return [each.study_id for each in choose(rules, wanted, found, here=here, today=TODAY)]


def test_like_is_compared_with_like_and_the_newest_first():
    found = [
        prior("anything", "20261120", "US", "ABDOMEN"),
        prior("same region", "20261119", "DX"),
        prior("same modality", "20261001", body="HEAD"),
        prior("the very same, older", "20240101"),
        prior("the very same", "20250101"),
    ]
    assert chosen(found) == ["the very same", "the very same, older", "same modality", "same region", "anything"]


def test_what_is_not_known_of_the_visit_ranks_nothing():
    assert chosen([prior("old", "20250101"), prior("new", "20260101", "US")], Visit()) == ["new", "old"]


def test_the_limits():
    found = [prior(f"s{number}", f"202{number}0101", size=number * 1_000_000) for number in range(1, 7)]
    assert chosen(found, count=2, years=50) == ["s6", "s5"]
    assert chosen(found, years=2) == ["s6", "s5"]
    assert chosen(found, years=50, max_mb=7) == ["s6", "s1"], "what does not fit is passed over"
    assert chosen(found, count=0) == []


def test_what_is_here_counts_but_is_not_fetched():
    found = [prior("a", "20260103"), prior("b", "20260102"), prior("c", "20260101")]
    assert chosen(found, here=["a"], count=2) == ["b"]


def test_a_study_without_a_date_comes_last():
    assert chosen([prior("none", ""), prior("odd", "2026-??"), prior("dated", "20250101")])[0] == "dated"
    assert len(chosen([prior("none", ""), prior("odd", "garbage")])) == 2


def test_equal_numbers_of_two_issuers_are_two_people():
    visit = Visit("МО 1")
    found = [prior("own", issuer="МО 1"), prior("other", issuer="МО 2"), prior("unknown")]
    assert chosen(found, visit) == ["own", "unknown"]
    assert len(chosen(found, Visit(""))) == 3


@pytest.mark.parametrize("document", [{}, {"study_id": 1}, {"size": "much"}])
def test_answers_that_are_none(document):
    with pytest.raises(Transient):
        parse_prior(document)


def here(hospital):
    return {hospital.archive.parse(file).study_uid for file in hospital.archive.files.values()}


def test_on_arrival_the_own_priors_come_and_no_one_elses(country, hospital):
    hospital.arrive()
    other = country.proxy("42002")
    fill(other, study="7.7")
    other.arrive()
    other.work(4)
    delivered(hospital, "1.1", "1.2")
    delivered(hospital, "2.1", patient="P2")
    for visit in hospital.schedule.due(9):
        hospital.schedule.done(visit, 0)
    fill(hospital, study="1.3", count=1)
    hospital.arrive()
    assert not hospital.prefetcher.step()
    assert {fetch.priority for fetch in hospital.fetches.due()} == {Priority.PRIOR}
    assert {fetch.cause for fetch in hospital.fetches.due()} == {"arrival"}
    hospital.fetch_all()
    assert here(hospital) == {"1.1", "1.2", "1.3"}
    hospital.arrive()
    hospital.prefetcher.step()
    assert hospital.fetches.due() == [], "what has come is no arrival"


def test_what_is_at_the_proxy_is_not_fetched(country, hospital):
    hospital.arrive()
    fill(hospital, study="1.1")
    hospital.arrive()
    hospital.work(4)
    hospital.prefetcher.step()
    fill(hospital, study="1.2")
    hospital.arrive()
    hospital.prefetcher.step()
    assert hospital.fetches.history(9) == []


def test_a_late_image_brings_its_own_study_not_back(country, hospital):
    hospital.arrive()
    delivered(hospital, "1.1", count=2)
    for visit in hospital.schedule.due(9):
        hospital.schedule.done(visit, 0)
    hospital.archive.store(dicom("P1", "1.1", "1.1.1", "1.1.1.9", "late"))
    hospital.arrive()
    (visit,) = hospital.schedule.due(9)
    assert visit.study_id == study_id()
    hospital.prefetcher.step()
    assert hospital.fetches.history(9) == []


def test_a_visit_is_prepared_the_evening_before(country, hospital):
    hospital.arrive()
    delivered(hospital, "1.1")
    hospital.prefetcher.step()
    country.clock.time = datetime(2026, 3, 1, tzinfo=UTC)
    due = hospital.schedule.expect(orthanc_id("P1"), date(2026, 3, 5), asked_by="lab")
    assert due.astimezone(UTC) == datetime(2026, 3, 4, 13, tzinfo=UTC), "20:00 in the region, UTC+7"
    assert hospital.schedule.expect(orthanc_id("P1"), date(2026, 3, 6), asked_by="lab") == due + timedelta(days=1)
    country.clock.time = datetime(2026, 3, 5, 12, 59, tzinfo=UTC)
    assert hospital.schedule.due(9) == [], "a visit that was put off is one visit"
    country.clock.time = datetime(2026, 3, 5, 13, tzinfo=UTC)
    (visit,) = hospital.schedule.due(9)
    assert visit.asked_by == "lab"
    hospital.prefetcher.step()
    hospital.fetch_all()
    assert here(hospital) == {"1.1"}
    assert hospital.schedule.due(9) == []
    hospital.work(4)
    country.clock.time = datetime(2026, 3, 7, 16, tzinfo=UTC)
    assert hospital.holdings.candidates(9, unread_for=timedelta(hours=2)) == [], "it stays until after the visit"
    country.clock.time = datetime(2026, 3, 7, 18, tzinfo=UTC)
    assert [found.study_id for found in hospital.holdings.candidates(9, unread_for=timedelta(hours=2))] == [study_id()]


def test_a_visit_today_is_prepared_now(country, hospital):
    due = hospital.schedule.expect(orthanc_id("P1"), country.clock.now().date(), asked_by="lab")
    assert due == country.clock.now()


def test_without_the_line_it_is_looked_later(country, hospital):
    hospital.arrive()
    delivered(hospital, "1.1")
    hospital.schedule.expect(orthanc_id("P1"), country.clock.now().date(), asked_by="lab")
    hospital.line.faults = ["cut"]
    with pytest.raises(Transient):
        hospital.prefetcher.step()
    hospital.restart()
    hospital.prefetcher.step()
    assert len(hospital.fetches.due()) == 1


def test_what_has_no_room_stays_away(country, hospital):
    hospital.arrive()
    delivered(hospital, "1.1")
    hospital.schedule.expect(orthanc_id("P1"), country.clock.now().date(), asked_by="lab")
    hospital.prefetcher._room_for = lambda size: False
    hospital.prefetcher.step()
    assert hospital.fetches.due() == []
    assert hospital.schedule.due(9) == []


def test_it_can_be_turned_off(country):
    hospital = country.proxy(rules=Prefetch(count=0))
    hospital.schedule.expect(orthanc_id("P1"), country.clock.now().date(), asked_by="lab")
    before = hospital.line.calls
    hospital.prefetcher.step()
    assert hospital.line.calls == before
    assert hospital.schedule.due(9) == []


def test_visits_are_forgotten(country, hospital):
    hospital.schedule.expect(orthanc_id("P1"), country.clock.now().date(), asked_by="lab")
    hospital.prefetcher.step()
    country.clock.pass_(days=40)
    hospital.schedule.expect(orthanc_id("P2"), country.clock.now().date(), asked_by="lab")
    hospital.prefetcher.step()
    with hospital.engine.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from schedule").scalar() == 1
