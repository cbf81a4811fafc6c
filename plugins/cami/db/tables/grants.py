"""Who else than its owner may see a study, why, until when (`cami.access.grants`)."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

_OPEN = text("ended_at IS NULL")

#: Centre: one row a grant. Rows are ended, never removed: who could see a study, and why, is asked years later.
study_grant = Table(
    "study_grant",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True, comment="never given twice: labels carry it"),
    Column("study_uid", String(128), nullable=False, comment="the study may come later than the grant"),
    Column("owner", String(16), nullable=False, comment="code of the МО whose study it is"),
    Column("mo", String(16), nullable=False, server_default="", comment="to whom: code of an МО"),
    Column("login", String(64), nullable=False, server_default="", comment="to whom: one person"),
    Column("cause", String(16), nullable=False, comment="cami.access.grants.Cause"),
    Column("reference", String(200), nullable=False, server_default="", comment="consultation, order, rule …"),
    Column("reason", Text, nullable=False, server_default="", comment="in the words of who gave it"),
    Column("given_by", String(64), nullable=False, comment="login, or the part of the system"),
    Column("given_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, comment="empty: until it is ended"),
    Column("ended_at", UtcDateTime, comment="when it was taken back, or when its time was found to be over"),
    Column("ended_by", String(64)),
    Column("ended_why", Text),
    Column("labelled", Boolean, nullable=False, comment="the label is on the study in Orthanc"),
    Column("reviewed_at", UtcDateTime, comment="when the owner's administrator took note of an emergency access"),
    Column("reviewed_by", String(64)),
    Index("ix_study_grant_mo", "mo", "owner", "study_uid", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_study_grant_login", "login", "owner", "study_uid", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_study_grant_until", "until", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_study_grant_study", "study_uid", "owner"),
    Index("ix_study_grant_reference", "cause", "reference"),
    Index("ix_study_grant_owner", "owner", "given_at"),
    Index("ix_study_grant_given_to", "mo", "given_at"),
    sqlite_autoincrement=True,
)
