"""What of the worklist the journal records: devices that read it, and orders that people write by hand."""

from functools import partial

from sqlalchemy import Connection

from cami.archive import orthanc_id
from cami.audit import AuditEvent, AuditTrail, Kind
from cami.audit.recent import Recent
from cami.worklist.entry import Entry


class WorklistJournal:
    """Records acts at a proxy. Raises `cami.errors.Transient` when it cannot: then the act is refused."""

    def __init__(self, trail: AuditTrail, mo: str, recent: Recent) -> None:
        """Make it; a console asks every minute, which is recorded once in each window of `recent`."""
        self._trail = trail
        self._mo = mo
        self._recent = recent

    def read(self, aet: str, entries: int) -> None:
        """Record that a device reads its worklist, before the answers leave."""
        self._recent.once(("worklist", aet), partial(self._read, aet, entries))

    def wrote(self, connection: Connection, entry: Entry, login: str, action: str) -> None:
        """Record that somebody has written an order or withdrawn it, in the transaction that does so."""
        event = AuditEvent(
            Kind.ORDER,
            login,
            mo=self._mo,
            studies=(entry.study_uid,),
            patient=orthanc_id(entry.patient_id),
            owner=self._mo,
            subject=f"order:{entry.accession}",
            reason=action,
        )
        self._trail.record_in(connection, event)

    def _read(self, aet: str, entries: int, more: int) -> None:
        details = {"service": "worklist C-FIND", "answers": str(entries)} | ({"more": str(more)} if more else {})
        event = AuditEvent(
            Kind.SEARCH,
            f"device:{aet}",
            role="device",
            mo=self._mo,
            owner=self._mo,
            subject="worklist",
            details=details,
        )
        self._trail.record(event)
