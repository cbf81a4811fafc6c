"""The cap: never more than the registry allows over any ten seconds, and all of it when there is work."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cami.delivery.pace import ALLOWANCE, LARGEST_PIECE, LONGEST_DEBT, OVERHEAD, PIECE, Pace, Timetable
from cami.delivery.right_of_way import Passage
from cami.delivery.transport import PacedBody
from cami.region import Link, RateWindow
from tests.unit.fakes import Hands

NIGHT = RateWindow(**{"days": ["mon", "tue"], "from": "20:00", "to": "24:00", "mbit_s": 8})
WEEKEND = RateWindow(**{"days": ["sat", "sun"], "from": "00:00", "to": "24:00", "mbit_s": 4})


class Watch:
    """A monotonic clock that sleeping moves on."""

    def __init__(self):
        self.time = 1000.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        assert seconds > 0
        self.time += seconds


def busiest(sent, span):
    """Return the most bytes that were sent in any `span` seconds; `sent`: (time, bytes) in order of time."""
    most = total = first = 0
    for last, (moment, amount) in enumerate(sent):
        total += amount
        while sent[first][0] <= moment - span:
            total -= sent[first][1]
            first += 1
        most = max(most, total)
        assert first <= last
    return most


def run(pace, watch, senders, seconds, late):
    """Let `senders` send as fast as the pace lets them; `late` says how long each wake-up is late, in turn."""
    ready = [watch.time] * senders
    sent = []
    start, turn = watch.time, 0
    while (moment := min(ready)) < start + seconds:
        watch.time = moment
        sender = ready.index(moment)
        amount = pace.piece()
        delay = pace.reserve(amount)
        leaves = moment + delay + (late[turn % len(late)] if delay > 0 else 0)
        turn += 1
        sent.append((leaves, amount))
        ready[sender] = leaves
    return sorted(sent)


@settings(max_examples=25)
@given(
    mbit_s=st.floats(0.1, 8),
    senders=st.integers(1, 32),
    late=st.lists(st.floats(0, 0.08), min_size=1, max_size=7),
)
def test_no_ten_seconds_exceed_the_cap_by_five_per_cent(mbit_s, senders, late):
    watch, rate = Watch(), mbit_s * 125_000
    pace = Pace(lambda: rate, now=watch.now)
    sent = run(pace, watch, senders, 13, late)
    assert busiest(sent, 10) * OVERHEAD <= 10.5 * rate


@settings(max_examples=25)
@given(mbit_s=st.floats(0.1, 8), senders=st.integers(1, 32), late=st.lists(st.floats(0, 0.08), min_size=1))
def test_the_cap_is_used_whole_when_there_is_work(mbit_s, senders, late):
    watch, rate = Watch(), mbit_s * 125_000
    pace = Pace(lambda: rate, now=watch.now)
    seconds = 5
    sent = run(pace, watch, senders, seconds, late)
    carried = sum(amount for moment, amount in sent if moment <= 1000 + seconds)
    assert carried * OVERHEAD >= 0.95 * rate * (seconds - 0.25)


def test_what_was_not_used_is_gone():
    watch = Watch()
    pace = Pace(lambda: 100_000.0, now=watch.now)
    pace.reserve(1000)
    watch.time += 3600
    at_once = 0
    while pace.reserve(1000) == 0:
        at_once += 1000
    assert at_once * OVERHEAD <= 100_000 * ALLOWANCE + 1000 * OVERHEAD


def test_a_new_rate_acts_at_once():
    watch, rate = Watch(), [250_000.0]
    pace = Pace(lambda: rate[0], now=watch.now, sleep=watch.sleep)

    def seconds_for(amount):
        before, body = watch.time, PacedBody(bytes(amount), pace, Passage(urgent=False))
        while body.read():
            pass
        return watch.time - before

    assert seconds_for(2_500_000) == pytest.approx(10 * OVERHEAD, abs=0.3)
    rate[0] = 500_000.0
    assert seconds_for(2_500_000) == pytest.approx(5 * OVERHEAD, abs=0.3)
    rate[0] = None
    assert seconds_for(2_500_000) == 0
    assert pace.piece() == LARGEST_PIECE


def test_pieces_are_small_at_a_low_rate():
    assert Pace(lambda: 100_000.0).piece() <= 100_000 * PIECE
    assert Pace(lambda: 100_000_000.0).piece() == LARGEST_PIECE


def test_an_exempt_object_goes_at_once_and_the_others_stand_back_for_a_moment():
    watch = Watch()
    pace = Pace(lambda: 100_000.0, urgent_exempt=True, now=watch.now)
    for _ in range(100):
        assert pace.reserve(16_000, urgent=True) == 0
    assert 0.9 * LONGEST_DEBT <= pace.reserve(1) <= LONGEST_DEBT


def test_nothing_is_exempt_unless_the_registry_says_so():
    watch = Watch()
    pace = Pace(lambda: 100_000.0, now=watch.now)
    pace.reserve(100_000, urgent=True)
    assert pace.reserve(1, urgent=True) > 0.5


@pytest.mark.parametrize(
    ("moment", "mbit_s"),
    [
        ("2026-01-05T12:59:59", 2),  # Monday 19:59 in Novokuznetsk
        ("2026-01-05T13:00:00", 8),
        ("2026-01-05T16:59:59", 8),
        ("2026-01-05T17:00:00", 2),  # Tuesday 00:00
        ("2026-01-07T14:00:00", 2),  # Wednesday
        ("2026-01-09T16:59:59", 2),
        ("2026-01-09T17:00:00", 4),  # Saturday 00:00
        ("2026-01-11T16:59:59", 4),
        ("2026-01-11T17:00:00", 2),  # Monday
    ],
)
def test_the_rate_follows_the_timetable_in_the_time_of_the_region(moment, mbit_s):
    clock = Hands()
    clock.time = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    link = Link(mbit_s=2, timetable=(NIGHT, WEEKEND), capped=True)
    assert Timetable(link, "Asia/Novokuznetsk", clock).limit() == mbit_s * 125_000


def test_without_a_cap_the_rate_is_only_what_people_know_of_the_line():
    timetable = Timetable(Link(mbit_s=2, timetable=(NIGHT,)), "Asia/Novokuznetsk", Hands())
    assert timetable.limit() is None
