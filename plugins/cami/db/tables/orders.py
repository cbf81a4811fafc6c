"""Who the patients are, and what is ordered for them (`cami.orders`). At the centre."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime

#: The patient index: a row a person, as far as identifiers tell. Merging moves nothing: it sets `merged_into`.
patient = Table(
    "patient",
    metadata,
    Column("key", String(36), primary_key=True, comment="random; the id that others see, never a name"),
    Column("family", String(200), nullable=False),
    Column("given", String(200), nullable=False, server_default=""),
    Column("middle", String(200), nullable=False, server_default="", comment="отчество"),
    Column("birth_date", String(10), nullable=False, server_default="", comment="YYYY-MM-DD, or its beginning"),
    Column("sex", String(1), nullable=False, server_default="", comment="M, F, O or empty, as Patient's Sex"),
    Column("version", Integer, nullable=False, comment="grows with each change"),
    Column("merged_into", String(36), ForeignKey("patient.key"), index=True, comment="empty: stands for itself"),
    Column("source", String(64), nullable=False, comment="who told of it last: mis:<client>, proxy-<mo>, a login"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False, index=True),
)

#: By what patients are known: the MIS's own number, СНИЛС, ЕНП.
patient_identifier = Table(
    "patient_identifier",
    metadata,
    Column("system", String(200), primary_key=True, comment="URI; see cami.orders.identifiers"),
    Column("value", String(64), primary_key=True),
    Column("patient", String(36), ForeignKey("patient.key"), primary_key=True, index=True),
    Column("kind", String(16), nullable=False, comment="mis, snils, enp, local, other"),
    Column("claim", String(300), unique=True, comment="system|value of a number that one patient alone may have"),
)

#: Each merging, and its undoing. Only added to, but for the undoing.
patient_merge = Table(
    "patient_merge",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("source", String(36), ForeignKey("patient.key"), nullable=False, index=True),
    Column("target", String(36), ForeignKey("patient.key"), nullable=False, index=True),
    Column("merged_by", String(64), nullable=False),
    Column("merged_at", UtcDateTime, nullable=False),
    Column("undone_by", String(64)),
    Column("undone_at", UtcDateTime),
)

#: One row an order for an imaging study. (ORDER is a word of SQL, hence the name.)
imaging_order = Table(
    "imaging_order",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("placer_system", String(200), nullable=False, comment="URI of whose number it is"),
    Column("placer_number", String(64), nullable=False, comment="№ направления"),
    Column("accession", String(16), nullable=False, unique=True, comment="Accession Number (0008,0050), ASCII"),
    Column("study_uid", String(64), nullable=False, unique=True, comment="Study Instance UID, issued beforehand"),
    Column(
        "patient", String(36), ForeignKey("patient.key"), nullable=False, index=True, comment="as ordered; see merges"
    ),
    Column("mo", String(16), nullable=False, comment="code of the МО that is to make the images"),
    Column("requesting_mo", String(16), nullable=False, server_default="", comment="code, if the registry knows it"),
    Column("requesting_oid", String(64), nullable=False, server_default="", comment="ОИД of the МО that sends"),
    Column("device_aet", String(16), nullable=False, server_default="", comment="empty: any of that modality"),
    Column("modality", String(16), nullable=False),
    Column("procedure_system", String(64), nullable=False, server_default="", comment="НМУ or ФСИДИ: ОИД as URI"),
    Column("procedure_code", String(64), nullable=False, server_default=""),
    Column("procedure_text", String(400), nullable=False),
    Column("body_part", String(200), nullable=False, server_default=""),
    Column("priority", String(16), nullable=False, comment="stat, urgent, routine"),
    Column("scheduled_at", UtcDateTime, comment="empty: today, whenever the patient comes"),
    Column("scheduled_until", UtcDateTime),
    Column("due_at", UtcDateTime, comment="by when an answer is wanted"),
    Column("authored_at", UtcDateTime, comment="when the doctor wrote it"),
    Column("requester", String(200), nullable=False, server_default="", comment="ФИО of the doctor who sends"),
    Column("requester_snils", String(16), nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default="", comment="цель исследования"),
    Column("diagnosis_code", String(16), nullable=False, server_default="", comment="МКБ-10"),
    Column("diagnosis_text", String(400), nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default="", comment="allergies, weight, creatinine …"),
    Column("encounter", String(64), nullable=False, server_default="", comment="case or case history in the MIS"),
    Column("payment", String(64), nullable=False, server_default="", comment="code of НСИ 1039"),
    Column("state", String(16), nullable=False, comment="cami.orders.states"),
    Column("state_reason", String(64), nullable=False, server_default="", comment="code why it was cancelled"),
    Column("state_text", String(400), nullable=False, server_default="", comment="the same in words"),
    Column("replaced_by", Integer, ForeignKey("imaging_order.number"), comment="the MIS's order for the same visit"),
    Column("version", Integer, nullable=False, comment="grows with each change: If-Match"),
    Column("changed_after_start", Boolean, nullable=False, server_default="0", comment="show «Изменено»"),
    Column("source", String(64), nullable=False, comment="mis:<client>, or manual:<who> for one without the MIS"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False, index=True),
    Column("started_at", UtcDateTime, comment="MPPS or the first image"),
    Column("ended_at", UtcDateTime, comment="completed, cancelled, annulled or replaced"),
    UniqueConstraint("placer_system", "placer_number"),
    Index("ix_imaging_order_mo_state", "mo", "state", "number"),
)
