"""What waits, in which order, how long it takes, and that nobody counts more often than needed."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from cami.delivery.order import Priority
from cami.delivery.reasons import Cause
from cami.region import Link
from cami.watch.progress import QueueTotals
from cami.watch.waiting import Queue, QueueWatch, WaitingStudy, count_queue
from tests.unit.delivery.conftest import dicom

from .conftest import transfer_of

NOON = datetime(2026, 1, 1, tzinfo=UTC)


def fill(side, studies, images=2):
    """Put studies into the queue of a proxy."""
    for number in range(1, studies + 1):
        for image in range(1, images + 1):
            side.archive.store(dicom(study=f"1.{number}", series=f"1.{number}.1", sop=f"1.{number}.1.{image}"))
        side.feed.advance()
        side.region.clock.pass_(seconds=60)


def waiting(study_id, lane, first, last, size):
    return WaitingStudy(study_id, lane, lane, first, last, 10, size, NOON)


def queue(*studies):
    totals = QueueTotals(0, 0, 0, 0, 0, 0, 0, 0)
    return Queue({study.study_id: study for study in studies}, totals)


class TestOrder:
    def test_what_is_urgent_goes_before_all_of_the_others(self):
        found = queue(waiting("cito", 0, 50, 60, 100), waiting("ct", 2, 0, 10, 1000))
        assert (found.ahead("cito"), found.ahead("ct")) == (100, 1100)

    def test_studies_whose_turns_overlap_share_the_line(self):
        found = queue(waiting("large", 2, 0, 100, 1000), waiting("small", 2, 20, 25, 50))
        assert found.ahead("small") == 50 + 250
        assert found.ahead("large") == 1050

    def test_a_study_of_one_moment_goes_before_what_comes_later(self):
        found = queue(waiting("a", 2, 5, 5, 10), waiting("b", 2, 6, 6, 10))
        assert (found.ahead("a"), found.ahead("b")) == (10, 20)

    def test_what_does_not_wait_has_nothing_before_it(self):
        assert queue(waiting("a", 2, 0, 1, 10)).ahead("b") == 0


def test_the_queue_is_counted_by_study_and_by_class(proxy):
    fill(proxy, 3)
    (first, *_) = count_queue(proxy.engine).studies.values()
    proxy.queue.set_priority(first.study_id, Priority.EMERGENCY)
    found = count_queue(proxy.engine)
    assert (found.instances, found.size, len(found.studies)) == (6, 60, 3)
    assert {key: (entry.instances, entry.size) for key, entry in found.by_class.items()} == {0: (2, 20), 2: (4, 40)}
    assert found.ahead(first.study_id) == 20


class TestWatch:
    @pytest.fixture
    def counted(self, proxy):
        """Count the statements that the database gets."""
        statements = []
        event.listen(proxy.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        return statements

    def test_one_count_serves_all_for_a_second(self, proxy, counted):
        time = [0.0]
        watch = QueueWatch(proxy.engine, lambda: time[0])
        first = watch.queue()
        asked = len(counted)
        assert watch.queue() is first
        assert len(counted) == asked
        time[0] = 1.5
        fill(proxy, 1)
        assert watch.queue().instances == 2

    def test_a_long_count_is_not_made_often(self, proxy, counted):
        ticks = iter([0.0, 3.0, 30.0, 59.0, 64.0, 64.0, 65.0])  # the count takes from 0 to 3: good until 63
        watch = QueueWatch(proxy.engine, lambda: next(ticks))
        first = watch.queue()
        assert [watch.queue() is first, watch.queue() is first, watch.queue() is first] == [True, True, False]


class TestStatus:
    def test_nothing_moves_so_nobody_knows_how_long(self, proxy):
        fill(proxy, 1)
        status = transfer_of(proxy).status()
        assert (status.queue.instances, status.rate, status.seconds_left, status.outage) == (2, 0.0, None, None)

    def test_time_left_is_bytes_by_the_rate(self, proxy):
        fill(proxy, 2, images=10)
        transfer = transfer_of(proxy)
        proxy.meter.sent(100)
        status = transfer.status()
        assert status.rate == pytest.approx(100)
        assert status.seconds_left == pytest.approx(2.0)
        first, second = status.queue.studies
        assert transfer.study(first).seconds_left == pytest.approx(1.0)
        assert transfer.study(second).seconds_left == pytest.approx(2.0)
        proxy.line_state.failed()
        assert transfer.status().seconds_left is None
        assert transfer.status().outage.cause is Cause.LINE
        assert transfer.study(first).seconds_left is None

    def test_the_limit_is_told_with_its_end(self, proxy):
        night = {"days": ["thu"], "from": "20:00", "to": "24:00", "mbit_s": 4}
        link = Link(mbit_s=2, capped=True, timetable=[night])
        status = transfer_of(proxy, link).status()  # 2026-01-01 is a Thursday, 07:00 in the region
        assert (status.limit, status.limit_until) == (250_000, NOON + timedelta(hours=13))
        proxy.region.clock.pass_(hours=14)
        status = transfer_of(proxy, link).status()
        assert (status.limit, status.limit_until) == (500_000, NOON + timedelta(hours=17))

    def test_a_limit_that_never_changes_has_no_end(self, proxy):
        status = transfer_of(proxy, Link(mbit_s=2, capped=True)).status()
        assert (status.limit, status.limit_until) == (250_000, None)
        assert transfer_of(proxy).status().limit is None
