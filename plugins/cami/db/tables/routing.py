"""Where images go besides the centre: rules with their history, what has to be forwarded, what is shared."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, false

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: Every version of this server's own routing rules (`cami.routing.versions`): of its МО at a proxy, of the centre's for
#: all МО at the centre. The last one is in force.
routing_version = Table(
    "routing_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3 …"),
    Column("content", Text, nullable=False, comment="the document as it was written, YAML or JSON"),
    Column("why", Text, nullable=False),
    Column("made_by", String(64), nullable=False, comment="login"),
    Column("made_at", UtcDateTime, nullable=False),
    Column("restored", Integer, comment="the version whose content this is again"),
)

#: Proxy: what has to reach other destinations than the centre, a row for each image and destination.
forwarding = Table(
    "forwarding",
    metadata,
    Column("destination", String(32), primary_key=True, comment="name in region.yaml"),
    Column("instance_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("study_id", String(64), nullable=False, comment="Orthanc id"),
    Column("size", BigInteger, nullable=False, comment="bytes of the stored file"),
    Column("state", String(16), nullable=False, comment="cami.routing.states"),
    Column("lane", Integer, nullable=False, comment="0 and 1 go before all others"),
    Column("seq", BigInteger, nullable=False, comment="place in Orthanc's change log: order within the lane"),
    Column("rule", String(200), nullable=False, comment="name of the rule"),
    Column("version", Integer, nullable=False, comment="of the rules"),
    Column("by_centre", Boolean, nullable=False, server_default=false(), comment="rule and version are the centre's"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcDateTime, comment="when to try again"),
    Column("reason", String(32), comment="code of the last failure"),
    Column("detail", String(200), comment="a status or an error's kind; names no patient"),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, comment="when it was delivered, failed or cancelled"),
    Index("ix_forwarding_destination_state_lane_seq", "destination", "state", "lane", "seq"),
    Index("ix_forwarding_study_id_state", "study_id", "state"),
)

#: Proxy: how each destination is, so that a dead one rests across restarts too.
forwarding_destination = Table(
    "forwarding_destination",
    metadata,
    Column("destination", String(32), primary_key=True),
    Column("failures", Integer, nullable=False, server_default="0", comment="in a row"),
    Column("rests_until", UtcDateTime),
    Column("succeeded_at", UtcDateTime),
    Column("failed_at", UtcDateTime),
    Column("reason", String(32), comment="of the last failure"),
    Column("detail", String(200)),
)

#: Proxy: studies that rules have put into a class, so that what people choose afterwards stays.
routed_study = Table(
    "routed_study",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("priority", Integer, nullable=False, comment="cami.delivery.order.Priority"),
    Column("rule", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("by_centre", Boolean, nullable=False, server_default=false(), comment="rule and version are the centre's"),
    Column("routed_at", UtcDateTime, nullable=False),
)

#: Proxy: studies that rules share with other МО, until the centre has recorded it.
share_notice = Table(
    "share_notice",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("mo", String(16), primary_key=True, comment="code of the МО that is to get it"),
    Column("study_uid", String(128), nullable=False),
    Column("rule", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("by_centre", Boolean, nullable=False, server_default=false(), comment="rule and version are the centre's"),
    Column("made_at", UtcDateTime, nullable=False),
    Column("told_at", UtcDateTime, index=True, comment="when the centre had recorded it"),
    Column("not_before", UtcDateTime, comment="when to try again"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("refused", String(32), comment="code, if the centre does not take it"),
)

#: Centre: which study an owner's rules share with which other МО. A grant is given with it, and opens the study.
study_share = Table(
    "study_share",
    metadata,
    Column("study_id", String(64), primary_key=True, comment="Orthanc id"),
    Column("mo", String(16), primary_key=True, comment="code of the МО that is to get it"),
    Column("study_uid", String(128), nullable=False),
    Column("owner", String(16), nullable=False, comment="code of the МО whose rules share it"),
    Column("rule", String(200), nullable=False),
    Column("version", Integer, nullable=False, comment="of the owner's rules"),
    Column("by_centre", Boolean, nullable=False, server_default=false(), comment="rule and version are the centre's"),
    Column("shared_at", UtcDateTime, nullable=False),
    Index("ix_study_share_mo_shared_at", "mo", "shared_at"),
)

#: Proxy: every version of the centre's rules as it came down, only what is for this МО. The last one is in force.
central_rules = Table(
    "central_rules",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3 … as they came"),
    Column("version", Integer, nullable=False, comment="at the centre"),
    Column("content", Text, nullable=False, comment="JSON"),
    Column("why", Text, nullable=False),
    Column("made_by", String(64), nullable=False, comment="login at the centre"),
    Column("made_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
)

#: Centre: which version of its rules each proxy has in force, as it last said.
central_rules_standing = Table(
    "central_rules_standing",
    metadata,
    Column("mo", String(16), primary_key=True),
    Column("version", Integer, nullable=False, comment="0: none yet"),
    Column("trouble", Text, nullable=False, comment="why they do not hold there; empty if they do"),
    Column("since", UtcDateTime, nullable=False, comment="when the proxy said so first"),
)

#: Centre: drafts that proxies are asked to try on their last studies. Forgotten after a day, but the last one.
rules_trial = Table(
    "rules_trial",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3 …"),
    Column("content", Text, nullable=False, comment="the draft"),
    Column("studies", Integer, nullable=False),
    Column("asked_by", String(64), nullable=False, comment="login"),
    Column("asked_at", UtcDateTime, nullable=False),
)

#: Centre: what proxies found: one row for each trial and МО.
rules_trial_outcome = Table(
    "rules_trial_outcome",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("mo", String(16), primary_key=True),
    Column("outcome", Text, nullable=False, comment="JSON; names no patient"),
    Column("answered_at", UtcDateTime, nullable=False),
)
