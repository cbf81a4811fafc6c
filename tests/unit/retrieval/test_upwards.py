"""From the МО to the centre: announced, seen, asked for, sent first, and back to normal."""

import pytest
from sqlalchemy import select

from cami.access import GrantBook, NewGrant, Role
from cami.access.granted import GrantedStudies
from cami.archive import orthanc_id
from cami.db.tables import awaited_study, delivery_item
from cami.delivery.order import Priority
from cami.errands import Kind
from cami.errors import Denied, NotFound, Transient
from cami.retrieval import Cause, Whereabouts
from cami.retrieval.awaiting import BEAT_LASTS, CLOSED_LASTS, VIEWER_LASTS
from cami.retrieval.requests import Requests, eta
from tests.unit.delivery.conftest import dicom
from tests.unit.retrieval.conftest import delivered, fill, person, study_id


def lanes(hospital, study):
    with hospital.engine.connect() as connection:
        return set(connection.scalars(select(delivery_item.c.lane).where(delivery_item.c.study_id == study)))


def announced(country, mo="42001"):
    return {told.announcement.study_id: told.announcement for told in country.announcements.newest(mo)}


def test_a_study_is_announced_ahead_of_its_images(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    told = announced(country)[one]
    assert (told.instances, told.size) == (3, 30)
    assert told.columns.patient_name == "Иванов^Пётр"
    assert told.columns.modalities == "CT"
    assert announced(country, "42002") == {}
    (place,) = country.register.of_uid("1.1", "42001")
    assert place == Whereabouts(one, "1.1", "42001", 0, 3, whole=False, to_come=30)
    assert country.register.of_uid("1.1", "42002") == []


def test_the_announcement_goes_when_the_images_come(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    assert hospital.courier.send_next()
    assert announced(country) == {}
    (place,) = country.register.of_id(one, "42001")
    assert (place.received, place.expected, place.whole) == (1, 3, False)
    hospital.arrive()
    country.clock.pass_(seconds=11)
    fill(hospital, count=5)
    hospital.arrive()
    (place,) = country.register.of_id(one, None)
    assert (place.received, place.expected) == (1, 5), "the centre knows early how much is to come"
    assert country.announcements.tidy() == 0
    hospital.work(4)
    (place,) = country.register.of_id(one, None)
    assert (place.received, place.expected, place.whole, place.to_come) == (5, 5, True, 0)


def test_counts_follow_while_a_study_comes_in(country, hospital):
    one = fill(hospital, count=1)
    hospital.arrive()
    fill(hospital, count=4)
    hospital.arrive()
    assert announced(country)[one].instances == 1, "not with every image"
    country.clock.pass_(seconds=11)
    hospital.arrive()
    assert announced(country)[one].instances == 4


def test_what_was_told_is_not_told_again(country, hospital):
    fill(hospital)
    hospital.arrive()
    hospital.work(4)
    hospital.arrive()
    before = hospital.line.calls
    country.clock.pass_(minutes=5)
    hospital.arrive()
    assert hospital.line.calls == before


def test_without_the_line_it_is_told_later_and_after_a_crash_too(country, hospital):
    one = fill(hospital)
    hospital.line.faults = ["cut"]
    with pytest.raises(Transient):
        hospital.arrive()
    hospital.restart()
    hospital.arrive()
    assert one in announced(country)


def test_what_comes_back_from_the_centre_is_no_arrival(country, hospital):
    hospital.arrive()  # the first look of all
    (one,) = delivered(hospital, "1.1")
    assert [visit.patient for visit in hospital.schedule.due(9)] == [orthanc_id("P1")]
    hospital.schedule.done(hospital.schedule.due(9)[0], 0)
    hospital.returns.request(person(), study_id=one)
    hospital.fetch_all()
    hospital.arrive()
    assert len(hospital.archive.files) == 3
    assert announced(country) == {}
    assert hospital.schedule.due(9) == []


def test_another_mos_uid_is_passed_over_in_silence(country, hospital):
    fill(hospital)
    hospital.arrive()
    hospital.work(4)
    other = country.proxy("42002")
    fill(other)
    other.arrive()
    assert announced(country, "42002") == {}
    assert country.register.of_uid("1.1", "42002") == []
    (place,) = country.register.of_uid("1.1", "42001")
    assert place.whole


def test_two_mos_with_the_same_uid_see_each_its_own(country, hospital):
    other = country.proxy("42002")
    fill(hospital, count=2)
    fill(other, count=7)
    hospital.arrive()
    other.arrive()
    assert [place.expected for place in country.register.of_uid("1.1", "42001")] == [2]
    assert [place.expected for place in country.register.of_uid("1.1", "42002")] == [7]
    assert len(country.register.of_uid("1.1", None)) == 2


@pytest.mark.parametrize(
    "told", [None, {}, {"studies": {}}, {"studies": [{}]}, {"studies": [1]}, {"studies": [None] * 201}]
)
def test_announcements_that_are_none_are_refused(country, told):
    from tests.unit.errands.conftest import call

    assert call(country.endpoints, "POST", "/cami/wire/v1/announcements", "42001", told)[0] == 400


def test_a_request_puts_the_study_before_all_others(country, hospital):
    first, wanted = fill(hospital, study="1.1", count=9), fill(hospital, study="1.2")
    hospital.arrive()
    assert lanes(hospital, wanted) == {2}
    (found,) = country.requests.request(person(), study_id=wanted)
    assert found.study_id == wanted
    hospital.runner.step()
    assert lanes(hospital, wanted) == {Priority.AWAITED}
    for _ in range(3):
        hospital.courier.send_next()
    assert country.register.of_id(wanted, None)[0].received == 3
    assert country.register.of_id(first, None)[0].received == 0
    hospital.work(4)
    assert country.awaiting.look() == 1
    hospital.runner.step()
    assert hospital.queue.priority(wanted) == Priority.PLANNED, "back to normal when the waiting ends"
    (entry,) = country.book.history("42001", 9)[-1:]
    assert (entry.errand.kind, entry.asked_by, entry.outcome) == ("send", "radiologist.42001", "done")


def test_an_opened_viewer_raises_and_time_lowers(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    for _ in range(5):
        assert [place.study_id for place in country.requests.opened(person(), "1.1")] == [one]
    country.requests.opened(person(Role.CLINICIAN), "1.1")
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.AWAITED
    assert len(country.book.history(None, 99)) == 1, "however many look, the proxy is asked once"
    country.clock.pass_(seconds=VIEWER_LASTS.total_seconds() / 2)
    country.requests.opened(person(), "1.1")
    country.clock.pass_(seconds=VIEWER_LASTS.total_seconds() / 2 + 1)
    assert country.awaiting.look() == 1
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.AWAITED, "one still looks"
    country.clock.pass_(seconds=VIEWER_LASTS.total_seconds())
    assert country.awaiting.look() == 1
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.PLANNED


def test_a_viewer_that_tells_that_it_is_open_holds_no_longer_than_it_is(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    country.requests.opened(person(), "1.1")
    for _ in range(3):
        assert country.requests.viewing(person(), "1.1")
        country.requests.opened(person(), "1.1")  # images that are asked for prolong nothing any more
        country.clock.pass_(seconds=20)
        assert country.awaiting.look() == 0
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.AWAITED
    assert len(country.book.history(None, 9)) == 1, "a beat asks nothing of the proxy"
    country.clock.pass_(seconds=BEAT_LASTS.total_seconds())
    assert country.awaiting.look() == 1
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.PLANNED


def test_a_viewer_that_is_closed_ends_the_wait_unless_another_tab_has_it(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    country.requests.viewing(person(), "1.1")
    country.requests.closing(person(), "1.1")
    country.requests.viewing(person(), "1.1")  # the other tab
    country.clock.pass_(seconds=CLOSED_LASTS.total_seconds() + 1)
    assert country.awaiting.look() == 0
    country.requests.closing(person(), "1.1")
    country.clock.pass_(seconds=CLOSED_LASTS.total_seconds() + 1)
    assert country.awaiting.look() == 1
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.PLANNED
    country.requests.closing(person(), "1.1")
    assert not country.awaiting.awaited([one]), "what is closed twice is not opened by it"


def test_beats_of_strangers_and_of_what_is_whole_ask_for_nothing(country, hospital):
    fill(hospital)
    hospital.arrive()
    assert not country.requests.viewing(person(mo="42002"), "1.1")
    assert not country.requests.viewing(person(Role.MO_ADMIN), "1.1")
    hospital.work(4)
    assert not country.requests.viewing(person(), "1.1")
    assert country.book.history(None, 9) == []


def test_an_open_consultation_holds_until_it_is_closed(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    (place,) = country.register.of_id(one, None)
    country.awaiting.begin(place, Cause.CONSULTATION, waiting="K-17", asked_by="con.42900")
    hospital.runner.step()
    country.clock.pass_(days=100)
    assert country.awaiting.look() == 0
    assert hospital.queue.priority(one) == Priority.AWAITED
    assert country.awaiting.awaited([one, "x"]) == {one}
    country.awaiting.end(one, Cause.CONSULTATION, waiting="K-17")
    country.awaiting.end(one, Cause.CONSULTATION, waiting="K-17")
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.PLANNED


def test_with_the_line_down_the_last_word_counts(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    (place,) = country.register.of_id(one, None)
    for _ in range(2):
        country.awaiting.begin(place, Cause.VIEWER, waiting="a", asked_by="a")
        country.awaiting.end(one, Cause.VIEWER, waiting="a")
    country.awaiting.begin(place, Cause.VIEWER, waiting="b", asked_by="b")
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.AWAITED


def test_a_whole_study_is_not_raised(country, hospital):
    fill(hospital)
    hospital.arrive()
    hospital.work(4)
    assert country.requests.opened(person(), "1.1")[0].whole
    assert country.book.history(None, 9) == []


def test_what_is_more_urgent_or_was_changed_here_stays(country, hospital):
    one, two = fill(hospital, study="1.1"), fill(hospital, study="1.2")
    hospital.arrive()
    hospital.queue.set_priority(one, Priority.EMERGENCY)
    for each in (one, two):
        country.requests.request(person(), study_id=each)
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.EMERGENCY
    hospital.queue.set_priority(two, Priority.EMERGENCY)
    for each in (one, two):
        country.awaiting.end(each, Cause.REQUEST, waiting="radiologist.42001")
    hospital.runner.step()
    assert [hospital.queue.priority(each) for each in (one, two)] == [Priority.EMERGENCY] * 2


def test_a_crash_while_raising_forgets_no_class(country, hospital, monkeypatch):
    one = fill(hospital)
    hospital.arrive()
    hospital.queue.set_priority(one, Priority.BACKFILL)
    country.requests.request(person(), study_id=one)
    monkeypatch.setattr(hospital.queue, "set_priority", lambda *_: (_ for _ in ()).throw(Transient("crash")))
    hospital.runner.step()
    hospital.restart()
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.AWAITED
    country.awaiting.end(one, Cause.REQUEST, waiting="radiologist.42001")
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.BACKFILL


def test_a_study_that_the_proxy_does_not_have_is_told_so(country, hospital):
    fill(hospital)
    hospital.arrive()
    country.requests.request(person(), study_id=study_id())
    for instance_id in list(hospital.archive.files):
        hospital.archive.delete_instance(instance_id)
        hospital.queue.forget(instance_id)
    hospital.runner.step()
    (entry,) = country.book.history(None, 9)
    assert entry.outcome == "unknown"
    assert country.awaiting.look() == 1, "nobody waits for what will not come"


def test_a_request_sends_again_what_the_centre_has_lost(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    country.central.files.pop(next(iter(country.central.files)))
    (place,) = country.register.of_id(one, None)
    country.book.ask("42001", Kind.SEND, study=place_of(place), asked_by="rad", cause="request")
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.AWAITED
    hospital.work(4)
    assert len(country.central.files) == 3


def place_of(place):
    from cami.errands import Study

    return Study(place.study_id, place.study_uid)


def test_quarantine_is_an_answer(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    hospital.queue.take()
    hospital.queue.quarantine(list(hospital.archive.files), "content-differs")
    country.requests.request(person(), study_id=one)
    with hospital.engine.begin() as connection:
        connection.execute(delivery_item.update().values(state="quarantined"))
    hospital.runner.step()
    (entry,) = country.book.history(None, 9)
    assert (entry.outcome, entry.reason) == ("refused", "quarantined")


@pytest.mark.parametrize("by", ["study_id", "study_uid"])
def test_nobody_asks_for_another_mos_study(country, hospital, by):
    one = fill(hospital)
    hospital.arrive()
    name = {by: one if by == "study_id" else "1.1"}
    unknown = {by: "0" * 8 if by == "study_id" else "9.9"}
    stranger = person(mo="42002")
    told = []
    for asked in (name, unknown):
        with pytest.raises(NotFound) as caught:
            country.requests.request(stranger, **asked)
        told.append(str(caught.value))
    assert len(set(told)) == 1
    assert country.requests.opened(stranger, "1.1") == []
    with pytest.raises(Denied):
        country.requests.request(person(Role.AUDITOR, ""), **name)
    with pytest.raises(NotFound):
        country.requests.request(person(Role.CONSULTANT, "42900"), **name)
    assert country.book.history(None, 9) == []
    assert country.requests.request(person(Role.OPERATOR, ""), **name)
    assert country.requests.request(person(Role.MO_ADMIN), **name)
    assert country.requests.opened(person(Role.MO_ADMIN), "1.1") == [], "who sees no images opens none"


def test_a_crash_between_lowering_and_forgetting_lowers_again(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    (place,) = country.register.of_id(one, None)
    country.awaiting.begin(place, Cause.VIEWER, waiting="a", asked_by="a")
    row = None
    with country.central_db.begin() as connection:
        row = connection.execute(select(awaited_study)).mappings().first()
    country.awaiting.end(one, Cause.VIEWER, waiting="a")
    with country.central_db.begin() as connection:  # as if the deletion had not been written
        connection.execute(awaited_study.insert().values(**row))
    country.clock.pass_(hours=1)
    country.awaiting.look()
    hospital.runner.step()
    assert hospital.queue.priority(one) == Priority.PLANNED


def test_how_long_it_takes():
    assert eta(15_000_000, 2).total_seconds() == 60
    assert eta(15_000_001, 2).total_seconds() == 120
    assert eta(1, 1000).total_seconds() == 60


def test_an_index_that_began_anew_is_entered_whole(country, hospital):
    fill(hospital)
    hospital.arrive()
    hospital.archive.log.clear()
    hospital.archive.files.clear()
    hospital.archive.store(dicom("P2", "2.1"))
    new, more = hospital.catalogue.advance()
    assert (new, more) == ([], False)
    assert hospital.catalogue.named("2.1")
    hospital.archive.store(dicom("P3", "3.1"))
    (described,), _ = hospital.catalogue.advance()
    assert described.study_uid == "3.1"


def test_a_consultant_knows_of_what_is_granted_and_nothing_else(country, hospital):
    fill(hospital)
    hospital.arrive()
    clock, engine = country.clock, country.central_db
    requests = Requests(country.register, country.awaiting, GrantedStudies(engine, clock))
    consultants = [person(Role.CONSULTANT, "42900"), person(Role.CONSULTANT, ""), person(Role.CONSULTANT, "42001")]
    for consultant in consultants:
        with pytest.raises(NotFound):
            requests.request(consultant, study_uid="1.1")
        assert requests.opened(consultant, "1.1") == []
    with engine.begin() as connection:
        GrantBook(clock).give(connection, NewGrant("1.1", "42001", "42900", by="rad1"))
    assert [found.mo for found in requests.request(consultants[0], study_uid="1.1")] == ["42001"]
    assert len(country.announcements.of_studies({("1.1", "42001")})) == 1
    assert country.announcements.of_studies({("1.1", "42002")}) == []
    for consultant in consultants[1:]:
        with pytest.raises(NotFound):
            requests.request(consultant, study_id=study_id())
