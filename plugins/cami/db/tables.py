"""All tables of the plugin's database. Migrations in ``migrations/`` make them; a test checks that both agree."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from cami.db.types import UtcDateTime

__all__ = [
    "account",
    "change_cursor",
    "delivery_item",
    "delivery_study",
    "eviction",
    "metadata",
    "quarantined_object",
    "received_instance",
    "reconciliation",
    "session",
    "study",
    "study_claim",
    "study_read",
    "upload",
]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

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
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcDateTime, comment="when to try again"),
    Column("reason", String(64), comment="code of the last failure or of the quarantine"),
    Column("received_at", UtcDateTime, nullable=False),
    Column("stored_at", UtcDateTime, comment="when the centre answered that it has stored it"),
    Column("confirmed_at", UtcDateTime, comment="when the manifest of the study agreed"),
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
)

#: When a study was last opened here (`cami.delivery.readings`); a study without a row never was.
study_read = Table(
    "study_read",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("read_at", UtcDateTime, nullable=False, comment="to the hour"),
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
)

#: Centre: which МО a Study Instance UID belongs to. The first claim stays, whatever study it is under.
study_claim = Table(
    "study_claim",
    metadata,
    Column("study_uid", String(128), primary_key=True),
    Column("owner", String(16), nullable=False, comment="code of the МО"),
    Column("claimed_at", UtcDateTime, nullable=False),
)

#: Centre: one row a study as Orthanc sees it: who owns it, how much has come (`cami.delivery.receiver`).
study = Table(
    "study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id: SHA-1 of PatientID|StudyInstanceUID"),
    Column("study_uid", String(128), ForeignKey("study_claim.study_uid"), nullable=False, index=True),
    Column("owner", String(16), nullable=False, comment="as in study_claim, at hand for queries"),
    Column("modality", String(16), nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    Column("claimed_at", UtcDateTime, nullable=False),
    Column("labelled", Boolean, nullable=False, comment="the label and the metadata are on the study in Orthanc"),
    Column("first_stored_at", UtcDateTime),
    Column("last_stored_at", UtcDateTime),
    Column("expected", Integer, comment="instances in the proxy's last manifest"),
    Column("confirmed_at", UtcDateTime, comment="when the last manifest agreed"),
    Index("ix_study_owner_claimed_at", "owner", "claimed_at"),
)

#: Centre: one row an instance that a proxy delivered.
received_instance = Table(
    "received_instance",
    metadata,
    Column("instance_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("sop_uid", String(128), nullable=False, index=True),
    Column("study_id", String(64), ForeignKey("study.study_id"), nullable=False, index=True),
    Column("sha256", String(64), nullable=False, index=True, comment="of the file as delivered"),
    Column("size", BigInteger, nullable=False),
    Column("stored_at", UtcDateTime, comment="empty until Orthanc has stored it"),
)

#: Centre: objects that come in pieces, until they are whole (`cami.delivery.uploads`); the bytes lie in a folder.
upload = Table(
    "upload",
    metadata,
    Column("mo", String(16), primary_key=True, comment="code of the МО whose proxy sends it"),
    Column("sha256", String(64), primary_key=True, comment="of the whole object, as announced"),
    Column("length", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False, comment="bytes from the beginning that are on the disk for sure"),
    Column("touched_at", UtcDateTime, nullable=False, index=True),
)

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
    Column("received_at", UtcDateTime, nullable=False),
)

#: People and machines that may sign in (`cami.access.accounts`).
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

#: Signed-in browsers (`cami.access.sessions`).
session = Table(
    "session",
    metadata,
    Column("token_hash", String(64), primary_key=True, comment="SHA-256 of the cookie"),
    Column("login", String(64), ForeignKey("account.login", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
