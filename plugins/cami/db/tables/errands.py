"""What the centre wants of the proxies (`cami.errands`)."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Centre: one row an errand; it is open until the proxy has answered with an outcome.
errand = Table(
    "errand",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mo", String(16), nullable=False, comment="code of the МО whose proxy is to run it"),
    Column("kind", String(32), nullable=False, comment="raise, lower, send …: see cami.errands.errand.Kind"),
    Column("study_id", String(64), nullable=False, server_default="", comment="Orthanc id; empty: no study"),
    Column("study_uid", String(128), nullable=False, server_default=""),
    Column("priority", Integer, nullable=False, comment="cami.delivery.order.Priority"),
    Column("cause", String(32), nullable=False, comment="request, viewer, consultation …"),
    Column("details", Text, nullable=False, server_default="{}", comment="JSON, by kind; names no patient"),
    Column("asked_by", String(64), nullable=False, comment="login, or the part of the system"),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("taken_at", UtcDateTime, comment="when it was first handed to the proxy"),
    Column("done_at", UtcDateTime, comment="when the proxy answered; empty: open"),
    Column("outcome", String(16), comment="done, unknown, refused, unsupported"),
    Column("reason", String(64), comment="code of what stood in the way"),
    Index("ix_errand_open", "done_at", "mo", "id"),
    Index("ix_errand_study_id", "study_id", "id"),
    sqlite_autoincrement=True,  # a number is never given twice: proxies remember numbers
)
