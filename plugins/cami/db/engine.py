"""Opening the database."""

from typing import Any

from sqlalchemy import Engine, create_engine, event


def open_engine(url: str) -> Engine:
    """Open the database at a SQLAlchemy `url`.

    SQLite runs with a write-ahead log, full synchronisation (a commit survives a power cut), foreign keys, and a busy
    time-out of 30 s; a transaction takes the write lock at its start, so that two writers wait instead of failing.
    What only reads goes through `reading` and waits for nobody. Errors do not quote the values of a statement, which
    may be patient data.
    """
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def reading(engine: Engine) -> Engine:
    """Return `engine` for transactions that only read: in SQLite they take no write lock."""
    return engine.execution_options(cami_readonly=True)


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling is switched off: _begin_immediate opens each transaction.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN" if options.get("cami_readonly") else "BEGIN IMMEDIATE")
