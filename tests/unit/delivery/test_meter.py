"""Rates, ratios and counts of what goes over the line."""

import threading

import pytest

from cami.delivery.meter import KEPT, LAG_BOUNDS, Load, Meter


class Watch:
    """A monotonic clock that tests move."""

    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


@pytest.fixture
def now():
    return Watch()


@pytest.fixture
def meter(now):
    return Meter(now)


def send(meter, now, seconds, amount):
    for _ in range(seconds):
        meter.sent(amount)
        now.time += 1


def test_the_rate_is_that_of_the_last_seconds(meter, now):
    send(meter, now, 30, 1000)
    send(meter, now, 10, 250)
    assert meter.rate(10) == pytest.approx(250)
    assert meter.rate(20) == pytest.approx(625)


def test_a_line_that_has_just_begun_is_not_slow(meter, now):
    send(meter, now, 2, 1000)
    assert meter.rate(10) == pytest.approx(1000)


def test_a_line_that_stands_is_seen_within_seconds(meter, now):
    send(meter, now, 30, 1000)
    now.time += 5
    assert meter.rate(10) == pytest.approx(500)
    now.time += 6
    assert meter.rate(10) == 0


def test_what_is_sent_of_an_object_counts_for_its_study(meter, now):
    with meter.carrying("ct", 1000, 500) as load:
        meter.sent(250, load)
        thread = threading.Thread(target=meter.sent, args=(125, load))  # another sender helps
        thread.start()
        thread.join()
        assert meter.under_way() == {"ct": 750}  # three quarters of the 500 stand for as much of the image
        meter.sent(4000)
    now.time += 1
    assert meter.under_way() == {}
    assert meter.rate_of("ct", 1) == 375
    assert meter.rate(1) == 4375
    assert meter.counters().sent_bytes == 4375


def test_an_upload_that_goes_on_stands_where_it_stood(meter):
    with meter.carrying("us", 800, 800) as load:
        load.resume(400)
        load.resume(200)  # of another part
        meter.sent(100, load)
        assert meter.under_way() == {"us": 700}
        meter.sent(1000, load)
        assert meter.under_way() == {"us": 800}
    assert meter.counters().resumed == 1


def test_compression_shows_in_the_ratio(meter, now):
    assert meter.ratio() == 1.0
    for _ in range(10):
        with meter.carrying("ct", 300_000, 100_000) as load:
            meter.sent(100_000, load)
        meter.delivered(load, 1.0)
        now.time += 1
    assert meter.ratio() == pytest.approx(3)
    now.time += 3600
    assert meter.ratio() == 1.0


def test_lags_are_counted_by_class(meter):
    for lag in (0.2, 1, 1.5, 59, 100_000, -3):
        meter.delivered(Load(meter, "ct", 1, 1), lag)
    lags = meter.counters().lags
    assert list(lags.counts) == [3, 1, 0, 1, 0, 0, 0, 0, 0, 1]
    assert list(lags.cumulative) == [3, 4, 4, 5, 5, 5, 5, 5, 5, 6]
    assert len(lags.counts) == len(LAG_BOUNDS) + 1
    assert lags.total == pytest.approx(100_061.7)
    assert meter.counters().delivered == 6


def test_memory_stays_flat(meter, now):
    send(meter, now, 1000, 1)
    assert len(meter._seconds) <= KEPT + 1
