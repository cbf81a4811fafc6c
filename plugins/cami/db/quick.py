"""A question that nearly every request asks, written out once for the driver.

SQLAlchemy needs some 400 calls of Python to execute a statement that it knows, SQLite microseconds to answer one by a
key. What stands in the way of every HTTP request is worth going to the driver by the pool directly; everything else
goes the usual way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, Select


class Quick:
    """One statement with named parameters. Thread-safe."""

    def __init__(self, engine: Engine, statement: Select[Any]) -> None:
        """Write it out; what takes stack is done here, once."""
        dialect = engine.dialect
        compiled = statement.compile(dialect=dialect)
        self._engine = engine
        self._sql = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._names = compiled.positiontup
        processors = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()
        }
        self._processors = {name: each for name, each in processors.items() if each is not None}

    def value(self, values: Mapping[str, Any]) -> Any:
        """Return the first column of the first row, or None."""
        row = self.row(values)
        return None if row is None else row[0]

    def row(self, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Return the first row, its values as the database has them, or None."""
        given = self._fixed | dict(values)
        for name in self._processors.keys() & given.keys():
            given[name] = self._processors[name](given[name])
        # Parameters that this shape of the statement has no place for are passed over.
        parameters = given if self._names is None else tuple(given[name] for name in self._names)
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(self._sql, parameters)
            row = cursor.fetchone()
            cursor.close()
        finally:
            connection.close()
        return None if row is None else tuple(row)


class Quicks:
    """Statements that are asked of one database, each written out when it is first asked. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[Select[Any], Quick] = {}

    def of(self, statement: Select[Any]) -> Quick:
        """Return a statement written out; `statement` is one that is kept, as by `functools.cache`."""
        known = self._known.get(statement)
        if known is None:
            known = self._known[statement] = Quick(self._engine, statement)
        return known
