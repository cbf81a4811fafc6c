"""Consultations (`cami.consultations`): requests, their studies, what was said and done, answers, timers, notices.

Rows of ``consultation_event``, ``consultation_message`` and ``consultation_report`` are only ever added.
"""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cami.db.tables.base import metadata
from cami.db.types import UtcDateTime


def _number() -> Column[int]:
    return Column("number", Integer, ForeignKey("consultation.number"), primary_key=True)


#: One row a request, as it stands now.
consultation = Table(
    "consultation",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("version", Integer, nullable=False, comment="grows with every change: who decides on an older one is told"),
    Column("state", String(16), nullable=False, comment="cami.consultations.states.State"),
    Column("kind", String(16), nullable=False, comment="cami.consultations.terms.Kind"),
    Column("urgency", String(16), nullable=False, comment="cami.consultations.terms.Urgency"),
    Column("mode", String(16), nullable=False, comment="deferred, realtime"),
    Column("profile", String(32), nullable=False, comment="of the registry"),
    Column("route", String(32), nullable=False, comment="of the registry, by its name"),
    Column("mo", String(16), nullable=False, comment="code of the МО that asks"),
    Column("asker", String(64), nullable=False, comment="login"),
    Column("asker_name", String(200), nullable=False),
    Column("phone", String(64), nullable=False, server_default=""),
    Column("to_mo", String(16), nullable=False, server_default="", comment="МО that answers, once one person has it"),
    Column("consultant", String(64), nullable=False, server_default="", comment="login"),
    Column("consultant_name", String(200), nullable=False, server_default=""),
    Column("question", Text, nullable=False, server_default=""),
    Column("diagnosis", String(16), nullable=False, server_default="", comment="МКБ-10"),
    Column("diagnosis_text", Text, nullable=False, server_default=""),
    Column("history", Text, nullable=False, server_default=""),
    Column("inpatient", Boolean, nullable=False),
    Column("consent", Boolean, nullable=False, comment="ИДС"),
    Column("patient_name", Text, nullable=False, server_default="", comment="as DICOM writes it"),
    Column("patient_id", Text, nullable=False, server_default=""),
    Column("patient_birth_date", String(32), nullable=False, server_default=""),
    Column("patient_sex", String(16), nullable=False, server_default=""),
    Column("modalities", String(200), nullable=False, server_default="", comment=r"as \CT\MR\ of the first study"),
    Column("based_on", Integer, comment="number of the request that this one follows, or that it reviews"),
    Column("reading", Integer, nullable=False, server_default="0", comment="1, 2, 3 of a double reading; else 0"),
    Column("agreement", String(16), nullable=False, server_default="", comment="cami.consultations.readings.Agreement"),
    Column(
        "upheld", String(16), nullable=False, server_default="", comment="by the third reader: first, second, neither"
    ),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("received_at", UtcDateTime),
    Column("accepted_at", UtcDateTime, comment="when a consultant was named first"),
    Column("paused_at", UtcDateTime, comment="since when the clock stands"),
    Column("ended_at", UtcDateTime),
    Column("accept_by", UtcDateTime),
    Column("answer_by", UtcDateTime),
    Column("late", Boolean, nullable=False, comment="«Просрочена»: a deadline has passed while it was open"),
    Column("escalated", Boolean, nullable=False, comment="the dispatcher was called"),
    Column("lease_until", UtcDateTime, comment="until when a consultant who says nothing keeps it"),
    Column("reason", String(32), nullable=False, server_default="", comment="code: why rejected or cancelled"),
    Column("reason_text", Text, nullable=False, server_default=""),
    Column("critical", Boolean, nullable=False, comment="the signed answer names a critical finding"),
    Column("acknowledge_by", UtcDateTime, comment="by when the МО has to confirm to know the critical finding"),
    Column("acknowledged_at", UtcDateTime, comment="when the МО confirmed to know the critical finding"),
    Column("acknowledged_by", String(64), nullable=False, server_default=""),
    Column("last_event", Integer, nullable=False, server_default="0", comment="newest consultation_event"),
    Index("ix_consultation_state_answer_by", "state", "answer_by"),
    Index("ix_consultation_mo_number", "mo", "number"),
    Index("ix_consultation_ended_at", "ended_at", "number"),
    Index("ix_consultation_mo_ended_at", "mo", "ended_at", "number"),
    Index("ix_consultation_consultant_ended_at", "consultant", "ended_at", "number"),
    Index("ix_consultation_sent_at", "sent_at"),
    sqlite_autoincrement=True,
)

#: To which МО a request is offered; whoever of them takes it first has it.
consultation_offer = Table(
    "consultation_offer",
    metadata,
    _number(),
    Column("mo", String(16), primary_key=True),
    Index("ix_consultation_offer_mo", "mo", "number"),
)

#: Whoever reads beside the consultant: members of a консилиум, readers of a double reading.
consultation_member = Table(
    "consultation_member",
    metadata,
    _number(),
    Column("login", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("mo", String(16), nullable=False),
    Column("part", String(16), nullable=False, comment="cami.consultations.terms.Part"),
    Column("added_at", UtcDateTime, nullable=False),
    Index("ix_consultation_member_login", "login", "number"),
)

#: What a request is about: studies of the asking МО, in the order in which they were chosen.
consultation_study = Table(
    "consultation_study",
    metadata,
    _number(),
    Column("study_uid", String(128), primary_key=True),
    Column("study_id", String(64), nullable=False, index=True, comment="Orthanc id"),
    Column("owner", String(16), nullable=False, comment="code of the МО"),
    Column("place", Integer, nullable=False),
    Column("prior", Boolean, nullable=False, comment="an earlier study, for comparison"),
    Column("study_date", String(32), nullable=False, server_default=""),
    Column("study_time", String(32), nullable=False, server_default=""),
    Column("modalities", String(200), nullable=False, server_default="", comment=r"with backslashes"),
    Column("description", Text, nullable=False, server_default=""),
    Column("accession", Text, nullable=False, server_default=""),
)

#: Everything that happened, in order.
consultation_event = Table(
    "consultation_event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("number", Integer, ForeignKey("consultation.number"), nullable=False, index=True),
    Column("version", Integer, nullable=False, comment="of the request afterwards"),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("login", String(64), nullable=False, comment="or: system"),
    Column("person", String(200), nullable=False, comment="name of that account then"),
    Column("role", String(32), nullable=False),
    Column("mo", String(16), nullable=False),
    Column("command", String(16), nullable=False, comment="cami.consultations.states.Command"),
    Column("before", String(16), nullable=False, comment="state"),
    Column("after", String(16), nullable=False, comment="state"),
    Column("subject", String(200), nullable=False, server_default="", comment="who it was given to, МО or person"),
    Column("reason", String(32), nullable=False, server_default="", comment="code"),
    Column("text", Text, nullable=False, server_default="", comment="in the words of who did it"),
    sqlite_autoincrement=True,
)

#: What was asked and answered beside the states.
consultation_message = Table(
    "consultation_message",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("number", Integer, ForeignKey("consultation.number"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("login", String(64), nullable=False),
    Column("person", String(200), nullable=False),
    Column("mo", String(16), nullable=False),
    Column("kind", String(16), nullable=False, comment="note, question, answer, opinion"),
    Column("text", Text, nullable=False),
    sqlite_autoincrement=True,
)

#: Files beside the images.
consultation_file = Table(
    "consultation_file",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("number", Integer, ForeignKey("consultation.number"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("login", String(64), nullable=False),
    Column("person", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("content_type", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

#: What each consultant has written so far: kept whoever answers in the end.
consultation_draft = Table(
    "consultation_draft",
    metadata,
    _number(),
    Column("login", String(64), primary_key=True),
    Column("person", String(200), nullable=False),
    Column("revision", Integer, nullable=False, comment="grows with every saving"),
    Column("saved_at", UtcDateTime, nullable=False),
    Column("findings", Text, nullable=False),
    Column("conclusion", Text, nullable=False),
    Column("recommendations", Text, nullable=False),
    Column("diagnosis", String(16), nullable=False),
    Column("pathology", String(16), nullable=False, comment="yes, no, or empty"),
    Column("critical", Boolean, nullable=False),
)

#: Signed answers. A correction is a new version with its reason.
consultation_report = Table(
    "consultation_report",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("number", Integer, ForeignKey("consultation.number"), nullable=False),
    Column("version", Integer, nullable=False, comment="1 is the first answer"),
    Column("why", Text, nullable=False, server_default="", comment="reason of a correction"),
    Column("login", String(64), nullable=False),
    Column("person", String(200), nullable=False),
    Column("mo", String(16), nullable=False),
    Column("signed_at", UtcDateTime, nullable=False),
    Column("findings", Text, nullable=False),
    Column("conclusion", Text, nullable=False),
    Column("recommendations", Text, nullable=False),
    Column("diagnosis", String(16), nullable=False),
    Column("pathology", String(16), nullable=False),
    Column("critical", Boolean, nullable=False),
    Column("document", LargeBinary, nullable=False, comment="PDF, exactly as signed"),
    Column("sha256", String(64), nullable=False, comment="of the document"),
    Column("signed_by", String(16), nullable=False, comment="password, provider, cms"),
    Column("signature", LargeBinary, comment="detached CMS, exactly as given"),
    Column("certificate", Text, nullable=False, server_default="", comment="whose it is, for people"),
    Column("verification", String(32), nullable=False, server_default="", comment="valid, not-verified"),
    Column("verified_by", String(64), nullable=False, server_default=""),
    Column("verified_at", UtcDateTime),
    Column("trust", String(32), nullable=False, server_default="", comment="cami.consultations.trust.Trust"),
    Column("clinical_document", LargeBinary, comment="CDA R2 of this version (СЭМД), unsigned"),
    Column("filed_at", UtcDateTime, comment="when SR and PDF were in the study at the centre"),
    Column("filing", String(64), nullable=False, server_default="", comment="code: why they are not"),
    UniqueConstraint("number", "version"),
    Index("ix_consultation_report_filed_at", "filed_at"),
    sqlite_autoincrement=True,
)

#: Signed readings of a double reading: nobody gets them, one conclusion comes of them. Only ever added.
consultation_reading = Table(
    "consultation_reading",
    metadata,
    _number(),
    Column("place", Integer, primary_key=True, comment="1, 2"),
    Column("login", String(64), nullable=False),
    Column("person", String(200), nullable=False),
    Column("mo", String(16), nullable=False),
    Column("signed_at", UtcDateTime, nullable=False),
    Column("findings", Text, nullable=False),
    Column("conclusion", Text, nullable=False),
    Column("recommendations", Text, nullable=False),
    Column("diagnosis", String(16), nullable=False),
    Column("pathology", String(16), nullable=False),
    Column("critical", Boolean, nullable=False),
    Column("document", LargeBinary, nullable=False, comment="PDF, exactly as signed"),
    Column("sha256", String(64), nullable=False, comment="of the document"),
    Column("signed_by", String(16), nullable=False, comment="password, provider, cms"),
    Column("signature", LargeBinary, comment="detached CMS, exactly as given"),
    Column("certificate", Text, nullable=False, server_default="", comment="whose it is, for people"),
    Column("verification", String(32), nullable=False, server_default="", comment="valid, not-verified"),
    Column("verified_by", String(64), nullable=False, server_default=""),
    Column("trust", String(32), nullable=False, server_default="", comment="cami.consultations.trust.Trust"),
)

#: A document that waits for its signature: the bytes that somebody was given to sign.
consultation_prepared = Table(
    "consultation_prepared",
    metadata,
    _number(),
    Column("login", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False, comment="of the draft that it was made from"),
    Column("why", Text, nullable=False, server_default=""),
    Column("agreement", String(16), nullable=False, server_default="", comment="category, or whom a third upholds"),
    Column("visit_hash", String(64), nullable=False, server_default="", comment="SHA-256 of the visit at the provider"),
    Column("document", LargeBinary, nullable=False),
    Column("sha256", String(64), nullable=False),
)

#: What is to happen at a moment. Fired once, whichever replica looks first.
consultation_timer = Table(
    "consultation_timer",
    metadata,
    _number(),
    Column("kind", String(16), primary_key=True, comment="cami.consultations.timers.Timer"),
    Column("due_at", UtcDateTime, nullable=False),
    Column("fired_at", UtcDateTime),
    Index("ix_consultation_timer_due", "fired_at", "due_at"),
)

#: What people are told of, in the portal; it names no patient.
consultation_notice = Table(
    "consultation_notice",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("number", Integer, ForeignKey("consultation.number"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(32), nullable=False, comment="cami.consultations.notices.Told"),
    Column("urgency", String(16), nullable=False),
    Column("login", String(64), nullable=False, server_default="", comment="to one person"),
    Column("mo", String(16), nullable=False, server_default="", comment="or to those of an МО who answer requests"),
    Column("role", String(32), nullable=False, server_default="", comment="or to a role"),
    Column("mailed_at", UtcDateTime, comment="when mail and webhook were done with; empty: to do"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("not_before", UtcDateTime, comment="when to try mail and webhook again"),
    Column("sent", String(32), nullable=False, server_default="", comment="what is done with: mail, webhook"),
    Index("ix_consultation_notice_login", "login", "id"),
    Index("ix_consultation_notice_mo", "mo", "id"),
    Index("ix_consultation_notice_role", "role", "id"),
    Index("ix_consultation_notice_mailed_at", "mailed_at", "not_before"),
    sqlite_autoincrement=True,
)

#: Up to where somebody has read a request.
consultation_seen = Table(
    "consultation_seen",
    metadata,
    Column("login", String(64), primary_key=True),
    _number(),
    Column("event", Integer, nullable=False, comment="newest consultation_event then"),
)

#: МКБ-10, as far as it was loaded.
diagnosis = Table(
    "diagnosis",
    metadata,
    Column("code", String(16), primary_key=True),
    Column("title", Text, nullable=False),
    Column("folded", Text, nullable=False, comment="code and title as searches compare them"),
)
