"""From the centre to the МО: what has left comes back, bit by bit, after any break, and nobody else's does."""

import hashlib

import pytest
from sqlalchemy import delete, update

from cami.access import Role
from cami.archive import orthanc_id
from cami.db.tables import delivery_item, known_study
from cami.delivery.holdings import Holdings
from cami.delivery.order import Priority
from cami.delivery.states import State
from cami.errors import Denied, NotFound, Transient
from cami.retrieval.fetches import KEPT, Cause
from tests.unit.errands.conftest import call
from tests.unit.retrieval.conftest import delivered, fill, person, study_id


def states(hospital, study):
    return sorted(item.state for item in hospital.holdings.instances(study).values())


def ended(hospital, study):
    fetch = hospital.fetches.latest([study])[study]
    return fetch.ended_at is not None, fetch.reason


def test_what_was_let_go_of_comes_back_as_it_was(country, hospital):
    one = fill(hospital)
    before = dict(hospital.archive.files)
    hospital.arrive()
    hospital.work(4)
    hospital.evict(one)
    assert hospital.archive.files == {}
    (standing,) = hospital.returns.request(person(), study_id=one)
    assert (standing.received, standing.total, standing.under_way) == (0, 3, True)
    hospital.fetch_all()
    assert hospital.archive.files == before
    assert ended(hospital, one) == (True, "")
    assert states(hospital, one) == [State.STORED] * 3, "not queued: the centre has it"
    hospital.work(4)
    assert states(hospital, one) == [State.CONFIRMED] * 3
    assert len(country.central.files) == 3
    (standing,) = hospital.returns.history(person(), 9)
    assert (standing.received, standing.total, standing.under_way, standing.reason) == (3, 3, False, "")
    assert (standing.fetch.asked_by, standing.fetch.cause) == ("radiologist.42001", "asked")


def test_it_ends_when_the_queue_has_noticed(country, hospital):
    """Else people would be told that it has come, beside a count that says it has not."""
    (one,) = delivered(hospital, "1.1", count=1)
    hospital.returns.request(person(), study_id=one)
    pauses = [hospital.fetcher.step() for _ in range(4)]
    assert pauses[:2] == [0, 0]
    assert all(0 < pause < 1 for pause in pauses[2:])
    assert ended(hospital, one) == (False, "")
    hospital.feed.advance()
    assert hospital.fetcher.step() == 0
    assert ended(hospital, one) == (True, "")


def test_what_is_here_is_not_fetched(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    hospital.returns.request(person(), study_id=one)
    assert hospital.returns.opened(person(), "1.1") == []
    assert hospital.fetches.history(9) == []


def test_only_the_missing_part_comes(country, hospital):
    (one,) = delivered(hospital, "1.1")
    fill(hospital, count=4)  # the device sends the study again, with a late image
    for instance_id in list(hospital.archive.files)[:2]:
        hospital.archive.files.pop(instance_id)
    hospital.arrive()
    hospital.returns.request(person(), study_id=one)
    hospital.fetch_all()
    assert len(hospital.archive.files) == 4
    assert sum(country.reads.values()) == 2


@pytest.mark.parametrize("fault", ["cut", "answer lost"])
@pytest.mark.parametrize("at", range(6))
def test_a_broken_line_only_costs_time(country, hospital, fault, at):
    (one,) = delivered(hospital, "1.1", size=3000)
    hospital.returns.request(person(), study_id=one)
    hospital.line.faults = [""] * at + [fault] * 3
    hospital.fetch_all()
    assert len(hospital.archive.files) == 3
    assert ended(hospital, one) == (True, "")
    assert list(hospital.folder.glob("*")) == []


@pytest.mark.parametrize("steps", range(1, 5))
def test_a_killed_proxy_goes_on(country, hospital, steps):
    (one,) = delivered(hospital, "1.1", size=3000)
    hospital.returns.request(person(), study_id=one)
    hospital.line.faults = [""] * (3 * steps - 1) + ["cut"] * 99
    for _ in range(steps):
        try:
            hospital.fetcher.step()
        except Transient:
            break
    there = sum(country.reads.values())
    hospital.restart()
    hospital.fetch_all()
    assert len(hospital.archive.files) == 3
    assert ended(hospital, one) == (True, "")
    again = sum(country.reads.values())
    parts = -(-max(len(file) for file in hospital.archive.files.values()) // hospital.part_size)
    assert again <= 3 * parts + 1, f"{there} parts had come before; what had come was used"


def test_a_file_that_is_whole_on_the_disk_is_not_asked_for_again(country, hospital):
    (one,) = delivered(hospital, "1.1", count=1, size=3000)
    (instance_id, file), *_ = country.central.files.items()
    hospital.returns.request(person(), study_id=one)
    hospital.folder.mkdir()
    (hospital.folder / f"{hashlib.sha256(file).hexdigest()}.part").write_bytes(file)
    hospital.fetch_all()
    assert country.reads[f"/instances/{instance_id}"] == 0
    assert hospital.archive.files == {instance_id: file}


@pytest.mark.parametrize("kept", [b"rubbish", b"x" * 100_000])
def test_rubbish_from_a_power_cut_is_thrown_away(country, hospital, kept):
    (one,) = delivered(hospital, "1.1", count=1, size=3000)
    (file,) = country.central.files.values()
    hospital.returns.request(person(), study_id=one)
    hospital.folder.mkdir()
    (hospital.folder / f"{hashlib.sha256(file).hexdigest()}.part").write_bytes(kept)
    hospital.fetch_all()
    assert list(hospital.archive.files.values()) == [file]


def test_what_nobody_wants_any_more_is_removed(country, hospital):
    hospital.folder.mkdir()
    (hospital.folder / "abc.part").write_bytes(b"x")
    hospital.restart()
    assert list(hospital.folder.iterdir()) == []


def test_a_file_that_rots_at_the_centre_is_not_taken(country, hospital):
    (one,) = delivered(hospital, "1.1")
    rotten = next(iter(country.central.files))
    country.central.files[rotten] = country.central.files[rotten].replace(b"1.1", b"1.2")
    hospital.returns.request(person(), study_id=one)
    hospital.fetch_all()
    assert len(hospital.archive.files) == 2
    assert rotten not in hospital.archive.files
    assert ended(hospital, one) == (True, "digest")
    (standing,) = hospital.returns.standing([one])
    assert (standing.received, standing.total, standing.reason) == (2, 3, "digest")


def test_what_the_centre_has_lost_does_not_stop_the_rest(country, hospital):
    (one,) = delivered(hospital, "1.1")
    country.central.files.pop(next(iter(country.central.files)))
    hospital.returns.request(person(), study_id=one)
    hospital.fetch_all()
    assert len(hospital.archive.files) == 2
    assert ended(hospital, one) == (True, "lost-at-centre")


def test_a_study_that_the_centre_does_not_have_ends_so(country, hospital):
    (one,) = delivered(hospital, "1.1")
    country.central.files.clear()
    hospital.returns.request(person(), study_id=one)
    hospital.fetch_all()
    assert ended(hospital, one) == (True, "unknown-at-centre")


def test_a_full_volume_waits(country, hospital):
    one, two = delivered(hospital, "1.1", "1.2")
    hospital.fetches.ask(two, Priority.PRIOR, Cause.SCHEDULE, asked_by="x")
    hospital.disk.state = "low"
    assert hospital.fetcher.step() > 0
    hospital.returns.request(person(), study_id=one)
    hospital.fetch_all(20)
    assert {hospital.archive.parse(file).study_uid for file in hospital.archive.files.values()} == {"1.1"}
    hospital.disk.state = "full"
    assert hospital.fetcher.step() > 0
    hospital.disk.state = "well"
    hospital.archive.full = True
    hospital.fetcher.step()  # the plan
    with pytest.raises(Transient):
        hospital.fetcher.step()
    hospital.archive.full = False
    hospital.fetch_all()
    assert len(hospital.archive.files) == 6


def test_who_waits_passes_between_the_images_and_the_parts_of_others(country, hospital):
    prior, wanted = delivered(hospital, "1.1", "1.2", size=5000)
    hospital.fetches.ask(prior, Priority.PRIOR, Cause.SCHEDULE, asked_by="x")
    hospital.fetcher.step()  # the plan
    real = hospital.line.part

    def part(path, start, size):
        if hospital.line.calls == before + 1:
            hospital.returns.request(person(), study_id=wanted)
        return real(path, start, size)

    before = hospital.line.calls
    hospital.line.part = part
    hospital.fetcher.step()
    assert hospital.archive.files == {}, "it stood back in the middle of a file"
    for _ in range(5):
        hospital.fetcher.step()
    assert {hospital.archive.parse(file).study_uid for file in hospital.archive.files.values()} == {"1.2"}
    hospital.fetch_all()
    assert len(hospital.archive.files) == 6
    assert sum(country.reads.values()) == sum(
        -(-len(file) // hospital.part_size) for file in hospital.archive.files.values()
    ), "no part came twice"


def test_retention_leaves_alone_what_has_just_come(country, hospital):
    (one,) = delivered(hospital, "1.1")
    assert hospital.holdings.candidates(9, unread_for=KEPT) == []
    hospital.returns.request(person(), study_id=one)
    hospital.fetch_all()
    hospital.work(4)

    def candidates():
        return [found.study_id for found in hospital.holdings.candidates(9, unread_for=KEPT)]

    assert candidates() == []
    assert not hospital.holdings.begin_eviction(one, list(hospital.archive.files))
    country.clock.pass_(days=2)
    assert candidates() == [one]
    assert hospital.holdings.begin_eviction(one, list(hospital.archive.files))


def test_a_study_that_is_being_let_go_of_waits_for_the_end_of_that(country, hospital):
    one = fill(hospital)
    hospital.arrive()
    hospital.work(4)
    assert hospital.holdings.begin_eviction(one, list(hospital.archive.files))
    hospital.fetches.ask(one, Priority.AWAITED, Cause.ASKED, asked_by="x")
    assert hospital.fetcher.step() == 0
    assert hospital.fetches.due() == []
    hospital.archive.files.clear()
    hospital.holdings.end_eviction(one)
    country.clock.pass_(seconds=3)
    hospital.fetch_all()
    assert len(hospital.archive.files) == 3


def test_after_a_disaster_the_study_is_known_again(country, hospital):
    (one,) = delivered(hospital, "1.1")
    with hospital.engine.begin() as connection:
        for table in (delivery_item, known_study):
            connection.execute(delete(table))
    (standing,) = hospital.returns.request(person(), study_uid="1.1")
    assert standing.study_id == one
    hospital.fetch_all()
    hospital.work(4)
    assert states(hospital, one) == [State.CONFIRMED] * 3
    assert len(country.central.files) == 3
    assert hospital.queue.evicted(list(hospital.archive.files)) == {}
    hospital.holdings.keep(one, country.clock.now())
    hospital.evict(one)
    ((known, count),) = hospital.catalogue.away()
    assert (known.columns.patient_name, count) == ("Иванов^Пётр", 3)
    assert hospital.catalogue.named("1.1") == [one]


def test_what_counted_as_lost_and_is_there_is_had_again(country, hospital):
    (one,) = delivered(hospital, "1.1")
    with hospital.engine.begin() as connection:
        connection.execute(update(delivery_item).values(state=State.LOST))
    hospital.fetches.ask(one, Priority.AWAITED, Cause.ASKED, asked_by="x")
    hospital.fetch_all()
    assert len(hospital.archive.files) == 3


def test_opening_fetches_at_once_and_says_how_far_it_is(country, hospital):
    (one,) = delivered(hospital, "1.1")
    (standing,) = hospital.returns.opened(person(), "1.1")
    assert (standing.study_id, standing.received, standing.total, standing.under_way) == (one, 0, 3, True)
    for _ in range(3):
        hospital.returns.opened(person(), "1.1")
    (fetch,) = hospital.fetches.history(9)
    assert (fetch.cause, fetch.priority) == ("viewer", Priority.AWAITED)
    hospital.fetcher.step()
    hospital.fetcher.step()
    hospital.arrive()
    (standing,) = hospital.returns.opened(person(), "1.1")
    assert standing.received == 1
    hospital.fetch_all()
    assert hospital.returns.opened(person(), "1.1") == []


def test_a_request_makes_a_prefetch_urgent(country, hospital):
    (one,) = delivered(hospital, "1.1")
    number = hospital.fetches.ask(one, Priority.PRIOR, Cause.SCHEDULE, asked_by="x")
    assert hospital.fetches.ask(one, Priority.AWAITED, Cause.ASKED, asked_by="y") == number
    assert hospital.fetches.ask(one, Priority.BACKFILL, Cause.SCHEDULE, asked_by="y") == number
    (fetch,) = hospital.fetches.due()
    assert fetch.priority == Priority.AWAITED


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.MIS])
def test_not_for_every_role(hospital, role):
    (one,) = delivered(hospital, "1.1")
    with pytest.raises(Denied):
        hospital.returns.request(person(role), study_id=one)
    with pytest.raises(Denied):
        hospital.returns.history(person(role), 9)
    assert hospital.returns.opened(person(role), "1.1") == []


def test_not_for_people_of_other_mos(hospital):
    (one,) = delivered(hospital, "1.1")
    for mo in ("42002", ""):
        with pytest.raises(Denied):
            hospital.returns.request(person(mo=mo), study_id=one)
        assert hospital.returns.opened(person(mo=mo), "1.1") == []
    assert hospital.returns.request(person(Role.REGION_ADMIN, ""), study_id=one)


def test_unknown_studies(hospital):
    for name in ({"study_id": study_id("X")}, {"study_uid": "9.9"}, {}):
        with pytest.raises(NotFound):
            hospital.returns.request(person(), **name)
    hospital.line.faults = ["cut"]
    with pytest.raises(Transient):
        hospital.returns.request(person(), study_uid="9.9")


WIRE = "/cami/wire/v1"


def test_another_mos_proxy_gets_exactly_what_it_gets_for_what_does_not_exist(country, hospital):
    (one,) = delivered(hospital, "1.1")
    instance_id = next(iter(country.central.files))
    absent = orthanc_id("nobody")
    for path in ("/studies/{}/instances", "/instances/{}"):
        own = one if "studies" in path else instance_id
        answers = {call(country.endpoints, "GET", WIRE + path.format(which), "42002") for which in (own, absent)}
        assert answers == {(404, "no such thing")}
    assert call(country.endpoints, "GET", WIRE + "/studies?uid=1.1", "42002") == (200, {"studies": []})
    assert call(country.endpoints, "GET", WIRE + "/studies?uid=1.1", "42001") == (200, {"studies": [one]})
    patient = {"patient": orthanc_id("P1")}
    assert call(country.endpoints, "POST", WIRE + "/priors", "42002", patient) == (200, {"studies": []})
    assert len(call(country.endpoints, "POST", WIRE + "/priors", "42001", patient)[1]["studies"]) == 1
    other = country.proxy("42002")
    with pytest.raises(NotFound):
        other.returns.request(person(mo="42002"), study_uid="1.1")
    other.fetches.ask(one, Priority.AWAITED, Cause.ASKED, asked_by="x")
    other.fetch_all()
    assert other.archive.files == {}
    assert ended(other, one) == (True, "unknown-at-centre")


def test_a_forged_label_shows_nobody_anything(country, hospital):
    """Labels narrow the search; whose a study is stands in the table."""
    (one,) = delivered(hospital, "1.1")
    country.central.put_label(one, "mo-42002")
    patient = {"patient": orthanc_id("P1")}
    assert call(country.endpoints, "POST", WIRE + "/priors", "42002", patient) == (200, {"studies": []})


@pytest.mark.parametrize("path", ["/studies?uid=", "/studies?uid=1%2a", "/studies"])
def test_questions_that_are_none(country, path):
    assert call(country.endpoints, "GET", WIRE + path, "42001")[0] == 400


@pytest.mark.parametrize("document", [None, [], {}, {"patient": 1}, {"patient": "*"}, {"patient": "P1"}])
def test_patients_are_named_by_their_hash(country, document):
    assert call(country.endpoints, "POST", WIRE + "/priors", "42001", document)[0] == 400


def test_a_list_of_what_has_left(country, hospital):
    one, two = delivered(hospital, "1.1", "1.2", StudyDate="20240229")
    fill(hospital, study="1.3")
    hospital.arrive()
    away = {study.study_id: (study.columns.patient_name, count) for study, count in hospital.catalogue.away()}
    assert away == {one: ("Иванов^Пётр", 3), two: ("Иванов^Пётр", 3)}
    assert hospital.catalogue.away(("20240229", "20240229"))
    assert hospital.catalogue.away(("20240301", "")) == []
    assert hospital.catalogue.away(("", "20240228")) == []
    hospital.returns.request(person(), study_id=one)
    hospital.fetch_all()
    assert [study.study_id for study, _ in hospital.catalogue.away()] == [two]


def test_holdings_forget_when_they_need_keep_no_longer(country, hospital):
    holdings = Holdings(hospital.engine, country.clock)
    holdings.keep("a", country.clock.now() + KEPT)
    country.clock.pass_(days=3)
    holdings.keep("b", country.clock.now() + KEPT)
    with hospital.engine.connect() as connection:
        assert connection.exec_driver_sql("select study_id from kept_study").scalars().all() == ["b"]
