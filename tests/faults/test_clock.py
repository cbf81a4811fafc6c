"""The clock of a server jumps: a flat battery, a wrong time server, a virtual machine that was asleep."""

import subprocess
import time
from pathlib import Path

import pytest

from cami_cli.places import HOME, runtime_folder
from cami_cli.runtime.base import CONFIGURATION
from tests.faults.hospital import CENTRAL, PROXY

DAY = 86_400
#: Seconds off the right time, one after the other. More than a minute apart the centre does not believe the proxy.
JUMPS = (-30, 3600, 0, -3600, 0, 40 * DAY, 0, -DAY, 20, 0)


@pytest.fixture(scope="session")
def libfaketime():
    """Return Debian's libfaketime, which answers a program that asks for the time."""
    tools = runtime_folder() / "tools"
    for _ in range(2):
        for place in (Path("/usr/lib"), tools / "usr/lib"):
            for library in place.glob("*/faketime/libfaketimeMT.so.1"):
                return library
        subprocess.run([HOME / "scripts" / "host-packages", tools, "libfaketime"], check=True)
    raise AssertionError("Debian's package libfaketime brought no library")


class WrongClock:
    """The clock of one server."""

    def __init__(self, hospital, server, library):
        self._file = hospital.region.state / "servers" / server / "config" / "clock"
        self.set(0)
        hospital.restart_with(
            server,
            {
                "LD_PRELOAD": f"{CONFIGURATION}/{library.name}",
                "FAKETIME_TIMESTAMP_FILE": f"{CONFIGURATION}/{self._file.name}",
                "FAKETIME_CACHE_DURATION": "1",
                # Only what the time of the day is; how long something takes stays true, as on a machine whose
                # clock is set.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            },
            [library],
        )

    def set(self, seconds):
        """Let it be wrong by so many seconds."""
        part = self._file.with_suffix(".part")
        part.write_text(f"{seconds:+d}s\n")
        part.replace(self._file)


@pytest.mark.parametrize("server", [PROXY, CENTRAL], ids=["proxy", "centre"])
def test_a_clock_that_jumps(hospital, libfaketime, server):
    clock = WrongClock(hospital, server, libfaketime)
    device = hospital.send()
    hospital.wait_delivered(0.1)
    for seconds in JUMPS:
        clock.set(seconds)
        hospital.tell(f"{server}: its clock is wrong by {seconds} s; {hospital.delivered} images at the centre")
        time.sleep(hospital.rng.uniform(3, 8))
    hospital.check(device, seconds=300)
    # That it jumped at all: the server's own log tells its own time.
    stamps = {line[:11] for line in hospital.log(server).splitlines() if line.startswith("I20") or line[:2] == "W2"}
    print(stamps)
