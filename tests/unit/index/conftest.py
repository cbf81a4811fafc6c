"""A database, an archive with a change log, and the index between them."""

import os
import shutil

import pytest
from sqlalchemy import event, insert

from cami.access.granted import Received
from cami.db import open_engine
from cami.db.tables import metadata, study, study_claim, study_grant
from cami.index import IndexFollower, IndexStore, StudyIndex
from tests.unit.fakes import Hands
from tests.unit.index.archive import LoggedArchive


@pytest.fixture
def clock():
    return Hands()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    path = tmp_path_factory.mktemp("database") / "empty.sqlite"
    engine = open_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request, tmp_path, empty_database):
    """Both databases; PostgreSQL is that of CAMI_TEST_POSTGRESQL (an SQLAlchemy URL of an empty database)."""
    if request.param == "postgresql":
        if "CAMI_TEST_POSTGRESQL" not in os.environ:
            pytest.skip("no CAMI_TEST_POSTGRESQL")
        engine = open_engine(os.environ["CAMI_TEST_POSTGRESQL"])
        metadata.drop_all(engine)
        metadata.create_all(engine)
        yield engine
        metadata.drop_all(engine)
    else:
        shutil.copy(empty_database, tmp_path / "cami.sqlite")
        engine = open_engine(f"sqlite:///{tmp_path}/cami.sqlite")
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        yield engine
    engine.dispose()


@pytest.fixture
def archive():
    return LoggedArchive()


@pytest.fixture
def store(engine, clock):
    return IndexStore(engine, clock)


@pytest.fixture
def follower(archive, store):
    return IndexFollower(archive, store)


@pytest.fixture
def index(engine, follower):
    return StudyIndex(engine, follower)


@pytest.fixture
def own(engine, clock):
    """Write whose a study is, as the receiver does before it stores."""

    def claim(mo, study_id, uid):
        with engine.begin() as connection:
            connection.execute(insert(study_claim).values(study_uid=uid, owner=mo, claimed_at=clock.now()))
            connection.execute(
                insert(study).values(study_id=study_id, study_uid=uid, owner=mo, claimed_at=clock.now(), labelled=True)
            )

    return claim


@pytest.fixture
def grant(engine, clock):
    """Grant studies, named by owner and Study Instance UID, to an МО; return them as its people have received them."""

    def give(mo, named):
        values = {"mo": mo, "cause": "share", "given_by": "rad", "given_at": clock.now(), "labelled": False}
        with engine.begin() as connection:
            for owner, uid in named:
                connection.execute(insert(study_grant).values(owner=owner, study_uid=uid, **values))
        return Received(mo, "", clock.now())

    return give


def settle(follower, steps=200):
    """Let the follower work until it has nothing to do."""
    for _ in range(steps):
        if not follower.step():
            return
    raise AssertionError("the follower does not come to rest")
