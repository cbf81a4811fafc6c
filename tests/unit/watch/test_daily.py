"""Lag, volume and errors by day and by МО."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from cami.watch.daily import Figures, central_figures, central_lags, proxy_days, rank
from tests.unit.delivery.conftest import dicom

from .test_waiting import fill

ZONE = ZoneInfo("Asia/Novokuznetsk")
DAY = date(2026, 1, 1)


def figures(region, first=DAY, last=DAY):
    return central_figures(region.central_db, ["42001", "42002"], first, last, ZONE)


def test_nearest_rank():
    values = [float(value) for value in range(1, 21)]
    assert (rank(values, 50), rank(values, 95)) == (10, 19)
    assert (rank([3.0], 50), rank([3.0], 95), rank([], 50)) == (3, 3, None)


def test_the_centre_knows_lag_and_volume_of_each_day(region):
    slow, quick = region.proxy("42001"), region.proxy("42002")
    fill(slow, 3, images=1)
    fill(quick, 1, images=1)
    region.clock.pass_(minutes=6)
    slow.work(4)
    quick.work(4)
    size = len(dicom(study="1.1", series="1.1.1", sop="1.1.1.1"))
    found = figures(region)
    # The studies came in at 0, 1 and 2 minutes; the line took them after 10.
    assert found["42001", DAY] == Figures(540.0, 600.0, 3 * size, 0)
    # The other МО's study is one of the first's: kept apart, so it has an error and no volume.
    assert found["42002", DAY] == Figures(None, None, 0, 1)
    assert central_lags(region.central_db, ["42001"], DAY, DAY, ZONE) == {"42001": (540.0, 600.0)}


def test_days_are_those_of_the_region(region, proxy):
    region.clock.pass_(hours=17, minutes=30)  # half past midnight there
    fill(proxy, 1)
    proxy.work(3)
    assert list(figures(region, DAY, DAY + timedelta(days=1))) == [("42001", DAY + timedelta(days=1))]
    (day,) = proxy_days(proxy.engine, DAY, DAY + timedelta(days=2), ZONE)
    assert (day.day, day.studies, day.instances, day.arrived, day.confirmed) == (DAY + timedelta(days=1), 1, 2, 2, 2)


def test_a_proxy_counts_its_days(proxy):
    fill(proxy, 2)
    (before,) = proxy_days(proxy.engine, DAY, DAY, ZONE)
    assert (before.studies, before.confirmed_studies, before.arrived, before.size, before.lags) == (2, 0, 0, 40, [])
    proxy.work(3)
    (after,) = proxy_days(proxy.engine, DAY, DAY, ZONE)
    assert (after.confirmed_studies, after.arrived, after.failed) == (2, 4, 0)
    assert after.lags == [60.0, 120.0]


@pytest.mark.parametrize("again", [False, True])
def test_what_is_stored_twice_counts_once(region, proxy, again):
    fill(proxy, 1, images=1)
    proxy.work(3)
    size = figures(region)["42001", DAY].size
    if again:
        region.central.files.clear()
        proxy.controls._repeats.ask(next(iter(proxy.archive.files)))
    proxy.work(3)
    assert figures(region)["42001", DAY].size == size > 0
