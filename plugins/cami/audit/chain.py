"""Appending to a chain, and reading it: the table ``audit_record`` with what belongs to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cami.audit.event import AuditEvent
from cami.audit.record import GENESIS, Record
from cami.db.tables import audit_head, audit_record, audit_study

PAGE = 1000
# Written out once: SQLAlchemy spends more on making a statement than a database on carrying it out.
_LOCK = select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.server == bindparam("of")).with_for_update()
_MOVE = update(audit_head).where(audit_head.c.server == bindparam("of"))
_MOVE = _MOVE.values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
_INSERT = insert(audit_record)


#: Between the name of a server and the number of a branch of its chain: ``proxy-42001+2``.
BRANCH = "+"


def server_of(chain: str) -> str:
    """Return whose chain it is: the server that its records name, also if it is a branch."""
    return chain.partition(BRANCH)[0]


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    server: str
    seq: int = 0
    hash: str = GENESIS


def append(connection: Connection, server: str, events: Sequence[AuditEvent], at: datetime) -> Sequence[Record]:
    """Add events, which must be `cleaned`, to a server's chain in the caller's transaction.

    The row of the head is locked (SQLite: the whole database is, since the transaction began), so that writers and
    replicas follow each other; whoever waits for it must not hold what the other wants: audit last.
    """
    head = lock_head(connection, server)
    records: list[Record] = []
    for event in events:
        record = Record.make(server, head.seq + 1, at, event, head.hash)
        head = Head(server, record.seq, record.hash)
        records.append(record)
    put(connection, records, head)
    return records


def lock_head(connection: Connection, server: str) -> Head:
    """Return the end of a chain and keep others from adding to it until the transaction ends."""
    row = connection.execute(_LOCK, {"of": server}).first()
    if row is None:
        # Of two who begin a chain at once, one writes the row and the other waits for it.
        begun = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        values = {"server": server, "seq": 0, "hash": GENESIS}
        connection.execute(begun(audit_head).values(values).on_conflict_do_nothing())
        row = connection.execute(_LOCK, {"of": server}).one()
    return Head(server, row.seq, row.hash)


def put(connection: Connection, records: Sequence[Record], head: Head) -> None:
    """Write records that follow each other into the chain of the end that they make."""
    if not records:
        return
    connection.execute(_INSERT, [_row(head.server, record) for record in records])
    studies = [
        {"study_uid": uid, "server": head.server, "seq": record.seq}
        for record in records
        for uid in record.event.studies
    ]
    if studies:
        connection.execute(insert(audit_study), studies)
    connection.execute(_MOVE, {"of": head.server, "new_seq": head.seq, "new_hash": head.hash})


def contents(connection: Connection, server: str, after: int, limit: int = PAGE) -> list[str]:
    """Return the contents of the records after number `after`, in order."""
    query = (
        select(audit_record.c.content)
        .where(audit_record.c.server == server, audit_record.c.seq > after)
        .order_by(audit_record.c.seq)
        .limit(limit)
    )
    return list(connection.scalars(query))


def servers(connection: Connection) -> list[str]:
    """Return whose chains there are."""
    return list(connection.scalars(select(audit_head.c.server).order_by(audit_head.c.server)))


def head_of(connection: Connection, server: str) -> Head:
    """Return the end of a chain as it is noted; the beginning of one that is not there."""
    row = connection.execute(select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.server == server)).first()
    return Head(server) if row is None else Head(server, row.seq, row.hash)


def columns(record: Record) -> Iterator[tuple[str, object]]:
    """Yield what stands in the columns for searches: the same that the content says."""
    event = record.event
    yield "at", record.at
    yield "kind", str(event.kind)
    yield "outcome", str(event.outcome)
    for name in ("actor", "mo", "source", "patient", "owner", "subject"):
        yield name, getattr(event, name)


def _row(chain: str, record: Record) -> dict[str, object]:
    return {
        "server": chain,
        "seq": record.seq,
        **dict(columns(record)),
        "content": record.content,
        "hash": record.hash,
    }
