"""Receiving at the centre: claim the owner, let Orthanc store, label the study, then answer."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Engine, select

from cami.archive import Archive, ObjectIdentity
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import received_instance, study_claim
from cami.delivery.claims import Claims
from cami.delivery.contents import Contents
from cami.delivery.damage import Damage
from cami.delivery.filing import Filing
from cami.delivery.journal import CentralJournal
from cami.delivery.quarantine import OTHER_CONTENT, STUDY_REMOVED, Quarantine, Reason
from cami.delivery.reasons import Cause
from cami.delivery.replacement import Replacement
from cami.errors import Permanent, Transient

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of a delivered object."""

    outcome: Literal["stored", "present", "quarantined", "rejected"]
    reason: str = ""
    sha256: str = ""
    """Of the file that stands in the archive: of another encoding of the same object, if that came first."""


class Receiver:
    """The centre's end of the delivery."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        quarantine: Quarantine,
        clock: Clock,
        *,
        require_room: Callable[[], None] = lambda: None,
        on_stored: Callable[[], None] = lambda: None,
        journal: CentralJournal | None = None,
    ) -> None:
        """Make a receiver.

        Parameters
        ----------
        require_room
            Raises `cami.delivery.disk.NoRoom` while the volume is full.
        on_stored
            Called when there is something for `contents` to read.
        journal
            Told of each study that begins to come.
        """
        self._archive = archive
        self._require_room = require_room
        self.on_stored = on_stored
        self._reader = reading(engine)
        self._quarantine = quarantine
        self._claims = Claims(engine, clock, journal)
        self._filing = Filing(archive, engine, clock)
        self.damage = Damage(archive, engine, clock)
        self.contents = Contents(archive, engine, self.damage, clock)
        self._replacement = Replacement(
            archive=archive,
            engine=engine,
            quarantine=quarantine,
            damage=self.damage,
            contents=self.contents,
            filing=self._filing,
        )

    def receive(self, mo: str, dicom: bytes, *, study_total: int = 0) -> Reception:
        """Take an object that the proxy of `mo` delivers; answer when it is safe.

        Parameters
        ----------
        mo
            Code of the МО whose key signed the delivery.
        dicom
            The object.
        study_total
            How many objects the proxy has of this study so far; 0 if it does not say.

        Raises
        ------
        cami.errors.Transient
            Orthanc cannot store now; the proxy will try again.
        OSError
            The quarantine cannot be written.
        """
        self._require_room()
        try:
            identity = self._archive.parse(dicom)
        except Permanent:
            return Reception("rejected", Cause.NOT_DICOM)
        sha256 = hashlib.sha256(dicom).hexdigest()
        decision = self._claims.claim(mo, sha256, identity, len(dicom), study_total=study_total)
        if decision.replace:
            return self._replace(mo, dicom, sha256, identity)
        if decision.reason is OTHER_CONTENT:
            return self._compare(mo, dicom, sha256, identity)
        if decision.reason is not None:
            return self._keep_apart(mo, dicom, identity, decision.reason)
        if not decision.store:
            if self._archive.stored_md5(identity.instance_id) is not None:
                return Reception("present", sha256=sha256)
            # Deleted here since: the study, made anew by storing, has lost its label.
            self._filing.unlabel(identity.study_id)
        return self._store(mo, dicom, sha256, identity)

    def upload(self, mo: str, dicom: bytes, identity: ObjectIdentity, login: str, at: datetime | None) -> Reception:
        """Take an object that a person has sent for `mo` at a time; answer when it is safe.

        As `receive`, but what must not join the archive is refused and not kept: the person is told and still has it.
        """
        self._require_room()
        sha256 = hashlib.sha256(dicom).hexdigest()
        decision = self._claims.claim(mo, sha256, identity, len(dicom), uploaded=(login, at))
        if decision.reason is not None or decision.replace:
            return Reception("rejected", decision.reason.code if decision.reason else OTHER_CONTENT.code)
        if not decision.store:
            if self._archive.stored_md5(identity.instance_id) is not None:
                return Reception("present", sha256=sha256)
            self._filing.unlabel(identity.study_id)
        if self._filing.store(dicom, identity).already_stored:
            digest = hashlib.md5(dicom, usedforsecurity=False).hexdigest()
            if self._archive.stored_md5(identity.instance_id) != digest:
                return Reception("rejected", OTHER_CONTENT.code)
        self._filing.file(mo, identity, sha256, len(dicom))
        self.on_stored()
        return Reception("stored", sha256=sha256)

    def owner_of(self, study_uid: str) -> str | None:
        """Return the МО that a Study Instance UID belongs to, or None."""
        with self._reader.connect() as connection:
            owner: str | None = connection.scalar(
                select(study_claim.c.owner).where(study_claim.c.study_uid == study_uid)
            )
        return owner

    def relabel(self) -> int:
        """Label studies that a crash left without; return how many."""
        return self._filing.relabel()

    def _store(self, mo: str, dicom: bytes, sha256: str, identity: ObjectIdentity) -> Reception:
        if self._filing.store(dicom, identity).already_stored:
            # "Already stored" says nothing of the content (reference/orthanc.md §4.3): compare.
            digest = hashlib.md5(dicom, usedforsecurity=False).hexdigest()
            if self._archive.stored_md5(identity.instance_id) != digest:
                return self._compare(mo, dicom, sha256, identity)
        self._filing.file(mo, identity, sha256, len(dicom))
        self.on_stored()
        return Reception("stored", sha256=sha256)

    def _compare(self, mo: str, dicom: bytes, sha256: str, identity: ObjectIdentity) -> Reception:
        """Take an object of which another file is stored: the same image in another encoding, or another image.

        A proxy's compression may change between two tries of which the first was stored and its answer lost.
        """
        this = identity.instance_id
        filed = self._filed_as(this)
        if filed is not None and not self.damage.look(this):
            return self._replace(mo, dicom, sha256, identity)
        if not self.contents.describe(dicom).same(self.contents.of(this)):
            return self._keep_apart(mo, dicom, identity, OTHER_CONTENT)
        if filed is None:  # a crash came between storing and filing it
            there = self._archive.reread(this)
            if there is None or not there.intact:
                raise Transient("what Orthanc has stored cannot be read")
            self._filing.file(mo, identity, there.sha256, there.size)
            self.on_stored()
            filed = there.sha256
        return Reception("present", sha256=filed)

    def _replace(self, mo: str, dicom: bytes, sha256: str, identity: ObjectIdentity) -> Reception:
        there = self._replacement.replace(mo, dicom, sha256, identity)
        if there is None:
            return self._keep_apart(mo, dicom, identity, OTHER_CONTENT)
        self.on_stored()
        return Reception("stored" if there == sha256 else "present", sha256=there)

    def _filed_as(self, instance_id: str) -> str | None:
        """Return the digest on record of an instance that is stored."""
        query = select(received_instance.c.sha256).where(
            received_instance.c.instance_id == instance_id, received_instance.c.stored_at.is_not(None)
        )
        with self._reader.connect() as connection:
            found: str | None = connection.scalar(query)
        return found

    def _keep_apart(self, mo: str, dicom: bytes, identity: ObjectIdentity, reason: Reason) -> Reception:
        if reason is STUDY_REMOVED:  # decided already: nobody is to look at it again
            return Reception("rejected", reason.code)
        self._quarantine.keep(dicom, identity, source=mo, reason=reason)
        log.error("an object of МО %s is kept in quarantine: %s", mo, reason.code)
        return Reception("quarantined", reason.code)
