"""What a proxy has to send and what it keeps: its queue, retention and comparisons with the centre."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: How far a reader of Orthanc's change log has come. The row moves in the transaction that writes what was read.
change_cursor = Table(
    "change_cursor",
    metadata,
    Column("reader", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

#: Proxy: what has to reach the centre, one row an instance (`cami.delivery.queue`).
delivery_item = Table(
    "delivery_item",
    metadata,
    Column("instance_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("study_id", String(64), nullable=False, comment="Orthanc id"),
    Column("study_uid", String(128), nullable=False),
    Column("sop_uid", String(128), nullable=False, index=True),
    Column("modality", String(16), nullable=False),
    Column("description", Text, nullable=False, comment="Study Description; may name no patient by DICOM's rules"),
    Column("size", BigInteger, nullable=False, comment="bytes of the stored file"),
    Column("seq", BigInteger, nullable=False, comment="place in Orthanc's change log"),
    Column("state", String(16), nullable=False),
    Column("sha256", String(64), comment="of the bytes as sent"),
    Column("source_sha256", String(64), comment="of the file that these were made from: coerced, compressed"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcDateTime, comment="when to try again"),
    Column("reason", String(64), comment="code of the last failure or of the quarantine"),
    Column("received_at", UtcDateTime, nullable=False),
    Column("stored_at", UtcDateTime, comment="when the centre answered that it has stored it"),
    Column("confirmed_at", UtcDateTime, comment="when the manifest of the study agreed"),
    Column("lag_seconds", Float, comment="from received_at to stored_at"),
    Column("lane", Integer, nullable=False, server_default="2", comment="0 and 1 go before all others"),
    Column("turn", Float, nullable=False, server_default="0", comment="order within the lane (cami.delivery.order)"),
    Index("ix_delivery_item_state_lane_turn", "state", "lane", "turn"),
    Index("ix_delivery_item_study_id_state", "study_id", "state"),
)

#: Proxy: the class of each study in the queue, and what its instances' turns are reckoned from.
delivery_study = Table(
    "delivery_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("priority", Integer, nullable=False, comment="cami.delivery.order.Priority"),
    Column("began_at", Float, nullable=False, comment="seconds since the epoch: arrival of the first instance"),
    Column("leading_bytes", BigInteger, nullable=False, comment="arrived so far, by cami.delivery.order.Part"),
    Column("main_bytes", BigInteger, nullable=False),
    Column("thin_bytes", BigInteger, nullable=False),
    Index("ix_delivery_study_began_at", "began_at", "study_id"),
)

#: When a study was last opened here (`cami.delivery.readings`); a study without a row never was.
study_read = Table(
    "study_read",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("read_at", UtcDateTime, nullable=False, index=True, comment="to the hour"),
)

#: Proxy: studies that are being deleted just now; what a crash leaves is finished (`cami.delivery.retention`).
eviction = Table(
    "eviction",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("began_at", UtcDateTime, nullable=False),
)

#: Proxy: comparisons of the whole proxy with the centre (`cami.delivery.reconciliation`); counts are instances.
reconciliation = Table(
    "reconciliation",
    metadata,
    Column("run", Integer, primary_key=True, autoincrement=True),
    Column("cause", String(16), nullable=False, comment="nightly, asked; first: the day this proxy began"),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="empty while it runs"),
    Column("studies", Integer, nullable=False, server_default="0", comment="studies compared"),
    Column("instances", Integer, nullable=False, server_default="0", comment="in the local archive"),
    Column("unknown", Integer, nullable=False, server_default="0", comment="to the queue; queued"),
    Column("missing", Integer, nullable=False, server_default="0", comment="at the centre; queued again"),
    Column("different", Integer, nullable=False, server_default="0", comment="other content at the centre; set apart"),
    Column("lost", Integer, nullable=False, server_default="0", comment="neither here nor at the centre"),
    Column("absent", Integer, nullable=False, server_default="0", comment="at the centre, gone from here unevicted"),
    Column("reported_at", UtcDateTime, comment="when the centre was told how it ended"),
)
