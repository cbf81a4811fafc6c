"""The nightly comparison finds and repairs any difference between a proxy and the centre."""

import json
import logging
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from cami.access import Identity, Role
from cami.db.tables import delivery_item
from cami.delivery import Holdings, Night, Reconciliation, Runs, completeness_endpoints
from cami.delivery.summary import summarize
from cami.errors import Transient
from cami.region import NightWindow
from cami.watch.progress import queue_totals
from cami.web import Request

from .conftest import dicom

KUZBASS = ZoneInfo("Asia/Novokuznetsk")
WINDOW = NightWindow.model_validate({"from": "02:00", "to": "04:00"})


class Keeper:
    """A proxy that is compared."""

    def __init__(self, region):
        self.region = region
        self.side = region.proxy("42001")
        self.restart()

    def restart(self):
        side, clock = self.side, self.region.clock
        side.restart()
        self.holdings = Holdings(side.engine, clock)
        self.runs = Runs(side.engine, clock)
        self.reconciliation = Reconciliation(
            archive=side.archive,
            feed=side.feed,
            queue=side.queue,
            holdings=self.holdings,
            link=side.line,
            runs=self.runs,
            night=Night(WINDOW, KUZBASS, "42001"),
        )

    def deliver(self, studies=2, instances=2):
        for study in range(studies):
            for number in range(instances):
                self.side.archive.store(dicom(study=f"1.{study}", sop=f"1.{study}.{number}"))
        self.side.work(3)

    def run(self):
        """Ask for a run and let it end; return what it found, zeros left out."""
        self.runs.begin("asked")
        self.go_on()
        (run, *_) = self.runs.latest(1)
        assert run.ended_at is not None
        names = ("studies", "instances", "unknown", "missing", "different", "lost", "absent")
        return {name: getattr(run, name) for name in names if getattr(run, name)}

    def go_on(self):
        for _ in range(100):
            if not self.reconciliation.step():
                return
        raise AssertionError("the run does not end")

    @property
    def totals(self):
        return queue_totals(self.side.engine)


@pytest.fixture
def keeper(region):
    return Keeper(region)


def test_nothing_differs(keeper):
    keeper.deliver()
    calls = keeper.side.line.calls
    assert keeper.run() == {"studies": 2, "instances": 4}
    assert keeper.side.line.calls == calls + 1, "one summary, no manifest"


def test_an_empty_proxy(keeper):
    assert keeper.run() == {}


def test_what_the_queue_does_not_know_is_sent(keeper):
    keeper.deliver()
    keeper.side.archive.store(dicom(study="1.0", sop="unseen"))
    keeper.side.queue.record([], keeper.side.archive.last_change())  # the change log was passed over
    assert keeper.run() == {"studies": 2, "instances": 5, "unknown": 1}
    keeper.side.work(4)
    assert keeper.region.central.files == keeper.side.archive.files
    assert keeper.totals.confirmed == 5


def test_what_has_just_come_in_is_no_difference(keeper):
    keeper.deliver()
    keeper.side.archive.store(dicom(study="1.0", sop="fresh"))
    assert keeper.run() == {"studies": 2, "instances": 5}
    assert keeper.totals.queued == 1


def test_what_the_centre_lacks_is_sent_again(keeper):
    keeper.deliver()
    for _ in range(3):
        keeper.region.central.files.popitem()
    assert keeper.run() == {"studies": 2, "instances": 4, "missing": 3}
    keeper.side.work(4)
    assert keeper.region.central.files == keeper.side.archive.files
    assert keeper.run() == {"studies": 2, "instances": 4}


def test_a_centre_that_begins_anew_gets_everything_again(keeper):
    keeper.deliver()
    central = keeper.region
    with central.central_db.begin() as connection:
        for table in ("stored_content", "received_instance", "study_completeness", "study", "study_claim"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    central.central.files.clear()
    assert keeper.run()["missing"] == 4
    keeper.side.work(4)
    assert central.central.files == keeper.side.archive.files


def test_what_differs_is_set_apart(keeper):
    keeper.deliver()
    with keeper.region.central_db.begin() as connection:
        connection.exec_driver_sql("UPDATE received_instance SET sha256 = 'other' WHERE sop_uid = '1.0.0'")
    assert keeper.run() == {"studies": 2, "instances": 4, "different": 1}
    assert (keeper.totals.quarantined, keeper.totals.confirmed) == (1, 3)


def test_what_is_nowhere_is_an_alarm_and_found_again_when_it_is_back(keeper, caplog):
    keeper.deliver(studies=1)
    key = next(iter(keeper.side.archive.files))
    del keeper.side.archive.files[key]
    file = keeper.region.central.files.pop(key)
    assert keeper.run() == {"studies": 1, "instances": 1, "lost": 1, "absent": 1}
    assert keeper.totals.lost == 1
    assert "restore them from a backup" in caplog.text
    assert keeper.run() == {"studies": 1, "instances": 1, "lost": 1}
    keeper.region.central.files[key] = file  # the centre was restored
    assert keeper.run() == {"studies": 1, "instances": 1}
    assert (keeper.totals.lost, keeper.totals.evicted) == (0, 1)


def test_what_left_the_archive_by_itself_is_told(keeper, caplog):
    keeper.deliver(studies=1)
    keeper.side.archive.files.clear()
    assert keeper.run() == {"studies": 1, "absent": 2}
    assert "are not in the local archive any more" in caplog.text


def test_what_was_evicted_is_no_difference(keeper):
    keeper.deliver()
    key = next(iter(keeper.side.archive.files))
    study_id = keeper.side.archive.identify(key).study_id
    keys = list(keeper.side.archive.instances_of(study_id))
    keeper.holdings.begin_eviction(study_id, keys)
    assert keeper.run() == {"studies": 1, "instances": 2}, "it is being deleted just now"
    for key in keys:
        keeper.side.archive.delete_instance(key)
    keeper.holdings.end_eviction(study_id)
    assert keeper.run() == {"studies": 1, "instances": 2}


def test_what_is_here_though_it_counts_as_evicted_is_taken_up_again(keeper):
    keeper.deliver(studies=1)
    with keeper.side.engine.begin() as connection:
        connection.execute(delivery_item.update().values(state="evicted"))
    key = next(iter(keeper.side.archive.files))
    keeper.side.archive.files[key] = dicom(study="1.0", sop="1.0.0", content="other")
    assert keeper.run()["unknown"] == 1
    assert keeper.totals.queued == 1
    keeper.side.work(4)
    assert (keeper.totals.confirmed, keeper.totals.quarantined) == (1, 1)


def test_a_cut_line_repeats_and_counts_nothing_twice(keeper):
    keeper.deliver()
    keeper.region.central.files.popitem()
    keeper.runs.begin("asked")
    for faults in (["cut"], ["", "cut"], ["", "answer lost"]):
        keeper.side.line.faults = faults
        with pytest.raises(Transient):
            keeper.reconciliation.step()
    keeper.go_on()
    (run,) = keeper.runs.latest(5)
    assert (run.studies, run.instances, run.missing) == (2, 4, 1)


def test_a_crash_begins_the_run_anew(keeper, monkeypatch):
    monkeypatch.setattr("cami.delivery.reconciliation.BATCH", 1)
    keeper.deliver(studies=3)
    run = keeper.runs.begin("asked")
    assert keeper.reconciliation.step()
    keeper.restart()
    keeper.go_on()
    (only,) = keeper.runs.latest(5)
    assert (only.run, only.studies, only.instances) == (run, 3, 6)


def test_a_second_wish_is_the_same_run(keeper):
    assert keeper.runs.begin("asked") == keeper.runs.begin("asked")


def test_each_night_once(keeper):
    keeper.deliver()
    region = keeper.region
    begun = []
    for _ in range(5 * 24 * 4):
        region.clock.pass_(minutes=15)
        if keeper.reconciliation.step() or len(keeper.runs.latest(99)) > len(begun):
            keeper.go_on()
            begun.append(region.clock.now().astimezone(KUZBASS))
    assert len(begun) == 5
    assert {moment.time() < time(4, 15) for moment in begun} == {True}
    assert {moment.time() >= time(2, 0) for moment in begun} == {True}


def test_a_proxy_that_was_off_at_night_does_it_in_the_morning(keeper):
    keeper.deliver()
    keeper.reconciliation.step()
    keeper.region.clock.pass_(days=3, hours=5)
    keeper.go_on()
    assert len(keeper.runs.latest(9)) == 1


def test_the_first_day_is_no_night(keeper):
    keeper.deliver()
    keeper.go_on()
    assert keeper.runs.latest(9) == []


def test_the_mo_are_spread_over_the_window():
    begins = {Night(WINDOW, KUZBASS, f"42{number:03}").begins for number in range(60)}
    assert len(begins) > 30
    assert all(time(2) <= moment < time(4) for moment in begins)


def test_a_night_is_that_of_the_region():
    night = Night(WINDOW, KUZBASS, "42001")
    noon = datetime(2026, 3, 1, 12, tzinfo=KUZBASS)
    assert night.last_beginning(noon.astimezone(UTC)) == datetime.combine(noon.date(), night.begins, KUZBASS)
    before = noon.replace(hour=1)
    assert night.last_beginning(before) == datetime.combine(noon.date(), night.begins, KUZBASS) - timedelta(days=1)


def test_a_summary_depends_on_everything_but_the_order():
    one = {"a": "1", "b": "2"}
    assert summarize(one) == summarize({"b": "2", "a": "1"})
    others = ({"a": "1"}, {"a": "1", "b": "3"}, {"a": "2", "b": "1"}, {"a": "1", "c": "2"}, {})
    assert summarize(one) not in {summarize(other) for other in others}


class Door:
    def __init__(self, role, mo="42001"):
        self.identity = Identity("x", "x", role, mo) if role else None

    def identify(self, _headers):
        return self.identity


def ask(keeper, door, name, method):
    woken = []
    endpoints = completeness_endpoints("42001", door, keeper.runs, lambda: woken.append(1))
    (endpoint,) = [found for found in endpoints if found.pattern.endswith(name)]
    return endpoint.handler(Request(method, endpoint.pattern, body=b"{}")), woken


@pytest.mark.parametrize(
    ("role", "mo", "reads", "asks"),
    [
        (None, "", 401, 401),
        (Role.TECHNOLOGIST, "42001", 200, 200),
        (Role.MO_ADMIN, "42001", 200, 200),
        (Role.TECHNOLOGIST, "42002", 403, 403),
        (Role.RADIOLOGIST, "42001", 200, 403),
        (Role.CONSULTANT, "42001", 403, 403),
    ],
)
def test_who_may_read_and_who_may_ask(keeper, role, mo, reads, asks):
    door = Door(role, mo)
    assert ask(keeper, door, "completeness", "GET")[0].status == reads
    answer, woken = ask(keeper, door, "reconcile", "POST")
    assert (answer.status, len(woken)) == (asks, asks == 200)
    assert len(keeper.runs.latest(9)) == (asks == 200)


def test_the_report(keeper):
    keeper.deliver()
    door = Door(Role.TECHNOLOGIST)
    number = json.loads(ask(keeper, door, "reconcile", "POST")[0].body)["run"]
    assert json.loads(ask(keeper, door, "completeness", "GET")[0].body)["running"] is True
    keeper.go_on()
    report = json.loads(ask(keeper, door, "completeness", "GET")[0].body)
    (run,) = report["runs"]
    assert report["running"] is False
    assert (run["run"], run["cause"], run["studies"]) == (number, "asked", 2)
    assert run["ended_at"].endswith("Z")
    assert ask(keeper, door, "reconcile", "GET")[0].status == 405
    assert ask(keeper, door, "completeness", "POST")[0].status == 405


def test_nothing_of_a_patient_is_logged(keeper, caplog):
    caplog.set_level(logging.DEBUG)
    keeper.deliver()
    keeper.region.central.files.popitem()
    keeper.run()
    assert "P1" not in caplog.text
