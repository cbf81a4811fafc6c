"""Once a night, by the clock of the region."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cami.index import NightlyComparison


class Asked:
    def __init__(self):
        self.times = 0

    def ask_for_check(self, *, thorough):
        assert thorough
        self.times += 1


def test_once_a_night_at_four_of_the_region(clock):
    follower = Asked()
    nightly = NightlyComparison(follower, clock, ZoneInfo("Asia/Novokuznetsk"))
    clock.time = datetime(2026, 1, 1, 20, 59, tzinfo=UTC)
    assert not nightly.step()
    clock.pass_(minutes=1)
    assert nightly.step()
    clock.pass_(minutes=30)
    assert not nightly.step()
    clock.pass_(days=1)
    assert nightly.step()
    assert follower.times == 2
