"""МИАС «КУЗДРАВ»: orders in by FHIR R4, results and images out (`docs/mis-contract.md`). At the centre.

`MisService` is the face at ``/cami/fhir`` with its tokens: resources become patients and orders (`cami.orders`), and
everything that a request does, its events, its answer and its record in the journal are one transaction. What became
of it goes out as messages (`Announcer`, `Sender`). `SignedReports` is the shape in which reports are handed over.
"""

from cami.mis.ports import (
    ConsultationDesk,
    ConsultationRefused,
    Signature,
    SignedReport,
    SignedReports,
    WantedConsultation,
)
from cami.mis.service import MisService
from cami.mis.validation import warm_up

__all__ = [
    "ConsultationDesk",
    "ConsultationRefused",
    "MisService",
    "Signature",
    "SignedReport",
    "SignedReports",
    "WantedConsultation",
    "warm_up",
]
