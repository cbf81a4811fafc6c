"""Somebody else holds the lock of a server's database: a backup, an administrator's shell, a disk that hangs."""

import time

import pytest

from cami_cli.bench.accidents import locked
from tests.registry import CENTRAL, PROXY

#: Seconds that the lock is held each time; the last is longer than a transaction waits for it (`cami.db.engine`: 30 s).
HOLDS = (3.0, 10.0, 45.0)


@pytest.mark.parametrize("server", [PROXY, CENTRAL], ids=["proxy", "centre"])
def test_a_database_that_is_locked_again_and_again(hospital, server):
    device = hospital.send()
    for number, seconds in enumerate(HOLDS):
        hospital.wait_delivered(0.2 + 0.2 * number)
        with locked(hospital.server(server)):
            hospital.tell(f"{server}: its database is locked for {seconds:.0f} s")
            time.sleep(seconds)
        time.sleep(hospital.rng.uniform(0, 2))
    hospital.check(device)
