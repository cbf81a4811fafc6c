"""One region for all attacks: the files run in the order of their names, what breaks most comes last."""

import pytest

from tests.integration.isolation.sides import Side
from tests.live import LiveRegion


@pytest.fixture(scope="package")
def region(tmp_path_factory):
    """A region of this package's own."""
    with LiveRegion(tmp_path_factory.mktemp("region")) as live:
        yield live


@pytest.fixture(scope="package")
def victim(region, tmp_path_factory):
    return Side(region, tmp_path_factory.mktemp("images"), "42001", "ALPHA^VICTIM")


@pytest.fixture(scope="package")
def thief(region, victim, tmp_path_factory):
    return Side(region, tmp_path_factory.mktemp("images"), "42002", "BETA^THIEF")


@pytest.fixture(scope="package")
def admin(region):
    return region.session("region_admin")
