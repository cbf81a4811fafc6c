"""Who else than its owner may see a study, why, until when; and where such studies are kept meanwhile."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

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

#: Proxy: studies of other МО that are granted to this one and are kept here meanwhile (`cami.sharing.guests`).
guest_study = Table(
    "guest_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("study_uid", String(128), nullable=False),
    Column("owner", String(16), nullable=False, comment="code of the МО whose study it is"),
    Column("grant_number", Integer, nullable=False, comment="the newest that the centre has told of"),
    Column("until", UtcDateTime, comment="empty: until the centre says that it has ended"),
    Column("heard_at", UtcDateTime, nullable=False, comment="when the centre last said that it still holds"),
    Column("instances", Integer, comment="how many the centre had when it was last asked for them; empty: not asked"),
    Column("whole_at", UtcDateTime, comment="when all of these were here"),
    Column("ended_at", UtcDateTime, comment="nobody sees it any more; its images are being removed"),
    Column("not_before", UtcDateTime, comment="when to try again"),
)

#: Proxy: the images of these studies, entered before they are stored here: they are nothing for delivery.
guest_instance = Table(
    "guest_instance",
    metadata,
    Column("instance_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("study_id", String(64), nullable=False, index=True),
    Column("sha256", String(64), nullable=False, comment="of the file at the centre"),
    Column("size", BigInteger, nullable=False),
    Column("stored_at", UtcDateTime, comment="when it was stored here"),
)
