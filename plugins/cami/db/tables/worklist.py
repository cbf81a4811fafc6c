"""The modality worklist (`cami.worklist`) and which study belongs to which order (`cami.matching`)."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text
from sqlalchemy.types import TypeEngine

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime


def _key(length: int) -> TypeEngine[str]:
    """Return a text that is compared by range: by its bytes, also in PostgreSQL."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


#: Centre: the newest state of each order for the worklist of an МО, one row an order, numbered as they change.
worklist_feed = Table(
    "worklist_feed",
    metadata,
    Column("mo", String(16), primary_key=True, comment="code of the МО whose proxy is to have it"),
    Column("order_number", String(64), primary_key=True),
    Column("place", BigInteger, nullable=False, comment="grows with each change; of one МО"),
    Column("content", Text, nullable=False, comment="JSON: cami.worklist.entry; empty: it is off the worklist"),
    Column("open", Boolean, nullable=False, comment="images are still to be made"),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("ix_worklist_feed_place", "mo", "place", unique=True),
    Index("ix_worklist_feed_order", "order_number"),
    Index("ix_worklist_feed_open", "open", "changed_at"),
)

#: Centre: how far the feed of an МО is, and how far its proxy.
worklist_head = Table(
    "worklist_head",
    metadata,
    Column("mo", String(16), primary_key=True),
    Column("last", BigInteger, nullable=False, comment="highest place that was given"),
    Column("forgotten", BigInteger, nullable=False, comment="up to here removals may have been forgotten"),
    Column("epoch", String(36), nullable=False, comment="another one: places were given anew, begin again"),
    Column("taken", BigInteger, nullable=False, server_default="0", comment="what the proxy has said that it has"),
    Column("taken_at", UtcDateTime),
)

#: Proxy: the worklist itself, what devices are answered from.
worklist_entry = Table(
    "worklist_entry",
    metadata,
    Column("number", _key(64), primary_key=True, comment="of the order; of a manual one its own until the centre's"),
    Column("place", BigInteger, nullable=False, comment="in the feed; 0: not from there yet"),
    Column("round", Integer, nullable=False, comment="reading of the whole feed that it was last seen in"),
    Column("listed", Boolean, nullable=False, comment="devices find it"),
    Column("station", _key(17), nullable=False, comment="AE title, or a backslash and a kind of modality"),
    Column("day", _key(8), nullable=False, comment="YYYYMMDD in the region's time; empty: any"),
    Column("clock", _key(6), nullable=False, comment="HHMMSS"),
    Column("accession", _key(16), nullable=False, index=True),
    Column("study_uid", _key(128), nullable=False, index=True),
    Column("patient_id", _key(64), nullable=False, index=True),
    Column("name", _key(400), nullable=False, comment="folded (cami.index.folding)"),
    Column("latin", _key(1000), nullable=False, comment="the same in Latin letters"),
    Column("state", String(16), nullable=False, comment="as the centre, or who made it, has said"),
    Column("seen", String(16), nullable=False, server_default="", comment="started, completed: by the images here"),
    Column("seen_started_at", UtcDateTime),
    Column("seen_ended_at", UtcDateTime),
    Column("study_id", String(64), comment="Orthanc id of the study that has come for it"),
    Column("linked", _key(1000), nullable=False, server_default="", comment="UIDs of studies that a person has linked"),
    Column("content", Text, nullable=False, comment="JSON: cami.worklist.entry"),
    Column("manual", Boolean, nullable=False),
    Column("made_by", String(64), nullable=False, server_default="", comment="login, of a manual one"),
    Column("sent_at", UtcDateTime, comment="when the centre had a manual one"),
    Column("refused", String(64), nullable=False, server_default="", comment="code, if the centre does not take it"),
    Column("noted_at", UtcDateTime, nullable=False, comment="when it was first here"),
    Column("changed_at", UtcDateTime, nullable=False, index=True),
    Index("ix_worklist_entry_station", "listed", "station", "day", "clock"),
    Index("ix_worklist_entry_day", "day", "clock"),
    Index("ix_worklist_entry_manual", "manual", "sent_at"),
    Index("ix_worklist_entry_latin", "latin"),
    Index("ix_worklist_entry_linked", "linked"),
)

#: Proxy: how far it has read the feed.
worklist_cursor = Table(
    "worklist_cursor",
    metadata,
    Column("reader", String(16), primary_key=True),
    Column("epoch", String(36), nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("round", Integer, nullable=False, comment="grows when the whole feed is read again"),
    Column("whole", Boolean, nullable=False, comment="the whole feed has been read in this round"),
    Column("read_at", UtcDateTime, comment="when the centre last answered"),
)

#: Proxy: the accession number that all objects of a study are sent with; decided once, before the first of them goes.
accession_stamp = Table(
    "accession_stamp",
    metadata,
    Column("study_uid", String(128), primary_key=True),
    Column("accession", String(16), nullable=False, comment="empty: what the device wrote stays"),
    Column("order_number", String(64), nullable=False, server_default=""),
    Column("decided_at", UtcDateTime, nullable=False),
)

#: Centre: each study of an МО and the order that it belongs to; follows from `match_decision`.
study_match = Table(
    "study_match",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("owner", String(16), nullable=False, comment="code of the МО"),
    Column("study_uid", String(128), nullable=False, index=True),
    Column("state", String(16), nullable=False, comment="cami.matching.states"),
    Column("order_number", Integer, index=True, comment="of imaging_order: linked or, if contradictory, claimed"),
    Column("cause", String(16), nullable=False, server_default="", comment="what tells so"),
    Column("score", Integer, nullable=False, server_default="0"),
    Column("findings", Text, nullable=False, comment="JSON: codes of what agrees and what does not"),
    Column("candidates", Text, nullable=False, comment="JSON: numbers of orders that may be meant"),
    Column("facts", Text, nullable=False, comment="JSON: what the study says of itself"),
    Column("study_day", _key(8), nullable=False),
    Column("began_at", UtcDateTime, nullable=False, comment="when its first image came in at the МО"),
    Column("decided_by", String(64), nullable=False, comment="login, or system"),
    Column("judged_at", UtcDateTime, nullable=False),
    Column("reported", String(16), nullable=False, server_default="", comment="started, completed: told to the order"),
    Index("ix_study_match_owner_state", "owner", "state", "study_day"),
    Index("ix_study_match_open", "state", "reported"),
)

#: Centre: who or what has linked a study to an order or parted them, and why. Only added to.
match_decision = Table(
    "match_decision",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("study_id", String(64), nullable=False, index=True),
    Column("study_uid", String(128), nullable=False),
    Column("owner", String(16), nullable=False),
    Column("action", String(16), nullable=False, comment="link, part, apart: linked, parted, belongs to no order"),
    Column("order_number", Integer, index=True),
    Column("cause", String(16), nullable=False, comment="accession, study-uid, patient, person"),
    Column("score", Integer, nullable=False),
    Column("findings", Text, nullable=False, comment="JSON: codes"),
    Column("reason", Text, nullable=False, comment="what a person has written"),
    Column("decided_by", String(64), nullable=False),
    Column("decided_at", UtcDateTime, nullable=False),
)
