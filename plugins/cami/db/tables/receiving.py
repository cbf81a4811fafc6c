"""What the centre has received, under which owner, and what of it is still in pieces."""

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

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
    Column("expected", Integer, comment="instances by the proxy's last manifest, before it as announced"),
    Column("confirmed_at", UtcDateTime, comment="when the last manifest agreed"),
    Column(
        "stored_bytes", BigInteger, nullable=False, server_default="0", comment="of its stored objects, as delivered"
    ),
    Column("lag_seconds", Float, comment="from the device to the centre, the slowest image, by the proxy's clock"),
    Index("ix_study_owner_claimed_at", "owner", "claimed_at"),
    Index("ix_study_claimed_at", "claimed_at"),
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
    Column(
        "uploaded_by",
        String(64),
        nullable=False,
        server_default="",
        comment="login, if a person sent it; no proxy has it",
    ),
    Column("uploaded_at", UtcDateTime, comment="when that was, as its coercion says"),
)

#: Centre: parts of objects that are not whole yet (`cami.delivery.uploads`); the bytes of an object lie in one file.
upload = Table(
    "upload",
    metadata,
    Column("mo", String(16), primary_key=True, comment="code of the МО whose proxy sends it"),
    Column("sha256", String(64), primary_key=True, comment="of the whole object, as announced"),
    Column("start", BigInteger, primary_key=True, autoincrement=False, comment="where the part begins in the object"),
    Column("length", BigInteger, nullable=False, comment="of the part"),
    Column("size", BigInteger, nullable=False, comment="of the whole object"),
    Column("received", BigInteger, nullable=False, comment="bytes from its beginning that are on the disk for sure"),
    Column("touched_at", UtcDateTime, nullable=False, index=True),
)
