"""How far each reader of Orthanc's change log has come (the table ``change_cursor``)."""

from sqlalchemy import Connection, insert, select, update

from cami.db.tables import change_cursor

#: Name of the row that delivery moves.
READER = "delivery"


def read_cursor(connection: Connection, reader: str) -> int | None:
    """Return how far a reader of the change log has come; None before its beginning."""
    return connection.scalar(select(change_cursor.c.seq).where(change_cursor.c.reader == reader))


def move_cursor(connection: Connection, reader: str, seq: int) -> None:
    """Note, in the transaction that writes what was read, how far a reader of the change log has come."""
    statement = update(change_cursor).where(change_cursor.c.reader == reader).values(seq=seq)
    if not connection.execute(statement).rowcount:
        connection.execute(insert(change_cursor).values(reader=reader, seq=seq))
