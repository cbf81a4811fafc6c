"""An empty database with all tables: SQLite in a file, or PostgreSQL where ``CAMI_TEST_POSTGRESQL`` names one."""

import os

from sqlalchemy import event, text

from cami.db import open_engine
from cami.db.tables import metadata

#: An empty PostgreSQL database that may be filled, as postgresql+psycopg://…
POSTGRESQL = os.environ.get("CAMI_TEST_POSTGRESQL", "")


def empty_database(path):
    """Return an engine of an empty database."""
    if not POSTGRESQL:
        engine = open_engine(f"sqlite:///{path}")
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        metadata.create_all(engine)
        return engine
    engine = open_engine(POSTGRESQL)
    metadata.create_all(engine)
    with engine.begin() as connection:
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
    return engine
