"""Long faults, each with thousands of images on real Orthancs (``make test-faults``, docs/architecture.md §6).

``FAULTS_INSTANCES`` (2,000) and ``FAULTS_SEED`` choose how many images, and when what breaks.
"""

import random
import zlib
from pathlib import Path

import pytest

from tests.faults.hospital import Hospital
from tests.faults.images import draw
from tests.faults.settings import INSTANCES, SECONDS, SEED
from tests.registry import Registry


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(1800))
            # pynetdicom leaves the sockets of associations that were refused to the garbage collector, in any thread.
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def sent(tmp_path_factory):
    """What the device sends in every test."""
    return draw(tmp_path_factory.mktemp("images"), INSTANCES, SEED)


@pytest.fixture
def rng(request):
    """Chance, the same for the same test and seed."""
    seed = zlib.crc32(f"{SEED}/{request.node.name}".encode())
    print(f"\n{request.node.name}: {INSTANCES} images, FAULTS_SEED={SEED}", flush=True)
    return random.Random(seed)


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "region.yaml")


@pytest.fixture
def hospital(tmp_path, sent, registry, rng):
    """A proxy, the line and the centre, empty."""
    with Hospital(tmp_path, sent, registry, SECONDS, rng) as made:
        yield made
