"""The clock of a server jumps: a flat battery, a wrong time server, a virtual machine that was asleep."""

import time

import pytest

from cami_cli.bench.accidents import set_clock
from tests.registry import CENTRAL, PROXY

DAY = 86_400
#: Seconds off the right time, one after the other. More than a minute apart the centre does not believe the proxy.
JUMPS = (-30, 3600, 0, -3600, 0, 40 * DAY, 0, -DAY, 20, 0)


@pytest.mark.parametrize("server", [PROXY, CENTRAL], ids=["proxy", "centre"])
def test_a_clock_that_jumps(hospital, server):
    hospital.give_false_clock(server)
    device = hospital.send()
    for number, seconds in enumerate(JUMPS, 1):
        if seconds in (0, 20):
            time.sleep(hospital.rng.uniform(3, 8))
        else:
            hospital.wait_delivered(number / (len(JUMPS) + 1))
        set_clock(hospital.server(server), seconds)
        hospital.tell(f"{server}: its clock is wrong by {seconds} s; the device has stored {device.accepted}")
    hospital.check(device, seconds=600)
    # That it jumped at all.
    assert "does not accept this proxy's token" in hospital.log(PROXY)
