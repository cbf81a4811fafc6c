"""The desk of a proxy: what its devices sent twice, and what the centre does not take."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from cami.archive import Archive
from cami.delivery import Coercing, Quarantine
from cami.delivery.states import Command
from cami.delivery.steps import move
from cami.errors import NotFound, Permanent
from cami.quarantine.decisions import Decision, Outcome
from cami.quarantine.entries import Entry
from cami.quarantine.sides import Side

_UID = re.compile(r"[0-9.]{1,64}")
#: Of what is only read, and never sent.
_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class ProxySide(Side):
    """A proxy: its archive is the МО's own, and decisions lead to its queue."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        quarantine: Quarantine,
        *,
        mo: str,
        coercing: Coercing,
        wake: Callable[[], None],
    ) -> None:
        super().__init__(archive, engine, quarantine)
        self._mo = mo
        self._coercing = coercing
        self._wake = wake

    def owns(self, source: str, study_id: str) -> bool:  # noqa: ARG002 - all of it is the МО's own
        """Return whether the study is here."""
        return bool(self._archive.instances_of(study_id))

    def stored_alike(self, entry: Entry) -> str | None:
        """Return the instance in the local archive; what the centre has is shown at the centre."""
        if entry.kind == "item":
            return None
        return self._instance_of(entry)

    def device(self, entry: Entry | Decision) -> str:
        """Return who sent the instance, or the one that has its identifiers: the same device, as good as always."""
        return self._sender(entry.name if entry.kind == "item" else self._instance_of(entry))

    def put_right(self, entry: Entry | Decision, dicom: bytes) -> bytes:
        """Return the object as it would go to the centre; as it is, if Orthanc cannot tell whose it is."""
        return self._right(dicom, self.device(entry), _moment(entry))

    def mo_of(self, source: str) -> str:  # noqa: ARG002 - there is but one
        """Return this proxy's МО."""
        return self._mo

    def send_again(self, decision: Decision) -> Outcome | None:
        """Queue an instance again, or store an object into the local archive if nothing is in its way any more."""
        if decision.kind == "item":
            return None
        dicom = self.read(decision)
        if dicom is None:
            return Outcome(done=False, detail="gone")
        refused = self.let_in(decision, self.put_right(decision, dicom))
        return Outcome(done=False, detail=refused) if refused else Outcome(done=True, detail="stored")

    def let_in(self, decision: Decision, dicom: bytes) -> str | None:  # noqa: ARG002
        """Store into the local archive; the queue learns of it from the change log."""
        try:
            stored = self._archive.store(dicom)
        except Permanent:
            return "not-dicom"
        if stored.already_stored and self._archive.read(stored.instance_id) != dicom:
            return "other-content"
        return None

    def end(self, connection: Connection, decision: Decision, outcome: Outcome) -> bool:  # noqa: ARG002
        """Queue, reject or settle."""
        if decision.kind == "object":
            return self._end_object(connection, decision)
        if decision.action == "resend":
            again = {"not_before": None, "attempts": 0, "reason": None, "sha256": None, "stored_at": None}
            move(connection, Command.RETRY, [decision.name], **again)
            self._wake()
            return False
        return bool(move(connection, Command.REJECT, [decision.name]))

    def _instance_of(self, entry: Entry | Decision) -> str | None:
        if not _UID.fullmatch(entry.sop_uid):
            return None
        query = {"SOPInstanceUID": entry.sop_uid, "StudyInstanceUID": entry.study_uid}
        found = self._archive.find({"Level": "Instance", "Query": query, "Limit": 2})
        return str(found[0]) if len(found) == 1 else None

    def _sender(self, instance_id: str | None) -> str:
        if instance_id is None:
            return ""
        try:
            return str(self._archive.get(f"/instances/{instance_id}/metadata?expand").get("RemoteAET", ""))
        except NotFound:
            return ""

    def _readable_stored(self, instance_id: str, dicom: bytes) -> bytes:
        return self._right(dicom, self._sender(instance_id), _ANY_TIME)

    def _right(self, dicom: bytes, device: str, at: datetime) -> bytes:
        try:
            return self._coercing.put_right(dicom, device, at)
        except Permanent:
            return dicom


def _moment(entry: Entry | Decision) -> datetime:
    return entry.received_at if isinstance(entry, Entry) else entry.decided_at
