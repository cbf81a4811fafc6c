"""What people do to the archive themselves: jobs that they start, and studies that are to be deleted."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Whose one of Orthanc's jobs is (`cami.access.jobs`).
own_job = Table(
    "own_job",
    metadata,
    Column("job_id", String(64), primary_key=True, comment="Orthanc's"),
    Column("login", String(64), nullable=False),
    Column("study_id", String(64), nullable=False, comment="Orthanc id of the study that it is about"),
    Column("started_at", UtcDateTime, nullable=False),
    Index("ix_own_job_login_started_at", "login", "started_at"),
)

#: Studies that somebody wants deleted, and those that were: only added to, but for state and confirmations (F-56).
removal = Table(
    "removal",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("study_id", String(64), nullable=False, index=True, comment="Orthanc id"),
    Column("study_uid", String(128), nullable=False, index=True),
    Column("owner", String(16), nullable=False, comment="code of the МО"),
    Column("state", String(16), nullable=False, comment="cami.removal.states"),
    Column("reason", Text, nullable=False, comment="in a person's words"),
    Column("instances", Integer, nullable=False, comment="that were there when it was marked"),
    Column("marked_by", String(64), nullable=False),
    Column("marked_at", UtcDateTime, nullable=False),
    Column("confirmed_by_mo", String(64), nullable=False, server_default="", comment="administrator of the owner"),
    Column("confirmed_by_mo_at", UtcDateTime),
    Column("confirmed_by_region", String(64), nullable=False, server_default="", comment="region administrator"),
    Column("confirmed_by_region_at", UtcDateTime),
    Column("ended_by", String(64), nullable=False, server_default="", comment="who took it back"),
    Column("ended_at", UtcDateTime),
    Column("deleted", Integer, nullable=False, server_default="0", comment="instances that were deleted"),
    Index("ix_removal_owner_state", "owner", "state"),
)

#: Proxy: instances that people have stored by HTTP (`cami.delivery.intake`); written before they are stored.
uploaded_instance = Table(
    "uploaded_instance",
    metadata,
    Column("instance_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("login", String(64), nullable=False),
    Column("uploaded_at", UtcDateTime, nullable=False),
)
