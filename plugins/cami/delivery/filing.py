"""Storing an object in the centre's Orthanc under its owner: label and metadata on the study, counts in our tables."""

import logging
import threading

from sqlalchemy import Connection, Engine, bindparam, func, select, update

from cami.access import owner_label
from cami.archive import Archive, ObjectIdentity, StoreOutcome
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import received_instance, stored_content, study, study_completeness

log = logging.getLogger(__name__)

#: Name of the study metadata that carries the owner's code (``UserMetadata`` of the Orthanc configuration).
OWNER_METADATA = "CamiOwner"

# Made once: making a statement costs more than the database's answer, and each object needs them all.
_NOW = bindparam("now", type_=study.c.last_stored_at.type)
_LABELLED = select(study.c.labelled).where(study.c.study_id == bindparam("study"))
_BEFORE = select(received_instance.c.stored_at, received_instance.c.size).where(
    received_instance.c.instance_id == bindparam("this")
)
_STORED = (
    update(received_instance)
    .where(received_instance.c.instance_id == bindparam("this"))
    .values(stored_at=_NOW, sha256=bindparam("digest"), size=bindparam("bytes"))
)
_GROWN = (
    update(study)
    .where(study.c.study_id == bindparam("study"))
    .values(
        last_stored_at=_NOW,
        first_stored_at=func.coalesce(study.c.first_stored_at, _NOW),
        stored_bytes=study.c.stored_bytes + bindparam("more"),
    )
)
#: Another stored object of the series that one belongs to.
_OTHERS = (
    select(stored_content.c.instance_id)
    .join_from(stored_content, received_instance)
    .where(
        stored_content.c.series_id
        == select(stored_content.c.series_id)
        .where(stored_content.c.instance_id == bindparam("this"))
        .scalar_subquery(),
        received_instance.c.stored_at.is_not(None),
    )
    .limit(1)
)
_COUNTED = (
    update(study_completeness)
    .where(study_completeness.c.study_id == bindparam("study"))
    .values(instances=study_completeness.c.instances + 1, series=study_completeness.c.series + bindparam("new"))
)


class Filing:
    """Puts objects into Orthanc. Thread-safe."""

    def __init__(self, archive: Archive, engine: Engine, clock: Clock) -> None:
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._labelling = threading.Lock()

    def store(self, dicom: bytes, identity: ObjectIdentity) -> StoreOutcome:
        """Let Orthanc store an object that is claimed."""
        outcome = self._archive.store(dicom)
        if outcome.instance_id != identity.instance_id:
            # Cannot happen while both compute the same hash; if it does, ownership would be wrong: stop here.
            log.critical("Orthanc stored %s where %s was claimed", outcome.instance_id, identity.instance_id)
            raise RuntimeError("Orthanc's identifier differs from the claimed one")
        return outcome

    def file(self, mo: str, identity: ObjectIdentity, sha256: str, size: int) -> None:
        """Label the study of an object that is stored with these bytes, and count it."""
        self.label(identity.study_id, mo)
        now = self._clock.now()
        this = {"this": identity.instance_id}
        with self._engine.begin() as connection:
            before = connection.execute(_BEFORE, this).one()
            first = before.stored_at is None
            if first:
                _count(connection, identity)
            connection.execute(_STORED, {**this, "now": now, "digest": sha256, "bytes": size})
            more = size - (0 if first else before.size)
            connection.execute(_GROWN, {"study": identity.study_id, "now": now, "more": more})

    def unlabel(self, study_id: str) -> None:
        """Note that the study, made anew by the next object, has no label."""
        with self._engine.begin() as connection:
            connection.execute(update(study).where(study.c.study_id == study_id).values(labelled=False))

    def label(self, study_id: str, owner: str) -> None:
        """Put the owner on a study, unless it is there."""
        with self._labelling:
            with self._reader.connect() as connection:
                if connection.scalar(_LABELLED, {"study": study_id}):
                    return
            self._archive.put_label(study_id, owner_label(owner))
            self._archive.put_metadata(study_id, OWNER_METADATA, owner)
            with self._engine.begin() as connection:
                connection.execute(update(study).where(study.c.study_id == study_id).values(labelled=True))

    def relabel(self) -> int:
        """Label studies that a crash left without; return how many.

        Until then nobody but the region administrator sees them in stock tools, so waiting is safe.
        """
        with self._reader.connect() as connection:
            rows = connection.execute(select(study.c.study_id, study.c.owner).where(~study.c.labelled)).all()
        done = 0
        for row in rows:
            if self._archive.instances_of(row.study_id):
                self.label(row.study_id, row.owner)
                done += 1
        return done


def _count(connection: Connection, identity: ObjectIdentity) -> None:
    """Count an object that is stored for the first time, and its series if it is the first of it."""
    new_series = connection.scalar(_OTHERS, {"this": identity.instance_id}) is None
    connection.execute(_COUNTED, {"study": identity.study_id, "new": int(new_series)})
