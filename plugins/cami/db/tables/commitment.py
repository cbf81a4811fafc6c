"""What devices asked of a proxy and have not been told yet."""

from sqlalchemy import Column, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Proxy: questions of devices for storage commitment, until the device has the report (`cami.delivery.commitments`).
commitment_request = Table(
    "commitment_request",
    metadata,
    Column("request", Integer, primary_key=True, autoincrement=True),
    Column("transaction_uid", String(64), nullable=False),
    Column("aet", String(16), nullable=False, comment="of the device"),
    Column("job", String(64), nullable=False, unique=True, comment="Orthanc's job that sends the report"),
    Column("items", Text, nullable=False, comment="JSON: pairs of SOP Class UID and SOP Instance UID"),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("state", String(16), nullable=False, comment="open, reported, given-up", index=True),
    Column("attempts", Integer, nullable=False, server_default="0", comment="to report again"),
    Column("next_at", UtcDateTime, nullable=False, comment="when to look at it or to report again"),
    Column("ended_at", UtcDateTime, comment="when it was reported or given up"),
)
