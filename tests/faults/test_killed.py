"""kill -9 of the proxy, of the centre, of both at once, at random points."""

import pytest

from tests.registry import CENTRAL, PROXY

KILLS = 5


@pytest.mark.parametrize("victims", [(PROXY,), (CENTRAL,), (PROXY, CENTRAL)], ids=["proxy", "centre", "both"])
def test_killed_at_random_points(hospital, victims):
    device = hospital.send()
    points = sorted(hospital.rng.uniform(0.02, 0.95) for _ in range(KILLS))
    hospital.tell("kills at " + ", ".join(f"{point:.0%}" for point in points))
    for point in points:
        hospital.wait_delivered(point)
        hospital.kill(*victims, away=hospital.rng.uniform(0.0, 3.0))
    hospital.check(device)
    for victim in victims:
        assert hospital.log(victim).count("=== start of ") >= KILLS
