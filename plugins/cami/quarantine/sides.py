"""What differs between the desk of a proxy and that of the centre: where bytes lie, and where a decision leads to."""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, update

from cami.archive import Archive
from cami.db.tables import quarantined_object
from cami.delivery import Quarantine
from cami.delivery.quarantine import REJECTED, SETTLED
from cami.quarantine.decisions import Decision, Outcome
from cami.quarantine.entries import Entry

#: Of a file this much is read for what it says; headers are smaller, save those of enhanced multi-frame objects.
HEAD_BYTES = 1 << 20

_UID = re.compile(r"[0-9.]{1,64}")
#: In a query of Orthanc these stand for other characters, or separate values.
_WILD = re.compile(r"[*?\\]")


@dataclass(frozen=True, slots=True)
class FoundStudy:
    """A study of the МО that an object may be linked to."""

    study_id: str
    study_uid: str
    tags: dict[str, str]
    """Main DICOM tags of study and patient."""


class Side(ABC):
    """One server's side of the quarantine."""

    def __init__(self, archive: Archive, engine: Engine, quarantine: Quarantine) -> None:
        self._archive = archive
        self._engine = engine
        self._quarantine = quarantine

    def head(self, entry: Entry) -> bytes:
        """Return the beginning of an entry's file; nothing if it is gone."""
        if entry.kind == "object":
            return self._quarantine.head(entry.name, HEAD_BYTES)
        file = self._archive.open_stored(entry.name)
        if file is None:
            return b""
        with file:
            return file.read(HEAD_BYTES)

    def read(self, entry: Entry | Decision) -> bytes | None:
        """Return the whole file; None if it is gone."""
        if entry.kind == "item":
            return self._archive.read(entry.name)
        try:
            return self._quarantine.read(entry.name)
        except OSError:
            return None

    def find_studies(self, source: str, words: str) -> list[FoundStudy]:
        """Find studies of the МО by Accession Number or Study Instance UID, as a whole."""
        wanted = words.strip()
        if not wanted or _WILD.search(wanted) or len(wanted) > 64:
            return []
        keys = ["AccessionNumber"] + (["StudyInstanceUID"] if _UID.fullmatch(wanted) else [])
        found: dict[str, FoundStudy] = {}
        for key in keys:
            for answer in self._archive.find({"Level": "Study", "Query": {key: wanted}, "Expand": True, "Limit": 20}):
                tags = {**answer["PatientMainDicomTags"], **answer["MainDicomTags"]}
                if self.owns(source, answer["ID"]):
                    found[answer["ID"]] = FoundStudy(answer["ID"], tags.get("StudyInstanceUID", ""), tags)
        return list(found.values())

    def one_of(self, source: str, study_id: str) -> bytes | None:
        """Return a file of a study that the МО owns; None if there is none."""
        if not self.owns(source, study_id):
            return None
        for instance_id in self._archive.instances_of(study_id):
            if (dicom := self._archive.read(instance_id)) is not None:
                return self._readable_stored(instance_id, dicom)
        return None

    @abstractmethod
    def owns(self, source: str, study_id: str) -> bool:
        """Return whether a study here belongs to the МО that an entry is of."""

    @abstractmethod
    def stored_alike(self, entry: Entry) -> str | None:
        """Return the id of the stored instance of the same МО with the same identifiers; None if there is none."""

    @abstractmethod
    def device(self, entry: Entry | Decision) -> str:
        """Return the AE title of the device that sent it; nothing if that is not known."""

    @abstractmethod
    def put_right(self, entry: Entry | Decision, dicom: bytes) -> bytes:
        """Return the object with its text as it should be read."""

    @abstractmethod
    def mo_of(self, source: str) -> str:
        """Return the code of the МО that an entry of this source belongs to."""

    @abstractmethod
    def send_again(self, decision: Decision) -> Outcome | None:
        """Try once more to let it in; None if the transaction of `end` does all that it takes."""

    @abstractmethod
    def let_in(self, decision: Decision, dicom: bytes) -> str | None:
        """Let a new instance in; return None, or the code of why it was refused."""

    @abstractmethod
    def end(self, connection: Connection, decision: Decision, outcome: Outcome) -> bool:
        """Note in the tables what a decision that was carried out means; return whether its bytes may go later."""

    def stored(self, entry: Entry) -> bytes | None:
        """Return the file of `stored_alike`, readable."""
        instance_id = self.stored_alike(entry)
        dicom = None if instance_id is None else self._archive.read(instance_id)
        return None if instance_id is None or dicom is None else self._readable_stored(instance_id, dicom)

    def _readable_stored(self, instance_id: str, dicom: bytes) -> bytes:  # noqa: ARG002 - for those who need it
        return dicom

    def _end_object(self, connection: Connection, decision: Decision) -> bool:
        state = REJECTED if decision.action == "reject" else SETTLED
        connection.execute(
            update(quarantined_object)
            .where(quarantined_object.c.sha256 == decision.name, quarantined_object.c.source == decision.source)
            .values(state=state)
        )
        return True
