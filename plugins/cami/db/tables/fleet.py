"""How the proxies are, as the centre knows it (`cami.fleet`): their last word, the verdict on it, alarms."""

from sqlalchemy import Column, Index, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Centre: the last heartbeat of each proxy.
heartbeat = Table(
    "heartbeat",
    metadata,
    Column("mo", String(16), primary_key=True),
    Column("received_at", UtcDateTime, nullable=False),
    Column("document", Text, nullable=False, comment="JSON, cami.fleet.vitals"),
)

#: Centre: what is wrong with a proxy now, a row for each reason. It goes when the reason has been gone for a while.
fleet_trouble = Table(
    "fleet_trouble",
    metadata,
    Column("mo", String(16), primary_key=True),
    Column("reason", String(32), primary_key=True, comment="code of cami.fleet.judgement"),
    Column("level", String(8), nullable=False, comment="yellow or red"),
    Column("detail", String(200), nullable=False, server_default="", comment="figures and codes; no patient"),
    Column("since", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False, comment="when it was found last"),
    Column("raised_at", UtcDateTime, comment="when it had lasted long enough to be an alarm"),
)

#: Centre: alarms to be told, by mail and webhook; the row goes when it is told.
alarm_notice = Table(
    "alarm_notice",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("channel", String(8), nullable=False, comment="mail or webhook"),
    Column("document", Text, nullable=False, comment="JSON: mo, reason, level, detail, state, at"),
    Column("made_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Index("ix_alarm_notice_due_at", "due_at"),
)
