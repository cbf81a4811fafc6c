"""All tables of the plugin's database, a module for each part of the product.

Migrations in ``cami/db/migrations`` make them; a test checks that both agree.
"""

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
from cami.db.tables.errands import errand
from cami.db.tables.people import account, session
from cami.db.tables.quarantine import quarantined_object
from cami.db.tables.receiving import received_instance, study, study_claim, upload
from cami.db.tables.sending import change_cursor, delivery_item, delivery_study, eviction, reconciliation, study_read

__all__ = [
    "account",
    "change_cursor",
    "commitment_request",
    "delivery_item",
    "delivery_study",
    "errand",
    "eviction",
    "file_damage",
    "metadata",
    "proxy_report",
    "quarantined_object",
    "received_instance",
    "reconciliation",
    "scrub_round",
    "sent_content",
    "session",
    "stored_content",
    "study",
    "study_claim",
    "study_completeness",
    "study_read",
    "upload",
]
