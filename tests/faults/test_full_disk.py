"""A volume that fills up, at the proxy and at the centre: a real one, so small that it really is full."""

import shutil
import time

import pytest

from cami_cli.bench.accidents import filled, small_volume
from tests.faults.hospital import Hospital
from tests.faults.settings import SECONDS
from tests.live import wait_until
from tests.registry import CENTRAL, PROXY

MB = 1_000_000
#: The centre keeps 256 MiB free of uploads in pieces (`cami.delivery.uploads.SPARE_BYTES`).
VOLUME_MB = 700
#: The guard steps in below so much free space, and warns below the double of it.
STOP_MB = 100


@pytest.fixture(params=[PROXY, CENTRAL], ids=["proxy", "centre"])
def server(request):
    return request.param


@pytest.fixture
def hospital(tmp_path, sent, registry, rng, server):
    """Like the others, with a small volume for one of the servers."""
    disk = {"stop_free_gb": str(STOP_MB / 1000), "warn_free_gb": str(2 * STOP_MB / 1000)}
    (registry.proxy if server == PROXY else registry.content["centre"])["disk"] = disk
    made = Hospital(tmp_path, sent, registry, SECONDS, rng)
    made.data(server).mkdir(parents=True, mode=0o700)
    with small_volume(made.data(server), VOLUME_MB * MB), made:
        yield made


def test_a_full_disk_stops_and_goes_on(hospital, server):
    folder = hospital.data(server)
    device = hospital.send()
    hospital.wait_delivered(0.2)
    with filled(folder, leaving=STOP_MB * MB // 2):
        hospital.tell(f"{server}: {shutil.disk_usage(folder).free / MB:.0f} MB free, below what it stops at")
        wait_until("full", lambda: "the disk is full" in hospital.log(server), 30)
        if server == CENTRAL:
            wait_until("HTTP 507", lambda: "the centre answered HTTP 507" in hospital.log(PROXY), 60)
        time.sleep(hospital.rng.uniform(5, 15))
    wait_until("room again", lambda: hospital.log(server).count("the disk has room again") == 1, 30)
    hospital.tell("room again")
    hospital.wait_delivered(0.5)
    # Past the guard, as when something else on the volume grows faster than it looks: not a byte is left.
    with filled(folder, leaving=0):
        hospital.tell(f"{server}: {shutil.disk_usage(folder).free} bytes free")
        wait_until("full", lambda: hospital.log(server).count("the disk is full") == 2, 30)
        time.sleep(hospital.rng.uniform(5, 15))
    wait_until("room again", lambda: hospital.log(server).count("the disk has room again") == 2, 30)
    hospital.tell("room again")
    hospital.check(device)
    if server == PROXY:
        assert device.refusals, "the device was refused nothing: the volume was not full while it sent"
