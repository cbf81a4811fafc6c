"""What a monitoring system reads, by the parser that Prometheus' own library brings."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cami.delivery.disk import DiskWatch, Room
from cami.delivery.meter import Load
from cami.region import Disk
from cami.watch.figures import exposition, of_centre, of_disk, of_proxy
from tests.unit.delivery.conftest import dicom

from .conftest import GB, transfer_of
from .test_waiting import fill


def read(*sources):
    """Return samples by name and labels."""
    text = exposition(sources).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_proxy_tells_what_waits_and_what_went(proxy, region):
    fill(proxy, 2)
    found = read(of_proxy(transfer_of(proxy), region.clock))
    assert found["cami_delivery_waiting_instances", "p2"] == 4
    assert found["cami_delivery_waiting_bytes", "p2"] == 40
    assert found["cami_delivery_waiting_oldest_seconds", "p2"] == 120
    assert found["cami_delivery_waiting_instances", "p0"] == 0
    assert found["cami_delivery_line_up",] == 1
    proxy.meter.sent(77)
    proxy.work(3)
    proxy.line_state.failed()
    found = read(of_proxy(transfer_of(proxy), region.clock))
    assert found["cami_delivery_instances", "confirmed"] == 4
    assert found["cami_delivery_sent_bytes_total",] == 77
    assert found["cami_delivery_delivered_instances_total",] == 4
    assert found["cami_delivery_line_up",] == 0


def test_lags_are_a_histogram(proxy, region):
    for lag in (0.5, 40, 40, 10**6):
        proxy.meter.delivered(Load(proxy.meter, "ct", 1, 1), lag)
    found = read(of_proxy(transfer_of(proxy), region.clock))
    buckets = {key[1]: value for key, value in found.items() if key[0] == "cami_delivery_lag_seconds_bucket"}
    assert (buckets["1.0"], buckets["60.0"], buckets["86400.0"], buckets["+Inf"]) == (1, 3, 3, 4)
    assert found["cami_delivery_lag_seconds_count",] == 4
    assert found["cami_delivery_lag_seconds_sum",] == pytest.approx(10**6 + 80.5)


def test_the_centre_tells_what_has_come(region, proxy):
    fill(proxy, 2)
    proxy.work(3)
    other = region.proxy("42002")
    fill(other, 1)
    other.work(3)
    found = read(of_centre(region.central_db))
    assert found["cami_centre_studies", "42001", "confirmed"] == 2
    assert found["cami_centre_quarantined_objects", "42002"] == 2


@pytest.mark.parametrize(("free", "state"), [(400, "well"), (40, "low"), (1, "full")])
def test_a_disk_is_in_one_state(free, state):
    found = read(of_disk(DiskWatch(lambda: Room(free * GB, 500 * GB), Disk())))
    assert {key[1] for key, value in found.items() if key[0] == "cami_disk_state" and value} == {state}
    assert found["cami_disk_free_bytes",] == free * GB


def test_no_study_and_no_person_is_named(region, proxy):
    proxy.archive.store(dicom(patient="ИВАНОВ"))
    proxy.work(3)
    text = exposition([of_proxy(transfer_of(proxy), region.clock), of_centre(region.central_db)]).decode()
    assert text.isascii()
    assert "Chest" not in text
    assert re.search(r"[0-9a-f]{8}-[0-9a-f]{8}", text) is None
