"""For `scripts/test-again`: which tests failed, one a line, in the file that CAMI_FAILED_TESTS names."""

import os
from pathlib import Path

_FAILED = Path(os.environ["CAMI_FAILED_TESTS"]) if "CAMI_FAILED_TESTS" in os.environ else None


def pytest_sessionstart(session):
    if _FAILED is not None:
        _FAILED.write_text("")


def pytest_runtest_logreport(report):
    if _FAILED is not None and report.failed:
        with _FAILED.open("a") as file:
            file.write(report.nodeid + "\n")
