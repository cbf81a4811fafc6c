"""HL7 v2 over MLLP: another form of what `cami.mis` says by FHIR (`docs/mis-contract.md`, *HL7 v2*). At the centre.

In: OMI^O23 and ORM^O01 become the same Bundles, ADT the same patients, each in one transaction with its answer; what is
refused is kept for the operator. Out: the queue of `cami.mis` has an address ``mllp://…``, and `Hl7Sender` writes its
messages as OMI, ORM and ORU. Public names: `Hl7Service`, `Posting`.
"""

from cami.hl7v2.service import Hl7Service, Posting

__all__ = ["Hl7Service", "Posting"]
