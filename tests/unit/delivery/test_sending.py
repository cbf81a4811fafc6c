"""Which sender takes what: what is urgent alone, the first of a study alone, what can wait at night."""

import threading
from datetime import UTC, datetime

import pytest

from cami.delivery import Pace, Timetable
from cami.delivery.fitting import fit
from cami.delivery.order import ALL, URGENT, Priority
from cami.delivery.right_of_way import PATIENCE, RightOfWay, StoodBackError
from cami.errors import Transient
from cami.region import Link

from .conftest import dicom

ORDINARY = ALL - URGENT


def named(study, number):
    return dicom(study=study, series=f"{study}.1", sop=f"{study}.1.{number}", content=f"{study}/{number}")


@pytest.fixture
def proxy(region):
    made = region.proxy("42001")

    def arrive(*objects):
        for one in objects:
            made.archive.store(one)
        while made.feed.advance():
            pass

    made.arrive = arrive
    made.studies = {study: made.archive.parse(named(study, 0)).study_id for study in ("1", "2")}
    made.at_centre = lambda: [made.archive.parse(one).sop_uid for one in region.central.files.values()]
    return made


class Held:
    """A line on which what is sent stays under way until it is let go."""

    def __init__(self, proxy):
        self.real = proxy.line.send
        self.arrived = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.passages = []
        proxy.line.send = self.send

    def send(self, dicom, sha256, passage, *, begun=False):
        self.passages.append(passage)
        self.arrived.release()
        assert self.go.acquire(timeout=10)
        return self.real(dicom, sha256, passage, begun=begun)

    def sending(self, proxy, classes=ALL):
        """Send in another thread; return it when the object is under way."""
        thread = threading.Thread(target=proxy.courier.send_next, args=(classes,))
        thread.start()
        assert self.arrived.acquire(timeout=10)
        return thread

    def let_go(self, thread):
        self.go.release()
        thread.join(10)
        assert not thread.is_alive()


def test_while_something_urgent_is_on_its_way_nothing_else_is_taken(proxy):
    proxy.arrive(named("1", 0), named("2", 0))
    proxy.queue.set_priority(proxy.studies["2"], Priority.EMERGENCY)
    held = Held(proxy)
    urgent = held.sending(proxy, URGENT)
    assert not proxy.courier.send_next(ORDINARY)
    held.let_go(urgent)
    held.go.release()
    assert proxy.courier.send_next(ORDINARY)
    assert proxy.at_centre() == ["2.1.0", "1.1.0"]


def test_ordinary_senders_leave_what_is_urgent_to_its_own(proxy):
    proxy.arrive(named("1", 0))
    proxy.queue.set_priority(proxy.studies["1"], Priority.AWAITED)
    assert not proxy.courier.send_next(ORDINARY)
    assert proxy.courier.send_next(URGENT)


def test_what_is_on_its_way_already_becomes_urgent_with_its_study(proxy):
    proxy.arrive(named("1", 0), named("2", 0))
    proxy.queue.tell_reclassified(proxy.courier.reclassified)
    held = Held(proxy)
    first, second = held.sending(proxy), held.sending(proxy)
    proxy.queue.set_priority(proxy.studies["1"], Priority.EMERGENCY)
    assert [passage.urgent for passage in held.passages] == [True, False]
    assert not proxy.courier.send_next(ORDINARY)
    held.let_go(first)
    held.let_go(second)


def test_the_first_object_of_a_study_goes_alone_and_the_others_follow_when_the_line_has_it(proxy):
    woken = []
    proxy.courier._on_work = lambda: woken.append(True)
    proxy.arrive(*(named("1", number) for number in range(3)))
    held = Held(proxy)
    first = held.sending(proxy)
    assert not proxy.courier.send_next()
    held.passages[0].written()
    assert woken
    second, third = held.sending(proxy), held.sending(proxy)
    for thread in (first, second, third):
        held.let_go(thread)
    assert len(proxy.at_centre()) == 3


def test_meanwhile_the_next_are_made_ready_but_not_written(proxy):
    proxy.courier._ahead = 2
    proxy.arrive(*(named("1", number) for number in range(5)))
    held = Held(proxy)
    first = held.sending(proxy)
    second, third = held.sending(proxy), held.sending(proxy)
    assert not proxy.courier.send_next(), "no more than two: the others help with the first"
    for passage in held.passages[1:]:
        with pytest.raises(StoodBackError):
            passage.wait(PATIENCE)
    assert held.passages[0].wait(0.0) == 0.0
    held.passages[0].written()
    assert [passage.wait(PATIENCE) for passage in held.passages[1:]] == [PATIENCE] * 2
    fourth = held.sending(proxy)
    for thread in (first, second, third, fourth):
        held.let_go(thread)
    assert len(proxy.at_centre()) == 4


def test_what_was_made_ready_goes_when_the_first_one_fails(proxy):
    proxy.courier._ahead = 2
    proxy.arrive(named("1", 0), named("1", 1))
    courier, real = proxy.courier, proxy.line.send
    seen = []

    def fails(_dicom, _sha256, passage, *, begun=False):
        """While the first is written the second is made ready; then the line breaks."""
        seen.append(passage)
        if len(seen) == 1:
            second = threading.Thread(target=courier.send_next)
            second.start()
            second.join(10)
            raise Transient("the line broke")
        with pytest.raises(StoodBackError):
            passage.wait(PATIENCE)
        raise StoodBackError

    proxy.line.send = fails
    with pytest.raises(Transient):
        courier.send_next()
    assert len(seen) == 2
    assert seen[1].wait(PATIENCE) == PATIENCE
    proxy.line.send = real
    proxy.region.clock.pass_(seconds=10)
    assert proxy.courier.send_next()
    assert proxy.courier.send_next()
    assert len(proxy.at_centre()) == 2


def test_meanwhile_other_studies_go_on(proxy):
    proxy.arrive(named("1", 0), named("1", 1), named("2", 0))
    held = Held(proxy)
    first, other = held.sending(proxy), held.sending(proxy)
    assert not proxy.courier.send_next()
    held.let_go(first)
    held.let_go(other)
    assert sorted(proxy.at_centre()) == ["1.1.0", "2.1.0"]


def test_a_first_object_that_fails_is_first_again(proxy):
    proxy.arrive(named("1", 0), named("1", 1))
    proxy.line.faults = ["cut"]
    with pytest.raises(Transient):
        proxy.courier.send_next()
    proxy.region.clock.pass_(seconds=10)
    held = Held(proxy)
    first = held.sending(proxy)
    assert not proxy.courier.send_next()
    held.let_go(first)
    held.go.release()
    assert proxy.courier.send_next()


def test_what_has_stood_back_for_too_long_keeps_its_turn_and_counts_no_failure(proxy):
    proxy.arrive(named("1", 0), named("1", 1))
    way = proxy.courier._way = RightOfWay(patience=0)

    def send(dicom, sha256, passage, *, begun=False):
        with way.passage("another", urgent=True):
            passage.wait(0)

    proxy.line.send, real = send, proxy.line.send
    assert proxy.courier.send_next()
    proxy.line.send = real
    item = proxy.queue.take()
    assert (item.instance_id, item.attempts, item.begun, item.first) == (
        proxy.archive.parse(named("1", 0)).instance_id, 0, True, True,
    )  # fmt: skip


def test_waiting_ends_when_nothing_urgent_is_left():
    way = RightOfWay()
    with way.passage("1", urgent=False) as passage:
        with way.passage("2", urgent=True):
            assert not way.free
            waiter = threading.Thread(target=passage.wait, args=(0,))
            waiter.start()
            waiter.join(0.05)
            assert waiter.is_alive()
        waiter.join(5)
        assert not waiter.is_alive()
        assert way.free


def test_a_request_waits_for_so_long_in_all():
    now = [0.0]
    way = RightOfWay(patience=20, now=lambda: now[0])
    with way.passage("1", urgent=False) as passage, way.passage("2", urgent=True), pytest.raises(StoodBackError):
        passage.wait(20.0)


class Day:
    """A clock at an hour in Novokuznetsk (UTC+7)."""

    def __init__(self, hour, minute=0):
        self.hour, self.minute = hour, minute

    def now(self):
        return datetime(2026, 11, 23, (self.hour - 7) % 24, self.minute, tzinfo=UTC)


def at(hour, minute=0, **night):
    return Timetable(Link(mbit_s=2, night=night), "Asia/Novokuznetsk", Day(hour, minute))


@pytest.mark.parametrize(
    ("hour", "minute", "open_"),
    [(19, 59, False), (20, 0, True), (23, 0, True), (5, 59, True), (6, 0, False), (12, 0, False)],
)
def test_what_can_wait_goes_at_night(hour, minute, open_):
    table = at(hour, minute)
    assert (Priority.BACKFILL in table.classes()) is open_
    assert (Priority.BACKFILL in table.held()) is not open_
    assert ALL - {Priority.BACKFILL} <= set(table.classes())


def test_the_registry_says_what_can_wait_and_when():
    table = at(13, **{"from": "01:00", "to": "05:00", "classes": ["P3", "P4"]})
    assert set(table.held()) == {Priority.PRIOR, Priority.BACKFILL}
    assert set(at(4, **{"from": "01:00", "to": "05:00"}).classes()) == ALL
    assert set(at(13, classes=[]).classes()) == ALL


def test_the_old_archive_waits_for_the_night_without_harm_and_another_class_releases_it(proxy):
    hour = [12]
    table = Timetable(Link(mbit_s=2), "Asia/Novokuznetsk", Day(0))
    table._clock.now = lambda: Day(hour[0]).now()
    proxy.courier._now_open = table.classes
    proxy.arrive(named("1", 0), named("2", 0))
    proxy.queue.set_priority(proxy.studies["1"], Priority.BACKFILL)
    proxy.queue.set_priority(proxy.studies["2"], Priority.BACKFILL)
    assert not proxy.courier.send_next()
    proxy.queue.set_priority(proxy.studies["2"], Priority.PLANNED)
    assert proxy.courier.send_next()
    assert not proxy.courier.send_next()
    hour[0] = 22
    assert proxy.courier.send_next()
    assert proxy.at_centre() == ["2.1.0", "1.1.0"]


@pytest.mark.parametrize("mbit_s", [0.1, 2, 10, 100, 1000])
def test_what_is_begun_together_is_a_few_seconds_of_the_line(mbit_s):
    made = fit(Link(mbit_s=mbit_s))
    assert 5 <= made.streams <= 24
    seconds = made.streams * made.piece / (mbit_s * 125_000)
    assert seconds <= 4 or made.piece == 64 * 1024
    assert made.streams * made.unsent <= max(0.1 * mbit_s * 125_000, made.streams * 4096) + made.streams


def test_the_registry_has_the_last_word_on_streams_and_pieces():
    made = fit(Link(mbit_s=2, streams=3, piece_kib=16))
    assert (made.streams, made.piece) == (3, 16 * 1024)


def test_a_pace_is_kept_by_what_is_urgent_too_unless_exempt():
    slow = Pace(lambda: 1000.0, now=lambda: 0.0)
    assert slow.reserve(1000, urgent=True) == 0
    assert slow.reserve(1000, urgent=True) > 0


def test_nothing_is_read_or_compressed_for_a_line_that_is_down(proxy, region):
    read = []
    whole = proxy.archive.read
    proxy.archive.read = lambda instance_id: read.append(instance_id) or whole(instance_id)
    proxy.arrive(named("1", 1))
    proxy.line.faults = ["cut"] * 4
    for _ in range(4):
        with pytest.raises(Transient):
            proxy.courier.send_next()
        region.clock.pass_(seconds=6)
    assert len(read) == 1  # the first try finds out, the others ask the centre first
    assert proxy.courier.send_next()
    assert proxy.at_centre() == ["1.1.1"]
