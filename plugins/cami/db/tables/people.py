"""Who may sign in, and who has."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: People and machines that may sign in (`cami.people.accounts`).
account = Table(
    "account",
    metadata,
    Column("login", String(64), primary_key=True, comment="lower case"),
    Column("name", String(200), nullable=False),
    Column("role", String(32), nullable=False),
    Column("mo", String(16), nullable=False, server_default="", comment="empty: of the region"),
    Column("password_hash", Text, nullable=False, comment="argon2id"),
    Column("disabled", Boolean, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0", comment="wrong passwords in a row"),
    Column("locked_until", UtcDateTime),
    Column("changed_at", UtcDateTime, nullable=False),
)

#: Signed-in browsers (`cami.people.sessions`).
session = Table(
    "session",
    metadata,
    Column("token_hash", String(64), primary_key=True, comment="SHA-256 of the cookie"),
    Column("login", String(64), ForeignKey("account.login", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
