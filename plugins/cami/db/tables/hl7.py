"""HL7 v2 (`cami.hl7v2`): messages that were not carried out."""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Messages that were refused, as they came, until somebody has dealt with them. They name patients.
hl7_refused = Table(
    "hl7_refused",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("system", String(64), nullable=False, comment="name in the registry; empty: nobody of it"),
    Column("address", String(45), nullable=False),
    Column("certificate", String(64), nullable=False, server_default="", comment="SHA-256 of what was shown"),
    Column("kind", String(16), nullable=False, comment="OMI^O23; empty: it could not be read"),
    Column("control", String(64), nullable=False, comment="MSH-10"),
    Column("verdict", String(2), nullable=False, comment="AE, AR"),
    Column("reasons", String(400), nullable=False, comment="codes with segments: CAMI-0012 PID-3"),
    Column("digest", String(64), nullable=False, comment="SHA-256 of the message"),
    Column("message", LargeBinary, nullable=False, comment="empty once it is dealt with"),
    Column("state", String(16), nullable=False, comment="open, done, dismissed"),
    Column("times", Integer, nullable=False, comment="how often it has come"),
    Column("received_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("ended_by", String(64), nullable=False, server_default=""),
    Index("ix_hl7_refused_state", "state", "number"),
    Index("ix_hl7_refused_same", "system", "control", "state"),
    sqlite_autoincrement=True,
)
