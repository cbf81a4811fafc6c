"""Objects that were accepted but must not be joined to the archive, at proxy and centre."""

from sqlalchemy import BigInteger, Column, String, Table

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Objects that were accepted but must not be joined to the archive; the bytes lie in the quarantine folder.
quarantined_object = Table(
    "quarantined_object",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("source", String(64), primary_key=True, comment="AE title of the device, or code of the МО"),
    Column("reason", String(64), nullable=False),
    Column("sop_uid", String(128), nullable=False),
    Column("study_uid", String(128), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("received_at", UtcDateTime, nullable=False, index=True),
    Column("state", String(16), nullable=False, server_default="open", comment="open, settled, rejected, removed"),
)
