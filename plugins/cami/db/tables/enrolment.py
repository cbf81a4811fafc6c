"""How proxies become known to the centre (`cami.enrolment`): codes to join with, keys, certificates, test studies."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Centre: a code with which one proxy may join, once. The code itself is nowhere.
join_code = Table(
    "join_code",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("mo", String(16), nullable=False, index=True),
    Column("code_hash", String(64), nullable=False, unique=True, comment="SHA-256 of its secret part"),
    Column("made_at", UtcDateTime, nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="used, or taken back"),
    Column("used_kid", String(16), comment="the key that joined with it; empty if it was taken back"),
)

#: Centre: keys that have joined or were renewed, beside those that lie in the folder of keys.
proxy_key = Table(
    "proxy_key",
    metadata,
    Column("kid", String(16), primary_key=True, comment="name of the key: RFC 7515 kid"),
    Column("mo", String(16), nullable=False),
    Column("public_key", Text, nullable=False, comment="PEM; empty for a key of the folder that was revoked"),
    Column("certificate", Text, nullable=False, comment="PEM"),
    Column("certificate_sha256", String(64), nullable=False),
    Column("cause", String(16), nullable=False, comment="join, renewal, folder"),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="revoked, or followed by another"),
    Column("ended_by", String(64), nullable=False, server_default=""),
    Column("ended_why", String(200), nullable=False, server_default=""),
    Index("ix_proxy_key_mo_issued_at", "mo", "issued_at"),
)

#: Centre: a study of a self-test; it may be removed by the proxy that has announced it, and by nobody asked an hour
#: later.
trial_study = Table(
    "trial_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("mo", String(16), nullable=False),
    Column("began_at", UtcDateTime, nullable=False, index=True),
)
