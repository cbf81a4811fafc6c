"""What people decided of objects in quarantine (`cami.quarantine`). Rows of the first two are only ever added."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Who decided what of which object, when and why; written before anything is done about it.
quarantine_decision = Table(
    "quarantine_decision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False, comment="object: of the quarantine folder; item: of the queue"),
    Column("name", String(64), nullable=False, comment="SHA-256 of an object, Orthanc id of an item"),
    Column("source", String(64), nullable=False, comment="device, or code of the МО"),
    Column("cause", String(64), nullable=False, comment="why it was in quarantine"),
    Column("study_uid", String(128), nullable=False),
    Column("sop_uid", String(128), nullable=False),
    Column("action", String(16), nullable=False, comment="resend, link, reject"),
    Column("target", String(64), nullable=False, comment="of link: same, new, or the Orthanc id of a study"),
    Column("reason", Text, nullable=False, comment="in the words of who decided; may name a patient"),
    Column("login", String(64), nullable=False),
    Column("person", String(200), nullable=False, comment="name of that account then"),
    Column("decided_at", UtcDateTime, nullable=False),
    Index("ix_quarantine_decision_kind_name", "kind", "name"),
    # Nothing that was written here may be taken for something else later.
    sqlite_autoincrement=True,
)

#: How each decision ended; one without a row is still to be carried out.
quarantine_outcome = Table(
    "quarantine_outcome",
    metadata,
    Column("decision", Integer, ForeignKey("quarantine_decision.id"), primary_key=True),
    Column("outcome", String(16), nullable=False, comment="done, refused"),
    Column("detail", String(64), nullable=False, comment="code of what came of it"),
    Column("new_sop_uid", String(128), nullable=False, server_default="", comment="of a linked instance"),
    Column("ended_at", UtcDateTime, nullable=False),
)

#: What is removed after some time, since it was decided of.
quarantine_removal = Table(
    "quarantine_removal",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("source", String(64), primary_key=True),
    Column("remove_after", UtcDateTime, nullable=False, index=True),
)
