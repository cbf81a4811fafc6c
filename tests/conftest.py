"""For all tests: Hypothesis without a clock; for `scripts/test-again` which tests failed, in CAMI_FAILED_TESTS."""

import os
from pathlib import Path

from hypothesis import HealthCheck, settings

# No test asserts a time: on a busy machine each example is slow.
settings.register_profile("cami", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cami")

_FAILED = Path(os.environ["CAMI_FAILED_TESTS"]) if "CAMI_FAILED_TESTS" in os.environ else None


def pytest_sessionstart(session):
    if _FAILED is not None:
        _FAILED.write_text("")


def pytest_runtest_logreport(report):
    if _FAILED is not None and report.failed:
        with _FAILED.open("a") as file:
            file.write(report.nodeid + "\n")
