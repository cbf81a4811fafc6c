"""What a server notes of DICOM: who has called in vain."""

from sqlalchemy import Column, Integer, String, Table

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Callers that Orthanc has refused, counted (`cami.query_retrieve.strangers`).
refused_caller = Table(
    "refused_caller",
    metadata,
    Column("aet", String(16), primary_key=True, comment="as it called itself"),
    Column("address", String(45), primary_key=True, comment="where it came from; empty: not known"),
    Column("reason", String(16), primary_key=True, comment="unknown, address, service"),
    Column("detail", String(32), nullable=False, server_default="", comment="the service that it may not use"),
    Column("count", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False, index=True),
)
