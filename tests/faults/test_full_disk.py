"""A volume that fills up, at the proxy and at the centre: a real one, so small that it really is full."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import SECONDS
from tests.faults.hospital import CENTRAL, PROXY, Hospital
from tests.live import wait_until

MB = 1_000_000
#: The centre keeps 256 MiB free of uploads in pieces (`cami.delivery.uploads.SPARE_BYTES`).
VOLUME_MB = 700
#: The guard steps in below so much free space, and warns below the double of it.
STOP_MB = 100


@pytest.fixture
def volume(tmp_path):
    """Make a small file system for the data of a server, before the server is there."""
    made = []

    def make(server: str) -> Path:
        folder = tmp_path / "region" / "servers" / server / "data"
        folder.mkdir(parents=True, mode=0o700)
        for above in (folder.parent, folder.parent.parent, folder.parent.parent.parent):
            above.chmod(0o700)
        options = f"size={VOLUME_MB * MB},mode=0700"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "cami-test", folder], check=False)
        assert done.returncode == 0, "no right to mount: run it as make test-faults does, in a mount namespace"
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(folder: Path, leaving: int) -> Iterator[None]:
    """Take the room of a volume but for `leaving` bytes, while the server uses it."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb") as file:
            if size := max(shutil.disk_usage(folder).free - leaving, 0):
                os.posix_fallocate(file.fileno(), 0, size)
            yield
    finally:
        ballast.unlink()


@pytest.mark.parametrize("server", [PROXY, CENTRAL], ids=["proxy", "centre"])
def test_a_full_disk_stops_and_goes_on(tmp_path, volume, sent, registry, rng, server):
    folder = volume(server)
    disk = {"stop_free_gb": str(STOP_MB / 1000), "warn_free_gb": str(2 * STOP_MB / 1000)}
    (registry.proxy if server == PROXY else registry.content["centre"])["disk"] = disk
    with Hospital(tmp_path, sent, registry, SECONDS, rng) as hospital:
        device = hospital.send()
        hospital.wait_delivered(0.2)
        with filled(folder, leaving=STOP_MB * MB // 2):
            hospital.tell(f"{server}: {shutil.disk_usage(folder).free / MB:.0f} MB free, below what it stops at")
            wait_until("full", lambda: "the disk is full" in hospital.log(server), 30)
            if server == PROXY:
                wait_until("a refusal to the device", lambda: device.refusals, 60)
            else:
                wait_until("HTTP 507", lambda: "the centre answered HTTP 507" in hospital.log(PROXY), 60)
        wait_until("room again", lambda: "the disk has room again" in hospital.log(server), 30)
        hospital.tell("room again")
        hospital.wait_delivered(0.5)
        # Past the guard, as when something else on the volume grows faster than it looks: not a byte is left.
        with filled(folder, leaving=0):
            hospital.tell(f"{server}: {shutil.disk_usage(folder).free} bytes free")
            wait_until("full", lambda: hospital.log(server).count("the disk is full") == 2, 30)
            time.sleep(hospital.rng.uniform(5, 15))
        hospital.tell("room again")
        hospital.check(device)
