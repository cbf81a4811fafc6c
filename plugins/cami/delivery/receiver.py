"""Receiving at the centre: claim the owner, let Orthanc store, label the study, then answer."""

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, case, func, insert, select, update

from cami.access import owner_label
from cami.archive import Archive, ObjectIdentity
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import received_instance, study, study_claim
from cami.delivery.ownership import Decision, KnownInstance, decide
from cami.delivery.quarantine import OTHER_CONTENT, Quarantine, Reason
from cami.delivery.reasons import Cause
from cami.delivery.summary import summarize
from cami.errors import Permanent

log = logging.getLogger(__name__)

#: Name of the study metadata that carries the owner's code (``UserMetadata`` of the Orthanc configuration).
OWNER_METADATA = "CamiOwner"


@dataclass(frozen=True, slots=True)
class Reception:
    """What became of a delivered object."""

    outcome: Literal["stored", "present", "quarantined", "rejected"]
    reason: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ManifestCheck:
    """What the centre lacks of a manifest."""

    missing: tuple[str, ...]
    different: tuple[str, ...]


class Receiver:
    """The centre's end of the delivery."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        quarantine: Quarantine,
        clock: Clock,
        require_room: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a receiver; `require_room` raises `cami.delivery.disk.NoRoom` while the volume is full."""
        self._archive = archive
        self._require_room = require_room
        self._engine = engine
        self._reader = reading(engine)
        self._quarantine = quarantine
        self._clock = clock
        self._labelling = threading.Lock()

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
        decision = self._claim(mo, sha256, identity, len(dicom))
        if decision.reason is not None:
            return self._keep_apart(mo, dicom, identity, decision.reason)
        if not decision.store:
            if self._archive.stored_md5(identity.instance_id) is not None:
                return Reception("present", sha256=sha256)
            # Deleted here since: the study, made anew by storing, has lost its label.
            with self._engine.begin() as connection:
                connection.execute(update(study).where(study.c.study_id == identity.study_id).values(labelled=False))
        return self._store(mo, dicom, sha256, identity, study_total)

    def check(self, mo: str, study_id: str, instances: Mapping[str, str], *, lag: float | None = None) -> ManifestCheck:
        """Compare a proxy's manifest of one study with what is here, in the database and in Orthanc.

        Parameters
        ----------
        mo
            The МО that asks; of another МО's studies it learns nothing.
        study_id
            Orthanc id of the study.
        instances
            Orthanc instance id → SHA-256 as delivered.
        lag
            Seconds that the slowest of them took from the device to the centre, by the proxy's clock; None: unknown.
        """
        known = self._stored(mo, study_id)
        present = set(self._archive.instances_of(study_id)) if known else set()
        missing = tuple(key for key in instances if key not in known or key not in present)
        different = tuple(
            key for key in instances if key in present and known.get(key, instances[key]) != instances[key]
        )
        whole = not missing and not different
        with self._engine.begin() as connection:
            connection.execute(
                update(study)
                .where(study.c.study_id == study_id, study.c.owner == mo)
                .values(
                    expected=len(instances),
                    confirmed_at=self._clock.now() if whole else None,
                    lag_seconds=study.c.lag_seconds if lag is None else lag,
                )
            )
        return ManifestCheck(missing, different)

    def compare(self, mo: str, summaries: Mapping[str, str]) -> Sequence[str]:
        """Return the studies of which another summary would be made here (`cami.delivery.summary`).

        Parameters
        ----------
        mo
            The МО that asks; another МО's studies are unlike, as unknown ones are.
        summaries
            Orthanc study id → the summary of what the proxy expects here.
        """
        unlike = []
        for study_id, summary in summaries.items():
            known = self._stored(mo, study_id)
            present = set(self._archive.instances_of(study_id)) if known else set()
            if summarize({key: sha256 for key, sha256 in known.items() if key in present}) != summary:
                unlike.append(study_id)
        return unlike

    def verify(self, mo: str, instances: Mapping[str, str]) -> Sequence[str]:
        """Read files from the disk again; return the ids of those that are not exactly what was delivered.

        What a proxy asks before it lets go of its own copy: an index that lists a file proves nothing of the file.

        Parameters
        ----------
        mo
            The МО that asks; of another МО's instances it learns nothing.
        instances
            Orthanc instance id → SHA-256 as delivered.
        """
        with self._reader.connect() as connection:
            own = set(
                connection.scalars(
                    select(received_instance.c.instance_id)
                    .join(study)
                    .where(study.c.owner == mo, received_instance.c.instance_id.in_(list(instances)))
                )
            )
        bad = []
        for instance_id, sha256 in instances.items():
            found = self._archive.reread(instance_id) if instance_id in own else None
            if found is None or found.sha256 != sha256:
                bad.append(instance_id)
        return bad

    def _stored(self, mo: str, study_id: str) -> dict[str, str]:
        """Return what is stored of a study of `mo` by the database: Orthanc instance id → SHA-256 as delivered."""
        query = (
            select(received_instance.c.instance_id, received_instance.c.sha256)
            .join(study)
            .where(study.c.study_id == study_id, study.c.owner == mo, received_instance.c.stored_at.is_not(None))
        )
        with self._reader.connect() as connection:
            return {row.instance_id: row.sha256 for row in connection.execute(query)}

    def relabel(self) -> int:
        """Label studies that a crash left without; return how many.

        Until then nobody but the region administrator sees them in stock tools, so waiting is safe.
        """
        with self._reader.connect() as connection:
            rows = connection.execute(select(study.c.study_id, study.c.owner).where(~study.c.labelled)).all()
        done = 0
        for row in rows:
            if self._archive.instances_of(row.study_id):
                self._label(row.study_id, row.owner)
                done += 1
        return done

    def _claim(self, mo: str, sha256: str, identity: ObjectIdentity, size: int) -> Decision:
        with self._engine.begin() as connection:
            claimed = connection.scalar(
                select(study_claim.c.owner).where(study_claim.c.study_uid == identity.study_uid)
            )
            # The same Orthanc study under another UID must not exist; should it, its owner counts as well.
            filed = connection.scalar(select(study.c.owner).where(study.c.study_id == identity.study_id))
            owner = filed if filed not in (None, mo) else claimed
            decision = decide(mo, sha256, identity, owner, _namesakes(connection, identity.sop_uid))
            if decision.store:
                self._write_claim(connection, mo, sha256, identity, size, first=claimed is None)
        return decision

    def _write_claim(
        self, connection: Connection, mo: str, sha256: str, identity: ObjectIdentity, size: int, *, first: bool
    ) -> None:
        now = self._clock.now()
        if first:
            connection.execute(insert(study_claim).values(study_uid=identity.study_uid, owner=mo, claimed_at=now))
        study_here = study.c.study_id == identity.study_id
        if not connection.scalar(select(func.count()).where(study_here)):
            connection.execute(
                insert(study).values(
                    study_id=identity.study_id,
                    study_uid=identity.study_uid,
                    owner=mo,
                    modality=identity.modality[:16],
                    description=identity.study_description,
                    claimed_at=now,
                    labelled=False,
                )
            )
        if not connection.scalar(select(func.count()).where(received_instance.c.instance_id == identity.instance_id)):
            connection.execute(
                insert(received_instance).values(
                    instance_id=identity.instance_id,
                    sop_uid=identity.sop_uid,
                    study_id=identity.study_id,
                    sha256=sha256,
                    size=size,
                )
            )

    def _store(self, mo: str, dicom: bytes, sha256: str, identity: ObjectIdentity, study_total: int) -> Reception:
        outcome = self._archive.store(dicom)
        if outcome.instance_id != identity.instance_id:
            # Cannot happen while both compute the same hash; if it does, ownership would be wrong: stop here.
            log.critical("Orthanc stored %s where %s was claimed", outcome.instance_id, identity.instance_id)
            raise RuntimeError("Orthanc's identifier differs from the claimed one")
        if outcome.already_stored:
            # "Already stored" says nothing of the content (reference/orthanc.md §4.3): compare.
            digest = hashlib.md5(dicom, usedforsecurity=False).hexdigest()
            if self._archive.stored_md5(identity.instance_id) != digest:
                return self._keep_apart(mo, dicom, identity, OTHER_CONTENT)
        self._label(identity.study_id, mo)
        now = self._clock.now()
        with self._engine.begin() as connection:
            this = received_instance.c.instance_id == identity.instance_id
            first = connection.execute(
                update(received_instance).where(this, received_instance.c.stored_at.is_(None)).values(stored_at=now)
            ).rowcount
            if not first:  # deleted here since, and stored again
                connection.execute(update(received_instance).where(this).values(stored_at=now))
            connection.execute(
                update(study)
                .where(study.c.study_id == identity.study_id)
                .values(
                    last_stored_at=now,
                    first_stored_at=func.coalesce(study.c.first_stored_at, now),
                    stored_bytes=study.c.stored_bytes + (len(dicom) if first else 0),
                    # Requests overtake each other: the largest counts, until a manifest says how many there are.
                    expected=case((study.c.expected >= study_total, study.c.expected), else_=study_total or None),
                )
            )
        return Reception("stored", sha256=sha256)

    def _label(self, study_id: str, owner: str) -> None:
        with self._labelling:
            with self._reader.connect() as connection:
                if connection.scalar(select(study.c.labelled).where(study.c.study_id == study_id)):
                    return
            self._archive.put_label(study_id, owner_label(owner))
            self._archive.put_metadata(study_id, OWNER_METADATA, owner)
            with self._engine.begin() as connection:
                connection.execute(update(study).where(study.c.study_id == study_id).values(labelled=True))

    def _keep_apart(self, mo: str, dicom: bytes, identity: ObjectIdentity, reason: Reason) -> Reception:
        self._quarantine.keep(dicom, identity, source=mo, reason=reason)
        log.error("an object of МО %s is kept in quarantine: %s", mo, reason.code)
        return Reception("quarantined", reason.code)


def _namesakes(connection: Connection, sop_uid: str) -> Sequence[KnownInstance]:
    rows = connection.execute(
        select(
            received_instance.c.instance_id,
            received_instance.c.sha256,
            received_instance.c.stored_at,
            study.c.owner,
        )
        .join(study)
        .where(received_instance.c.sop_uid == sop_uid)
    )
    return [KnownInstance(row.instance_id, row.owner, row.sha256, row.stored_at is not None) for row in rows]
