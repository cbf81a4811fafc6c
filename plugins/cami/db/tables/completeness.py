"""What was sent against what is stored: contents, damage, rereading, and the reports of the proxies."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, String, Table, Text

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Proxy: what an instance held before it was made ready for the line (`cami.delivery.content`).
sent_content = Table(
    "sent_content",
    metadata,
    Column("instance_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("series_id", String(64), nullable=False, comment="Orthanc id"),
    Column("pixels", String(80), comment="digest of the pixel data; empty: it cannot be told"),
    Column("verified_at", UtcDateTime, comment="when the centre said that it stores the same pixels"),
)

#: Centre: what each stored object holds, whatever it is encoded in (`cami.delivery.contents`).
stored_content = Table(
    "stored_content",
    metadata,
    Column("instance_id", String(64), ForeignKey("received_instance.instance_id"), primary_key=True),
    Column("series_id", String(64), nullable=False, index=True, comment="Orthanc id"),
    Column("dataset", String(64), comment="SHA-256 of all attributes but pixels; empty: it cannot be told"),
    Column("native", String(64), comment="SHA-256 of the uncompressed pixel data; empty: there is none"),
    Column("encapsulated", String(64), comment="SHA-256 of the compressed fragments; empty: there are none"),
    Column("read_at", UtcDateTime, index=True, comment="when the above were read from the disk; empty: not yet"),
    Column("claimed", String(80), comment="digest of the pixel data by the proxy"),
    Column("agrees", Boolean, comment="whether claimed and stored pixels are the same; empty: not compared"),
)

#: Centre: the counts of each study, so that a report over months need not count instances (`cami.watch.completeness`).
study_completeness = Table(
    "study_completeness",
    metadata,
    Column("study_id", String(64), ForeignKey("study.study_id"), primary_key=True),
    Column("series", Integer, nullable=False, server_default="0", comment="of which something is stored"),
    Column("instances", Integer, nullable=False, server_default="0", comment="stored"),
    Column("expected_series", Integer, comment="by the proxy's last manifest; empty: it did not say"),
    Column("pixels_same", Integer, nullable=False, server_default="0", comment="instances, by the last manifest"),
    Column("pixels_other", Integer, nullable=False, server_default="0"),
    Column("manifest_at", UtcDateTime, comment="when the last manifest came"),
)

#: Centre: stored files that were found damaged or gone, and what became of them (`cami.delivery.damage`).
file_damage = Table(
    "file_damage",
    metadata,
    Column("instance_id", String(64), ForeignKey("received_instance.instance_id"), primary_key=True),
    Column("study_id", String(64), ForeignKey("study.study_id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False, comment="damaged, missing"),
    Column("found_at", UtcDateTime, nullable=False),
    Column("replacing_at", UtcDateTime, comment="when replacing it began; empty once it has ended"),
    Column("marks", Text, comment="JSON: labels and metadata of the study, while it is being replaced"),
    Column("kept_as", String(64), comment="SHA-256 of the damaged bytes in the quarantine"),
    Column("repaired_at", UtcDateTime, index=True, comment="when a whole file stood in its place; empty: not yet"),
)

#: Centre: rounds of rereading all stored files from the disk (`cami.delivery.scrub`).
scrub_round = Table(
    "scrub_round",
    metadata,
    Column("round", Integer, primary_key=True, autoincrement=True),
    Column("began_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="empty while it runs"),
    Column("place", String(64), nullable=False, server_default="", comment="the last instance that was read"),
    Column("files", Integer, nullable=False, server_default="0"),
    Column("size", BigInteger, nullable=False, server_default="0", comment="bytes read"),
    Column("damaged", Integer, nullable=False, server_default="0"),
)

#: Centre: what the proxies told of their comparisons with the centre; counts as in ``reconciliation``.
proxy_report = Table(
    "proxy_report",
    metadata,
    Column("mo", String(16), primary_key=True),
    Column("started_at", UtcDateTime, primary_key=True),
    Column("cause", String(16), nullable=False),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("studies", Integer, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Column("missing", Integer, nullable=False),
    Column("different", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("absent", Integer, nullable=False),
    Column("reported_at", UtcDateTime, nullable=False),
)
