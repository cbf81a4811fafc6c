"""The journal (`cami.audit`): its records, chained by hashes, and what is known of each chain.

Triggers of the migration refuse to change or remove a record, unless `audit_archive` says that it was put away.
"""

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: All records: this server's own and, at the centre, those of the proxies. Columns beside the content are for searches.
audit_record = Table(
    "audit_record",
    metadata,
    Column("server", String(32), primary_key=True, comment="central, proxy-42001: whose chain"),
    Column("seq", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … in the chain"),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(24), nullable=False, comment="cami.audit.Kind"),
    Column("outcome", String(16), nullable=False, comment="cami.audit.Outcome"),
    Column("actor", String(100), nullable=False, comment="login, or name of a machine; empty: a stranger"),
    Column("mo", String(16), nullable=False, comment="of the actor"),
    Column("source", String(64), nullable=False, comment="network address"),
    Column("patient", String(64), nullable=False, comment="Orthanc's key: SHA-1 of the Patient ID"),
    Column("owner", String(16), nullable=False, comment="code of the МО whose data it is"),
    Column("subject", String(200), nullable=False, comment="account, number of a grant, order, consultation"),
    Column("content", Text, nullable=False, comment="JSON; what the hash covers (cami.audit.record)"),
    Column("hash", String(64), nullable=False, comment="SHA-256 of the content"),
    Index("ix_audit_record_at", "at", "server", "seq"),
    Index("ix_audit_record_actor_at", "actor", "at"),
    Index("ix_audit_record_patient_at", "patient", "at"),
    Index("ix_audit_record_owner_at", "owner", "at"),
)

#: Which records name a study.
audit_study = Table(
    "audit_study",
    metadata,
    Column("study_uid", String(64), primary_key=True),
    Column("server", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Index("ix_audit_study_server_seq", "server", "seq"),
)

#: The end of each chain; locked by who adds to it.
audit_head = Table(
    "audit_head",
    metadata,
    Column("server", String(32), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

#: Ends of other servers' chains, as those told them: what their records are held against later.
audit_anchor = Table(
    "audit_anchor",
    metadata,
    Column("server", String(32), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
)

#: How far each chain was handed on: to the centre, to the collector of the security department.
audit_cursor = Table(
    "audit_cursor",
    metadata,
    Column("reader", String(32), primary_key=True, comment="centre, collector"),
    Column("server", String(32), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("moved_at", UtcDateTime, nullable=False),
)

#: Parts of chains that were put away in files; a chain in the table goes on after the last of them.
audit_archive = Table(
    "audit_archive",
    metadata,
    Column("server", String(32), primary_key=True),
    Column("last_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_hash", String(64), nullable=False),
    Column("file", String(200), nullable=False, comment="name within the folder of the journal"),
    Column("sha256", String(64), nullable=False, comment="of the file"),
    Column("archived_at", UtcDateTime, nullable=False),
)

#: Centre: where a proxy that was restored from a backup has begun to write its chain anew (`cami.audit.gathering`).
audit_branch = Table(
    "audit_branch",
    metadata,
    Column("server", String(32), primary_key=True, comment="proxy-42001+2: the chain of the records that came after"),
    Column("seq", BigInteger, nullable=False, comment="of the last record that both have; 0: none"),
    Column("hash", String(64), nullable=False, comment="of that record"),
    Column("began_at", UtcDateTime, nullable=False),
)
