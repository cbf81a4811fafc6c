"""The migrations make exactly the tables that the code uses."""

from datetime import datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError

from cami.db import open_engine
from cami.db.migrate import migrate
from cami.db.tables import metadata, study_claim


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/cami.sqlite"


def test_migrations_and_tables_agree(url):
    migrate(url)
    engine = open_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_migrating_twice_changes_nothing(url):
    migrate(url)
    migrate(url)


def test_a_naive_time_is_refused(url):
    migrate(url)
    engine = open_engine(url)
    row = {"study_uid": "1.2", "owner": "42001", "claimed_at": datetime(2026, 1, 1)}  # noqa: DTZ001
    with pytest.raises(StatementError, match="naive"), engine.begin() as connection:
        connection.execute(insert(study_claim), row)
    with engine.connect() as connection:
        assert connection.execute(select(study_claim)).all() == []
    engine.dispose()


def test_sqlite_is_safe_against_power_cuts(url):
    migrate(url)
    engine = open_engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()
