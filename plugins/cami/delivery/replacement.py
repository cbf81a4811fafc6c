"""Putting a whole file in the place of one that was found damaged or gone at the centre.

Never of one that is whole: the file is read again first, and nothing else is replaced meanwhile. What comes in its
place must be what was on record: the same bytes, or the same object in another encoding. The order makes a crash
harmless at any point: the row says that replacing began and keeps the marks of the study (with its last instance goes
the study, labels and all); the damaged bytes go to the quarantine; only then are they deleted. The proxy, not
answered, sends the object again, and it goes on from there.
"""

import logging

from sqlalchemy import Connection, Engine, select, update

from cami.archive import Archive, Marks, ObjectIdentity
from cami.db import reading
from cami.db.tables import received_instance, stored_content
from cami.delivery.contents import Contents
from cami.delivery.damage import Damage
from cami.delivery.filing import Filing
from cami.delivery.quarantine import DAMAGED, Quarantine
from cami.errors import Transient

log = logging.getLogger(__name__)


class Replacement:
    """Replaces one file at a time."""

    def __init__(
        self,
        *,
        archive: Archive,
        engine: Engine,
        quarantine: Quarantine,
        damage: Damage,
        contents: Contents,
        filing: Filing,
    ) -> None:
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._quarantine = quarantine
        self._damage = damage
        self._contents = contents
        self._filing = filing

    def replace(self, mo: str, dicom: bytes, sha256: str, identity: ObjectIdentity) -> str | None:
        """Put an object of `mo` in the place of its damaged file.

        Returns
        -------
        str or None
            The digest of the file that stands there now; None if this is not the object that was on record.

        Raises
        ------
        cami.errors.Transient
            Orthanc cannot store now; the proxy will send it again.
        OSError
            The quarantine cannot be written; nothing was deleted.
        """
        this = identity.instance_id
        with self._damage.replacing:
            there = self._archive.reread(this)
            if there is not None and there.intact:
                if sha256 != there.sha256 and not self._contents.describe(dicom).same(self._contents.read(this)):
                    return None
                stands = there.sha256
            else:
                if sha256 != self._recorded(this) and not self._same(dicom, this):
                    return None
                self._replace(mo, dicom, sha256, identity)
                stands = sha256
            self._end(mo, identity, stands)
        log.warning("the file of instance %s is whole again", this)
        return stands

    def _replace(self, mo: str, dicom: bytes, sha256: str, identity: ObjectIdentity) -> None:
        self._begin(identity, sha256, len(dicom))
        self._set_aside(mo, identity)
        self._archive.delete_instance(identity.instance_id)
        self._filing.store(dicom, identity)
        found = self._archive.reread(identity.instance_id)
        if found is None or found.sha256 != sha256:
            raise Transient("the disk does not give back what was just stored")

    def _recorded(self, instance_id: str) -> str:
        with self._reader.connect() as connection:
            return (
                connection.scalar(
                    select(received_instance.c.sha256).where(received_instance.c.instance_id == instance_id)
                )
                or ""
            )

    def _same(self, dicom: bytes, instance_id: str) -> bool:
        """Compare with what was read of the file when it was whole."""
        return self._contents.describe(dicom).same(self._contents.recorded(instance_id))

    def _begin(self, identity: ObjectIdentity, sha256: str, size: int) -> None:
        marks = self._archive.marks(identity.study_id)
        this = identity.instance_id
        with self._engine.begin() as connection:
            self._damage.begin(connection, this, marks)
            # From now on these bytes are those on record: should a crash come after storing them, they are known.
            self._record(connection, this, sha256=sha256, size=size)
        self._filing.unlabel(identity.study_id)

    def _set_aside(self, mo: str, identity: ObjectIdentity) -> None:
        file = self._archive.open_stored(identity.instance_id)
        if file is None:
            return
        with file:
            try:
                damaged = file.read()
            except OSError:
                log.critical("the damaged file of instance %s cannot be read at all", identity.instance_id)
                return
        self._damage.keep_as(identity.instance_id, self._quarantine.keep(damaged, identity, source=mo, reason=DAMAGED))

    def _end(self, mo: str, identity: ObjectIdentity, stands: str) -> None:
        self._filing.label(identity.study_id, mo)
        self._archive.put_marks(identity.study_id, self._damage.marks(identity.instance_id) or Marks())
        with self._engine.begin() as connection:
            self._record(connection, identity.instance_id, sha256=stands)
            self._damage.close(connection, identity.instance_id)

    @staticmethod
    def _record(connection: Connection, instance_id: str, **values: str | int) -> None:
        """Write down which bytes stand there; what they hold is read anew."""
        connection.execute(
            update(received_instance).where(received_instance.c.instance_id == instance_id).values(**values)
        )
        connection.execute(
            update(stored_content).where(stored_content.c.instance_id == instance_id).values(read_at=None)
        )
