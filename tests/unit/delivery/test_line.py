"""A line that is down is tried by one sender at a time, and used again soon after it is back."""

from datetime import timedelta

import pytest

from cami.delivery.line import LONGEST_REST, Line
from cami.delivery.reasons import Cause
from cami.errors import Transient
from cami.watch.progress import queue_totals
from tests.unit.fakes import Hands

from .conftest import dicom


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture
def line(clock):
    return Line(clock)


def test_a_line_that_works_is_for_all(line):
    assert line.may_be_tried()
    assert line.may_be_tried()


def test_after_a_failure_one_tries_and_the_others_wait(line, clock):
    line.failed()
    assert not line.may_be_tried()
    clock.pass_(seconds=0.5)
    assert line.may_be_tried()
    assert not line.may_be_tried()


def test_who_waits_for_the_line_hears_that_it_is_back(line):
    back = []
    line.tell_back(lambda: back.append(line.outage))
    line.works()
    line.heard()
    assert back == []
    line.failed()
    line.works()
    line.unheard()
    line.heard()
    assert back == [None, None]
    line.failed(Cause.CENTRE)
    line.heard()  # it answers, but takes no images
    assert len(back) == 2


def test_rests_grow_to_a_limit(line, clock):
    for _ in range(20):
        line.failed()
    clock.pass_(seconds=LONGEST_REST.total_seconds() - 0.1)
    assert not line.may_be_tried()
    clock.pass_(seconds=0.1)
    assert line.may_be_tried()


def test_success_ends_the_rest(line):
    line.failed()
    line.works()
    assert line.may_be_tried()


def test_a_permission_that_was_not_used_is_given_again(line, clock):
    line.failed()
    clock.pass_(seconds=1)
    assert line.may_be_tried()
    line.not_tried()
    assert line.may_be_tried()


def test_a_clock_set_back_does_not_stop_delivery(line, clock):
    line.failed()
    clock.time -= timedelta(days=1)
    assert line.may_be_tried()


def test_a_dead_line_costs_one_read_not_one_a_sender(region):
    proxy = region.proxy("42001")
    for number in range(3):
        proxy.archive.store(dicom(sop=f"1.{number}"))
    proxy.feed.advance()
    proxy.line.faults = ["cut"]
    with pytest.raises(Transient):
        proxy.courier.send_next()
    assert [proxy.courier.send_next() for _ in range(5)] == [False] * 5
    assert proxy.line.calls == 1
    assert queue_totals(proxy.engine).queued == 3
    region.clock.pass_(seconds=1)
    assert proxy.courier.send_next()


def test_an_outage_is_known_with_its_beginning_and_its_cause(line, clock):
    assert line.outage is None
    began = clock.now()
    line.failed()
    clock.pass_(seconds=30)
    line.failed(Cause.CENTRE)
    assert (line.outage.cause, line.outage.since) == (Cause.CENTRE, began)
    line.works()
    assert line.outage is None


def test_somebody_who_hears_nothing_makes_no_sender_wait(line):
    line.unheard()
    assert line.outage.cause is Cause.LINE
    assert line.may_be_tried()
    assert line.may_be_tried()
    line.heard()
    assert line.outage is None


def test_a_centre_that_answers_but_takes_nothing_is_no_line_that_works(line):
    line.failed(Cause.CENTRE)
    line.heard()
    assert line.outage.cause is Cause.CENTRE
