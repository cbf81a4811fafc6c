"""Stored files that were found damaged or gone, and whether they are whole again.

A disk errs in silence, so a file is whole when what lies on the disk now has the digest with which it was stored; the
index proves nothing. Whoever reads files notes it here; manifests and summaries then say that the centre does not hold
them, so that their proxy sends them again (`cami.delivery.replacement`).
"""

import json
import logging
import threading
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, bindparam, func, insert, select, update

from cami.archive import Archive, Marks
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import file_damage, received_instance

log = logging.getLogger(__name__)

_open = file_damage.c.repaired_at.is_(None)

#: In a query of ``received_instance``: whether its file is known to be damaged or gone.
known_damaged = (
    select(file_damage.c.instance_id)
    .where(file_damage.c.instance_id == received_instance.c.instance_id, _open)
    .exists()
)


# Made once: each object is looked at once after it was stored, and each file again and again.
_OPEN_HERE = select(func.count()).where(file_damage.c.instance_id == bindparam("this"), _open)
_ON_RECORD = select(received_instance.c.study_id, received_instance.c.sha256).where(
    received_instance.c.instance_id == bindparam("this"), received_instance.c.stored_at.is_not(None)
)


@dataclass(frozen=True, slots=True)
class _Record:
    study_id: str
    sha256: str


class Damage:
    """The table ``file_damage``. Thread-safe."""

    def __init__(self, archive: Archive, engine: Engine, clock: Clock) -> None:
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        #: Held while a file is replaced: what is just being replaced looks as if it were gone.
        self.replacing = threading.Lock()

    def look(self, instance_id: str) -> bool:
        """Read a file from the disk again, note damage, and return whether it is the one that was delivered."""
        record = self._record(instance_id)
        if record is None:
            return False
        found = self._archive.reread(instance_id)
        if found is not None and found.sha256 == record.sha256:
            if self.is_open(instance_id):
                self._settle(instance_id)
            return True
        with self.replacing:
            # Whatever was going on with it has ended: now it counts.
            record = self._record(instance_id)
            found = self._archive.reread(instance_id)
            if record is None or (found is not None and found.sha256 == record.sha256):
                return record is not None
            if found is not None and found.intact:
                # The disk is innocent: this is what Orthanc was given. Manifests tell that other bytes were delivered.
                log.error("the file of instance %s is whole, but not the one on record", instance_id)
                return False
            self._note(instance_id, record.study_id, "missing" if found is None else "damaged")
        return False

    def is_open(self, instance_id: str) -> bool:
        """Say whether the file of an instance is known to be damaged or gone."""
        with self._reader.connect() as connection:
            return bool(connection.scalar(_OPEN_HERE, {"this": instance_id}))

    def of_study(self, study_id: str) -> set[str]:
        """Return the instances of a study whose files are damaged or gone."""
        with self._reader.connect() as connection:
            return set(
                connection.scalars(select(file_damage.c.instance_id).where(file_damage.c.study_id == study_id, _open))
            )

    def begin(self, connection: Connection, instance_id: str, marks: Marks) -> None:
        """Note that the file is replaced from now on; the marks of the first try stand, since later ones find none."""
        connection.execute(
            update(file_damage)
            .where(file_damage.c.instance_id == instance_id, file_damage.c.replacing_at.is_(None))
            .values(replacing_at=self._clock.now(), marks=json.dumps(asdict(marks)))
        )

    def marks(self, instance_id: str) -> Marks | None:
        """Return what stood on the study when replacing began; None if it has not."""
        with self._reader.connect() as connection:
            text = connection.scalar(select(file_damage.c.marks).where(file_damage.c.instance_id == instance_id))
        if text is None:
            return None
        found = json.loads(text)
        return Marks(tuple(found["labels"]), found["metadata"])

    def keep_as(self, instance_id: str, sha256: str) -> None:
        """Note under which name the quarantine keeps the damaged bytes."""
        with self._engine.begin() as connection:
            connection.execute(
                update(file_damage).where(file_damage.c.instance_id == instance_id).values(kept_as=sha256)
            )

    def close(self, connection: Connection, instance_id: str) -> None:
        """Note that a whole file stands in its place."""
        connection.execute(
            update(file_damage)
            .where(file_damage.c.instance_id == instance_id, _open)
            .values(repaired_at=self._clock.now(), replacing_at=None, marks=None)
        )

    def _settle(self, instance_id: str) -> None:
        """Close what is whole again by itself; what is being replaced is closed by whoever replaces it."""
        with self._engine.begin() as connection:
            being_replaced = connection.scalar(
                select(file_damage.c.replacing_at).where(file_damage.c.instance_id == instance_id, _open)
            )
            if being_replaced is None:
                self.close(connection, instance_id)

    def _note(self, instance_id: str, study_id: str, kind: str) -> None:
        fresh = {"kind": kind, "found_at": self._clock.now(), "repaired_at": None, "kept_as": None}
        with self._engine.begin() as connection:
            known = connection.execute(
                select(file_damage.c.repaired_at).where(file_damage.c.instance_id == instance_id)
            ).first()
            if known is None:
                connection.execute(insert(file_damage).values(instance_id=instance_id, study_id=study_id, **fresh))
            elif known.repaired_at is None:
                return
            else:
                connection.execute(update(file_damage).where(file_damage.c.instance_id == instance_id).values(**fresh))
        log.critical("the stored file of instance %s is %s; its proxy will be asked for it", instance_id, kind)

    def _record(self, instance_id: str) -> _Record | None:
        with self._reader.connect() as connection:
            row = connection.execute(_ON_RECORD, {"this": instance_id}).first()
        return None if row is None else _Record(row.study_id, row.sha256)
