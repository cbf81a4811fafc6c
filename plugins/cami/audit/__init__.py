"""The journal: who did what with whose data, from where, and how it ended. Only ever added to, chained by hashes.

приказ МЗ 947н pp. 19-21, приказ ФСТЭК № 21 РСБ.1-7 and DICOM PS3.15 A.5 ask for it; `docs/architecture.md`, *Audit*,
says what is recorded where and what its chain proves. It holds keys and UIDs of ours, never a patient's name. Public
names:

* `AuditEvent`, `Kind`, `Outcome`: what is recorded; `AuditTrail`: records it, alone (`record`) or within a change
  (`record_in`);
* `Record`: an event as it stands in the journal, with its place and its hash.
"""

from cami.audit.event import AuditEvent, Kind, Outcome
from cami.audit.record import Record
from cami.audit.trail import AuditTrail

__all__ = ["AuditEvent", "AuditTrail", "Kind", "Outcome", "Record"]
