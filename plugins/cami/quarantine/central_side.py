"""The desk of the centre: what proxies delivered and what must not be joined to the archive."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, select

from cami.archive import Archive
from cami.db import reading
from cami.db.tables import received_instance, study
from cami.delivery import Quarantine, Receiver
from cami.quarantine.decisions import Decision, Outcome
from cami.quarantine.entries import Entry
from cami.quarantine.sides import Side


class CentralSide(Side):
    """The centre: studies of many МО; an entry's source is the МО whose proxy delivered it."""

    def __init__(self, archive: Archive, engine: Engine, quarantine: Quarantine, receiver: Receiver) -> None:
        super().__init__(archive, engine, quarantine)
        self._reader = reading(engine)
        self._receiver = receiver

    def owns(self, source: str, study_id: str) -> bool:
        """Return whether the table of owners says so."""
        with self._reader.connect() as connection:
            owner = connection.scalar(select(study.c.owner).where(study.c.study_id == study_id))
        return owner == source

    def stored_alike(self, entry: Entry) -> str | None:
        """Return the instance that the same МО has delivered under these identifiers, never another's."""
        query = (
            select(received_instance.c.instance_id)
            .join(study)
            .where(
                received_instance.c.sop_uid == entry.sop_uid,
                study.c.study_uid == entry.study_uid,
                study.c.owner == entry.source,
                received_instance.c.stored_at.is_not(None),
            )
        )
        with self._reader.connect() as connection:
            found: Sequence[str] = connection.scalars(query).all()
        return found[0] if len(found) == 1 else None

    def device(self, entry: Entry | Decision) -> str:  # noqa: ARG002
        """Return nothing: the object's own header tells."""
        return ""

    def put_right(self, entry: Entry | Decision, dicom: bytes) -> bytes:  # noqa: ARG002
        """Return it as it is: its proxy has put its text right."""
        return dicom

    def mo_of(self, source: str) -> str:
        """Return the source itself."""
        return source

    def send_again(self, decision: Decision) -> Outcome | None:
        """Receive it once more: what was in its way may be gone."""
        dicom = self.read(decision)
        if dicom is None:
            return Outcome(done=False, detail="gone")
        refused = self.let_in(decision, dicom)
        return Outcome(done=False, detail=refused) if refused else Outcome(done=True, detail="stored")

    def let_in(self, decision: Decision, dicom: bytes) -> str | None:
        """Receive it as from its МО: the same rules, so it can neither overwrite nor join what is another's."""
        reception = self._receiver.receive(decision.source, dicom)
        return None if reception.outcome in ("stored", "present") else reception.reason

    def end(self, connection: Connection, decision: Decision, outcome: Outcome) -> bool:  # noqa: ARG002
        """Settle or reject the object."""
        return self._end_object(connection, decision)
