"""A journal in a database as the migrations make it."""

import shutil

import pytest

from cami.audit import AuditTrail
from cami.db import open_engine
from cami.db.migrate import migrate
from tests.unit.fakes import Hands


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "empty.sqlite"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def engine(migrated, tmp_path):
    shutil.copy(migrated, tmp_path / "cami.sqlite")
    engine = open_engine(f"sqlite:///{tmp_path}/cami.sqlite")
    yield engine
    engine.dispose()


@pytest.fixture
def trail(engine, clock):
    trail = AuditTrail(engine, clock, "central")
    yield trail
    trail.close()
