"""When a volume counts as low and as full, and that nothing is taken then."""

import logging

import pytest

from cami.delivery.disk import GB, DiskState, DiskWatch, NoRoom, Room, Thresholds, measure_volume
from cami.region import Disk
from cami.watch.progress import queue_totals

from .conftest import dicom

MB = 1_000_000


class Volume:
    """A volume whose free space tests set, in GB."""

    def __init__(self, free, total=1000):
        self.free, self.total = free, total

    def __call__(self):
        return Room(int(self.free * GB), int(self.total * GB))


def states(watch, volume, frees):
    seen = []
    for free in frees:
        volume.free = free
        seen.append(str(watch.look()))
    return seen


@pytest.mark.parametrize(
    ("wanted", "total", "warn", "stop"),
    [
        (Disk(), 4000, 50_000, 5000),  # a proxy's 4 TB
        (Disk(), 100, 10_000, 2000),
        (Disk(), 10, 1000, 500),
        (Disk(), 0.064, 1000, 500),  # never: such a volume is no place for an archive
        (Disk(stop_free_gb=40), 100, 80_000, 40_000),
        (Disk(warn_free_gb=2), 4000, 2000, 1000),
        (Disk(warn_free_gb=3, stop_free_gb=2.5), 4000, 3000, 2500),
    ],
)
def test_thresholds_follow_from_the_registry_and_the_size(wanted, total, warn, stop):
    found = Thresholds.of(wanted, int(total * GB))
    assert (found.warn // MB, found.stop // MB) == (warn, stop)
    assert found.warn > found.stop


def test_a_volume_fills_and_empties_without_flapping():
    volume = Volume(900)
    watch = DiskWatch(volume, Disk(warn_free_gb=50, stop_free_gb=5))
    filling = states(watch, volume, [51, 49.9, 50.5, 5.1, 4.9, 5.1, 5.4])
    assert filling == ["well", "low", "low", "low", "full", "full", "full"]
    assert states(watch, volume, [5.6, 50.9, 51.1]) == ["low", "low", "well"]


def test_each_change_is_one_line(caplog):
    volume = Volume(900)
    with caplog.at_level(logging.INFO):
        watch = DiskWatch(volume, Disk(warn_free_gb=50, stop_free_gb=5))
        states(watch, volume, [40, 40, 4, 4, 4, 900])
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "WARNING"]


def test_the_state_is_known_from_the_start():
    watch = DiskWatch(Volume(1), Disk(warn_free_gb=50, stop_free_gb=5))
    assert watch.full
    with pytest.raises(NoRoom):
        watch.require_room()


def test_a_volume_that_does_not_answer_keeps_its_state():
    volume = Volume(1)
    watch = DiskWatch(volume, Disk(stop_free_gb=5))
    watch._measure = lambda: measure_volume("/no/such/folder")
    with pytest.raises(OSError, match="No such file"):
        watch.look()
    assert watch.state is DiskState.FULL


def test_a_real_volume_is_measured(tmp_path):
    room = measure_volume(tmp_path)
    assert 0 < room.free <= room.total


def test_a_full_centre_takes_nothing_and_the_proxy_keeps_all(region):
    watch = DiskWatch(volume := Volume(1), Disk(stop_free_gb=5))
    region.receiver._require_room = watch.require_room
    proxy = region.proxy("42001")
    proxy.archive.store(dicom())
    proxy.work(3)
    assert region.central.files == {}
    assert queue_totals(proxy.engine).queued == 1
    volume.free = 900
    watch.look()
    proxy.work(4)
    assert region.central.files == proxy.archive.files
    assert queue_totals(proxy.engine).confirmed == 1
