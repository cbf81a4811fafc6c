"""The centre and the proxies of delivery's tests, and a proxy's delivery as people see it."""

import pytest

from cami.delivery import Timetable
from cami.delivery.disk import DiskWatch, Room
from cami.region import Disk, Link
from cami.watch import QueueWatch, Transfer
from tests.unit.delivery.conftest import region

__all__ = ["region"]

GB = 10**9


@pytest.fixture
def proxy(region):
    return region.proxy("42001")


def transfer_of(side, link=None, free=400 * GB):
    """Return how delivery from `side` stands."""
    return Transfer(
        QueueWatch(side.engine),
        side.line_state,
        side.meter,
        Timetable(link or Link(mbit_s=2), "Asia/Novokuznetsk", side.region.clock),
        DiskWatch(lambda: Room(free, 500 * GB), Disk()),
    )
