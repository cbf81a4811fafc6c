"""Real regions and real DICOM."""

import pytest

from tests.live import LiveRegion, cami


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
