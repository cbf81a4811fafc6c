"""What the МИС and we have said to each other (`cami.mis`). At the centre."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Bearer tokens (OAuth 2 client credentials); the token itself is nowhere.
mis_token = Table(
    "mis_token",
    metadata,
    Column("token_hash", String(64), primary_key=True, comment="SHA-256"),
    Column("client", String(64), ForeignKey("account.login", ondelete="CASCADE"), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

#: Resources as the МИС sent them, the newest version of each.
mis_resource = Table(
    "mis_resource",
    metadata,
    Column("type", String(32), primary_key=True, comment="ServiceRequest, Practitioner …"),
    Column("id", String(64), primary_key=True, comment="ours"),
    Column("version", Integer, nullable=False),
    Column("content", Text, nullable=False, comment="JSON"),
    Column("patient", String(36), nullable=False, server_default="", comment="key, of what is about one"),
    Column("client", String(64), nullable=False, comment="who sent it last"),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_mis_resource_updated", "type", "updated_at", "id"),
    Index("ix_mis_resource_patient", "type", "patient"),
)

#: Versions before the newest: a corrected report does not take the earlier one away.
mis_former_resource = Table(
    "mis_former_resource",
    metadata,
    Column("type", String(32), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
    Column("client", String(64), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

#: By what the МИС finds its resources again.
mis_resource_identifier = Table(
    "mis_resource_identifier",
    metadata,
    Column("type", String(32), primary_key=True),
    Column("system", String(200), primary_key=True),
    Column("value", String(128), primary_key=True),
    Column("id", String(64), primary_key=True),
)

#: Answers to requests with an Idempotency-Key, kept for some days.
mis_answer = Table(
    "mis_answer",
    metadata,
    Column("client", String(64), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("request_hash", String(64), nullable=False, comment="SHA-256 of method, path and body"),
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False, comment="JSON"),
    Column("body", LargeBinary, nullable=False),
    Column("answered_at", UtcDateTime, nullable=False, index=True),
)

#: Who wants to be told of what, and where.
mis_subscription = Table(
    "mis_subscription",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("client", String(64), nullable=False),
    Column("status", String(16), nullable=False, comment="active, off"),
    Column("resource", String(32), nullable=False, comment="Task, ImagingStudy, DiagnosticReport"),
    Column("mo", String(16), nullable=False, server_default="", comment="only of what this МО ordered or made"),
    Column("channel", String(16), nullable=False, comment="rest-hook, or message for one who asks by himself"),
    Column("endpoint", String(500), nullable=False, server_default=""),
    Column("headers", Text, nullable=False, server_default="[]", comment="JSON: header lines, with secrets"),
    Column("ends_at", UtcDateTime),
    Column("content", Text, nullable=False, comment="JSON: as the МИС sent it"),
    Column("version", Integer, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("rests_until", UtcDateTime, comment="the other side does not answer"),
    Column("failures", Integer, nullable=False, server_default="0", comment="in a row"),
    Column("reason", String(64), nullable=False, server_default="", comment="code of the last failure"),
    Column("succeeded_at", UtcDateTime),
)

#: What is to be told to whom: in order for each key, until it is acknowledged or parked.
mis_message = Table(
    "mis_message",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("subscription", String(64), ForeignKey("mis_subscription.id"), nullable=False),
    Column("event", Integer, nullable=False, comment="of the table event"),
    Column("event_id", String(36), nullable=False, comment="X-Event-Id: the same however often it is sent"),
    Column("key", String(128), nullable=False, comment="patient, or study: these stay in order"),
    Column("kind", String(64), nullable=False, comment="of the event"),
    Column("about", String(100), nullable=False, comment="Task/t-12, ImagingStudy/…"),
    Column("body", Text, nullable=False, comment="JSON that is sent; empty once it is delivered"),
    Column("state", String(16), nullable=False, comment="queued, delivered, parked, cancelled, kept"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("give_up_at", UtcDateTime, nullable=False),
    Column("leased_by", String(64), nullable=False, server_default=""),
    Column("leased_until", UtcDateTime),
    Column("done_at", UtcDateTime),
    Column("reason", String(64), nullable=False, server_default="", comment="code of the last failure"),
    UniqueConstraint("subscription", "event", "about"),
    Index("ix_mis_message_heads", "subscription", "state", "key", "number"),
    Index("ix_mis_message_due", "subscription", "state", "number"),
    sqlite_autoincrement=True,
)

#: Studies of orders of which the МИС was told, and what.
mis_study = Table(
    "mis_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("order_number", Integer, ForeignKey("imaging_order.number"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("status", String(16), nullable=False, comment="registered, available"),
    Column("instances", Integer, nullable=False),
    Column("told_at", UtcDateTime, nullable=False),
)

#: Codes for one launch of the viewer.
mis_launch = Table(
    "mis_launch",
    metadata,
    Column("code_hash", String(64), primary_key=True, comment="SHA-256"),
    Column("client", String(64), nullable=False),
    Column("login", String(64), nullable=False, comment="of the session to be: one launch, one login"),
    Column("name", String(200), nullable=False, server_default="", comment="of the doctor"),
    Column("mo", String(16), nullable=False),
    Column("studies", Text, nullable=False, comment="JSON: Study Instance UIDs that may be seen"),
    Column("first", String(64), nullable=False, comment="Study Instance UID that opens"),
    Column("purpose", String(32), nullable=False, server_default=""),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("used_at", UtcDateTime),
    Column("with_priors", Boolean, nullable=False, server_default="0"),
)

#: Sessions that a launch has opened; what they see are grants to their login.
mis_guest = Table(
    "mis_guest",
    metadata,
    Column("token_hash", String(64), primary_key=True, comment="SHA-256 of the cookie"),
    Column("login", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False, index=True),
)

#: Consultations that a МИС has asked for: its Task, and the request that came of it.
mis_consultation = Table(
    "mis_consultation",
    metadata,
    Column("number", Integer, ForeignKey("consultation.number"), primary_key=True, autoincrement=False),
    Column("client", String(64), nullable=False),
    Column("task", String(64), nullable=False, unique=True, comment="id of the Task"),
    Column("request", String(100), nullable=False, server_default="", comment="address of the ServiceRequest"),
    Column("patient", String(36), nullable=False, comment="key"),
)

#: Numbers of what a client has signed and may be used once: assertions, links of launches.
mis_signed_once = Table(
    "mis_signed_once",
    metadata,
    Column("client", String(64), primary_key=True),
    Column("jti", String(128), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
