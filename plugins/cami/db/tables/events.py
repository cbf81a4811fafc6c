"""What happened, in order, for those who act on it later (`cami.events`)."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Transactional outbox: a row is written in the transaction of the change that it tells of.
event = Table(
    "event",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(64), nullable=False, comment="order.accepted, study.available …: see cami.events"),
    Column("key", String(128), nullable=False, comment="patient key or Study UID: events of one key stay in order"),
    Column("payload", Text, nullable=False, comment="JSON: ids, codes, states; names no patient"),
    Column("happened_at", UtcDateTime, nullable=False),
    Index("ix_event_kind", "kind", "number"),
    sqlite_autoincrement=True,  # a number is never given twice: consumers remember numbers
)

#: How far each consumer has read; moved in the transaction that keeps what came of the events.
event_cursor = Table(
    "event_cursor",
    metadata,
    Column("consumer", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False, comment="of the last event that was dealt with"),
    Column("moved_at", UtcDateTime, nullable=False),
)
