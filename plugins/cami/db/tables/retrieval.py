"""What is brought to where somebody needs it (`cami.retrieval`): announced, awaited, fetched back, scheduled."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, false

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime


def _list_columns() -> list[Column[Any]]:
    """Return the columns that a list of studies shows, as Orthanc gives them (UTF-8)."""
    texts = ("patient_name", "patient_id", "accession", "modalities", "description")
    short = ("patient_birth_date", "patient_sex", "study_date", "study_time", "device")
    return [
        *(Column(name, Text, nullable=False, server_default="") for name in texts),
        *(Column(name, String(32), nullable=False, server_default="") for name in short),
    ]


#: Centre: studies that a proxy has and of which nothing has come yet. The row goes when the first image is stored.
announced_study = Table(
    "announced_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("owner", String(16), primary_key=True, comment="code of the МО whose proxy says so"),
    Column("study_uid", String(128), nullable=False, index=True),
    *_list_columns(),
    Column("instances", Integer, nullable=False, comment="at the proxy so far"),
    Column("size", BigInteger, nullable=False, comment="bytes of these"),
    Column("first_received_at", UtcDateTime, nullable=False, comment="by the proxy's clock"),
    Column("announced_at", UtcDateTime, nullable=False),
    Index("ix_announced_study_owner_study_date", "owner", "study_date"),
    Index("ix_announced_study_owner_patient_id", "owner", "patient_id"),
)

#: Centre: who waits for a study that is not whole here; the row goes when the waiting ends.
awaited_study = Table(
    "awaited_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("cause", String(32), primary_key=True, comment="cami.retrieval.awaiting.Cause"),
    Column("waiting", String(64), primary_key=True, comment="login, or the consultation's number"),
    Column("mo", String(16), nullable=False, comment="code of the МО that has it"),
    Column("study_uid", String(128), nullable=False),
    Column("errand", Integer, ForeignKey("errand.id", ondelete="SET NULL"), comment="what was asked of the proxy"),
    Column("began_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, index=True, comment="when it ends by itself; empty: when the study is whole"),
    Column("beats", Boolean, nullable=False, server_default=false(), comment="the viewer tells that it is still open"),
)

#: Proxy: every study that came in here, as a list shows it, whether its images are still here or not.
known_study = Table(
    "known_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("study_uid", String(128), nullable=False, index=True),
    Column("patient", String(64), nullable=False, index=True, comment="Orthanc id: SHA-1 of the Patient ID"),
    Column("issuer", Text, nullable=False, server_default="", comment="Issuer of Patient ID (0010,0021)"),
    Column("body_parts", Text, nullable=False, server_default="", comment="Body Part Examined, by backslashes"),
    *_list_columns(),
    Column("seen_at", UtcDateTime, nullable=False, comment="when its first image was noticed"),
    Column("announced", Integer, comment="instances that the centre was told of; empty: not told yet"),
    Column("announced_at", UtcDateTime),
    Column("told_all_at", UtcDateTime, index=True, comment="no more to tell until something new comes in"),
    Index("ix_known_study_study_date", "study_date"),
)

#: Proxy: the series of studies that have left it, as they were when they left.
known_series = Table(
    "known_series",
    metadata,
    Column("series_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("study_id", String(64), nullable=False, index=True, comment="Orthanc id"),
    Column("attributes", Text, nullable=False, comment="JSON: keyword → value"),
)

#: Proxy: studies that the centre has had raised, and the class that they had before.
raised_study = Table(
    "raised_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("before", Integer, nullable=False, comment="cami.delivery.order.Priority"),
    Column("raised_at", UtcDateTime, nullable=False),
)

#: Proxy: studies that come back from the centre; what is still to come of one are its rows that say evicted.
fetch = Table(
    "fetch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("study_id", String(64), nullable=False, comment="Orthanc id"),
    Column("priority", Integer, nullable=False, comment="cami.delivery.order.Priority"),
    Column("cause", String(32), nullable=False, comment="asked, viewer, arrival, schedule"),
    Column("asked_by", String(64), nullable=False, comment="login, or the part of the system"),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("total", Integer, comment="instances of the study at the centre; empty until it has told"),
    Column("attempts", Integer, nullable=False, server_default="0", comment="in a row that came to nothing"),
    Column("not_before", UtcDateTime, comment="when to try again"),
    Column("ended_at", UtcDateTime, comment="empty while it is under way"),
    Column("reason", String(64), comment="why it ended without the study being here"),
    Column("keep_until", UtcDateTime, nullable=False, comment="until then retention leaves the study alone"),
    Index("ix_fetch_study_id", "study_id", "ended_at"),
    Index("ix_fetch_ended_at", "ended_at", "priority"),
)

#: Proxy: studies that retention leaves alone for a time, whatever room is wanted (`cami.delivery.holdings`).
kept_study = Table(
    "kept_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("until", UtcDateTime, nullable=False, index=True),
)

#: Proxy: patients who are expected or have come, for whom to look for earlier studies at the centre.
schedule = Table(
    "schedule",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("patient", String(64), nullable=False, comment="Orthanc id: SHA-1 of the Patient ID"),
    Column("issuer", Text, nullable=False, server_default="", comment="Issuer of Patient ID (0010,0021)"),
    Column("study_id", String(64), nullable=False, server_default="", comment="Orthanc id of the study that came in"),
    Column("modality", String(16), nullable=False, server_default="", comment="of the study to come"),
    Column("body_part", String(64), nullable=False, server_default=""),
    Column("cause", String(32), nullable=False, comment="schedule, arrival"),
    Column("asked_by", String(64), nullable=False, comment="login, or the part of the system"),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False, comment="when to look"),
    Column("keep_until", UtcDateTime, nullable=False, comment="the end of the visit"),
    Column("done_at", UtcDateTime, comment="when the centre was asked"),
    Column("found", Integer, comment="studies that are fetched"),
    Index("ix_schedule_due", "done_at", "due_at"),
    Index("ix_schedule_patient", "patient", "done_at"),
)
