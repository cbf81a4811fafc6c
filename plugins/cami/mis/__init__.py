"""МИАС «КУЗДРАВ»: orders in by FHIR R4, results and images out (`docs/mis-contract.md`). At the centre.

`MisService` is the face at ``/cami/fhir`` with its tokens: resources become patients and orders (`cami.orders`), and
everything that a request does, its events, its answer and its record in the journal are one transaction.
"""

from cami.mis.service import MisService
from cami.mis.validation import warm_up

__all__ = ["MisService", "warm_up"]
