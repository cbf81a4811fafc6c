"""МИАС «КУЗДРАВ»: orders in by FHIR R4, results and images out (`docs/mis-contract.md`). At the centre.

`MisService` is the face at ``/cami/fhir`` with its tokens: resources become patients and orders (`cami.orders`), and
everything that a request does, its events, its answer and its record in the journal are one transaction. What became
of it goes out as messages (`Announcer`, `Sender`). `SignedReports` is the shape in which reports are handed over.
"""

from cami.mis.message import Caller, Incoming
from cami.mis.messages import Message as OutMessage
from cami.mis.ports import (
    ConsultationDesk,
    ConsultationRefused,
    Signature,
    SignedReport,
    SignedReports,
    WantedConsultation,
)
from cami.mis.sender import Hooks, Sent
from cami.mis.service import MisService
from cami.mis.subscriptions import Hook, Subscription
from cami.mis.validation import warm_up
from cami.mis.writes import acts_of

__all__ = [
    "Caller",
    "ConsultationDesk",
    "ConsultationRefused",
    "Hook",
    "Hooks",
    "Incoming",
    "MisService",
    "OutMessage",
    "Sent",
    "Signature",
    "SignedReport",
    "SignedReports",
    "Subscription",
    "WantedConsultation",
    "acts_of",
    "warm_up",
]
