"""Images that a node of an МО stores at the centre by C-STORE, where the operator has opened it (PS3.4 annex B).

Whose an image is follows from who calls, and is decided as for proxies (`cami.delivery.ownership`) before Orthanc
stores it: Orthanc asks while the image comes in, and stores it itself. What was admitted is filed under its owner
afterwards; until then it has an owner in the tables, but no label. The claim is the row that a crash leaves behind.
"""

import hashlib
import logging
from collections.abc import Callable
from enum import IntEnum

from sqlalchemy import Connection, Engine, select

from cami.archive import Archive, ObjectIdentity, orthanc_id
from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import received_instance, study
from cami.delivery.claims import Claims
from cami.delivery.disk import NoRoom
from cami.delivery.filing import Filing
from cami.delivery.journal import DEVICE, CentralJournal
from cami.delivery.quarantine import Quarantine
from cami.errors import CamiError, Permanent

log = logging.getLogger(__name__)


class Status(IntEnum):
    """What the caller is answered (PS3.4 table B.2-1, PS3.7 annex C); all but the first keep the image with it."""

    ACCEPTED = 0x0000
    NOT_AUTHORIZED = 0x0124
    OUT_OF_RESOURCES = 0xA700
    CANNOT_UNDERSTAND = 0xC000


class NodeJournal(CentralJournal):
    """What nodes store, in the journal."""

    def __init__(self, trail: AuditTrail) -> None:
        super().__init__(trail)
        self.node = ""
        """AE title of who stores just now: Orthanc asks of one image at a time."""

    def began(self, connection: Connection, mo: str, identity: ObjectIdentity) -> None:
        """Record that the first image of a study is about to be stored."""
        self._trail.record_in(
            connection,
            AuditEvent(
                Kind.IMPORT,
                f"device:{self.node}",
                DEVICE,
                mo,
                studies=(identity.study_uid,),
                patient=orthanc_id(identity.patient_id),
                owner=mo,
                details={"stage": "began", "service": "C-STORE"},
            ),
        )


class DirectReception:
    """Admits images, and files them when Orthanc has stored them."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        quarantine: Quarantine,
        clock: Clock,
        *,
        journal: NodeJournal | None = None,
        require_room: Callable[[], None] = lambda: None,
        on_filed: Callable[[], None] = lambda: None,
    ) -> None:
        """Make it; `on_filed` is called when there is something to read for `cami.delivery.contents`."""
        self._archive = archive
        self._quarantine = quarantine
        self._require_room = require_room
        self._on_filed = on_filed
        self._reader = reading(engine)
        self._journal = journal
        self._claims = Claims(engine, clock, journal)
        self._filing = Filing(archive, engine, clock)
        self._admitted: set[str] | None = None
        """Orthanc ids of what was admitted and is not filed; None: the table has not been looked through yet."""

    def admit(self, mo: str, node: str, dicom: bytes) -> Status:
        """Decide of an image that a node of an МО stores; `ACCEPTED`: Orthanc is to store it.

        One at a time: Orthanc holds a lock while it asks.
        """
        if self._journal is not None:
            self._journal.node = node
        try:
            self._require_room()
            identity = self._archive.parse(dicom)
        except NoRoom:
            return Status.OUT_OF_RESOURCES
        except Permanent:
            return Status.CANNOT_UNDERSTAND
        decision = self._claims.claim(mo, hashlib.sha256(dicom).hexdigest(), identity, len(dicom))
        if decision.reason is not None:
            self._quarantine.keep(dicom, identity, source=mo, reason=decision.reason)
            log.error("an object of МО %s is kept in quarantine: %s", mo, decision.reason.code)
            return Status.NOT_AUTHORIZED
        if self._admitted is not None:
            self._admitted.add(identity.instance_id)
        return Status.ACCEPTED

    def file(self) -> int:
        """File what was admitted and is stored; return how many were."""
        if self._admitted is None:
            self._admitted = self._claimed()
        filed = 0
        for instance_id in sorted(self._admitted):
            try:
                done = self._file(instance_id)
            except CamiError as error:
                log.warning("an admitted image cannot be filed yet: %s", error)
                break
            if done:
                self._admitted.discard(instance_id)
                filed += 1
        if filed:
            self._on_filed()
        return filed

    def _claimed(self) -> set[str]:
        """Return what a crash may have left: once, after a start."""
        query = select(received_instance.c.instance_id).where(received_instance.c.stored_at.is_(None))
        with self._reader.connect() as connection:
            return set(connection.scalars(query))

    def _file(self, instance_id: str) -> bool:
        there = self._archive.reread(instance_id)
        if there is None:
            return False
        dicom = self._archive.read(instance_id)
        owner = self._owner(instance_id)
        if dicom is None or owner is None:
            return False
        self._filing.file(owner, self._archive.parse(dicom), there.sha256, there.size)
        return True

    def _owner(self, instance_id: str) -> str | None:
        query = select(study.c.owner).join_from(received_instance, study)
        with self._reader.connect() as connection:
            owner: str | None = connection.scalar(query.where(received_instance.c.instance_id == instance_id))
        return owner
