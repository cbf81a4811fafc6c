"""The plugin's own database: tables, connections, migrations. One database a server, for all packages.

SQLite is the embedded default; PostgreSQL is for a centre of several replicas. Services take an `Engine` from
`open_engine` and write short, explicit transactions (`with engine.begin() as connection`); what only reads uses
`reading(engine).connect()`.
"""

from cami.db.engine import open_engine, reading
from cami.db.quick import Quick, Quicks
from cami.db.types import UtcDateTime

__all__ = ["Quick", "Quicks", "UtcDateTime", "open_engine", "reading"]
