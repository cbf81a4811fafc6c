"""Real regions and real DICOM."""

from pathlib import Path

import pytest

from tests.live import LiveRegion, cami

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Keep together, where several processes run tests (``--dist loadgroup``), what shares a region."""
    for item in items:
        if item.path.is_relative_to(HERE):
            package = item.path.parent
            item.add_marker(pytest.mark.xdist_group(str(item.path if package == HERE else package)))


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    """Small studies of each modality, in a folder for each МО."""
    folder = tmp_path_factory.mktemp("phantoms")
    cami("phantoms", folder, "--small")
    return folder


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """A region of this module's own, empty at first."""
    with LiveRegion(tmp_path_factory.mktemp("region")) as live:
        yield live
