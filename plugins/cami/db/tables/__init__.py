"""All tables of the plugin's database, a module for each part of the product.

Migrations in ``cami/db/migrations`` make them; a test checks that both agree.
"""

from cami.db.tables.audit import (
    audit_anchor,
    audit_archive,
    audit_cursor,
    audit_head,
    audit_record,
    audit_study,
)
from cami.db.tables.base import metadata
from cami.db.tables.commitment import commitment_request
from cami.db.tables.completeness import (
    file_damage,
    proxy_report,
    scrub_round,
    sent_content,
    stored_content,
    study_completeness,
)
from cami.db.tables.consultations import (
    consultation,
    consultation_draft,
    consultation_event,
    consultation_file,
    consultation_member,
    consultation_message,
    consultation_notice,
    consultation_offer,
    consultation_prepared,
    consultation_report,
    consultation_seen,
    consultation_study,
    consultation_timer,
    diagnosis,
)
from cami.db.tables.decisions import quarantine_decision, quarantine_outcome, quarantine_removal
from cami.db.tables.errands import errand
from cami.db.tables.grants import study_grant
from cami.db.tables.people import (
    account,
    account_place,
    accounts_copy,
    former_password,
    program_password,
    provider_visit,
    recovery_code,
    session,
)
from cami.db.tables.quarantine import quarantined_object
from cami.db.tables.receiving import received_instance, study, study_claim, upload
from cami.db.tables.retrieval import (
    announced_study,
    awaited_study,
    fetch,
    kept_study,
    known_study,
    raised_study,
    schedule,
)
from cami.db.tables.routing import (
    forwarding,
    forwarding_destination,
    routed_study,
    routing_version,
    share_notice,
    study_share,
)
from cami.db.tables.sending import change_cursor, delivery_item, delivery_study, eviction, reconciliation, study_read
from cami.db.tables.study_index import indexed_gram, indexed_name, indexed_series, indexed_study

__all__ = [
    "account",
    "account_place",
    "accounts_copy",
    "announced_study",
    "audit_anchor",
    "audit_archive",
    "audit_cursor",
    "audit_head",
    "audit_record",
    "audit_study",
    "awaited_study",
    "change_cursor",
    "commitment_request",
    "consultation",
    "consultation_draft",
    "consultation_event",
    "consultation_file",
    "consultation_member",
    "consultation_message",
    "consultation_notice",
    "consultation_offer",
    "consultation_prepared",
    "consultation_report",
    "consultation_seen",
    "consultation_study",
    "consultation_timer",
    "delivery_item",
    "delivery_study",
    "diagnosis",
    "errand",
    "eviction",
    "fetch",
    "file_damage",
    "former_password",
    "forwarding",
    "forwarding_destination",
    "indexed_gram",
    "indexed_name",
    "indexed_series",
    "indexed_study",
    "kept_study",
    "known_study",
    "metadata",
    "program_password",
    "provider_visit",
    "proxy_report",
    "quarantine_decision",
    "quarantine_outcome",
    "quarantine_removal",
    "quarantined_object",
    "raised_study",
    "received_instance",
    "reconciliation",
    "recovery_code",
    "routed_study",
    "routing_version",
    "schedule",
    "scrub_round",
    "sent_content",
    "session",
    "share_notice",
    "stored_content",
    "study",
    "study_claim",
    "study_completeness",
    "study_grant",
    "study_read",
    "study_share",
    "upload",
]
