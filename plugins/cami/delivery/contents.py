"""What the objects that the centre stores hold, read from the disk after they were stored, in the background.

It is what a manifest is compared with by pixels, what tells an object that comes again in another encoding from one
with other content, and what a whole copy is recognized by when the stored file has been damaged since.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from sqlalchemy import Connection, Engine, insert, select, update

from cami.archive import Archive, ObjectIdentity, orthanc_id
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import received_instance, stored_content
from cami.delivery.content import NO_PIXELS, Content, Unreadable, content
from cami.delivery.damage import Damage, known_damaged

log = logging.getLogger(__name__)

#: Objects that are read in one step.
BATCH = 20
#: What takes more memory than this, encoded or not, is not decoded: its pixels are compared as they are.
LARGEST = 128 * 1024 * 1024

_JPEG_LS = "1.2.840.10008.1.2.4.80"


@dataclass(frozen=True, slots=True)
class Stored:
    """What one object holds; a digest is None where there is nothing to digest, all are where it cannot be told."""

    dataset: str | None = None
    native: str | None = None
    encapsulated: str | None = None

    def same(self, other: "Stored") -> bool:
        """Whether both are the same object, in whatever encoding."""
        if self.dataset is None or self.dataset != other.dataset:
            return False
        if self.native is not None and other.native is not None:
            return self.native == other.native
        return (self.native, self.encapsulated) == (other.native, other.encapsulated)

    def agrees(self, claim: str) -> bool:
        """Whether its pixels are those of a proxy's claim (`cami.delivery.content.Content.pixels`)."""
        if self.dataset is None:
            return False
        if claim == NO_PIXELS:
            return self.native is None and self.encapsulated is None
        kind, _, digest = claim.partition(":")
        return digest != "" and digest == {"native": self.native, "encapsulated": self.encapsulated}.get(kind)


class Contents:
    """The table ``stored_content``. Thread-safe."""

    def __init__(self, archive: Archive, engine: Engine, damage: Damage, clock: Clock) -> None:
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._damage = damage
        self._clock = clock

    def step(self) -> bool:
        """Read some objects that have not been read since they were stored; return whether there are more."""
        query = (
            select(stored_content.c.instance_id, stored_content.c.series_id)
            .join_from(stored_content, received_instance)
            .where(stored_content.c.read_at.is_(None), received_instance.c.stored_at.is_not(None), ~known_damaged)
            .limit(BATCH)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        found = {row.instance_id: self._values(row.instance_id, row.series_id) for row in rows}
        with self._engine.begin() as connection:
            for instance_id, values in found.items():
                connection.execute(
                    update(stored_content).where(stored_content.c.instance_id == instance_id).values(**values)
                )
        return len(rows) == BATCH

    def of(self, instance_id: str) -> Stored:
        """Return what a stored object holds, read now if it has not been yet."""
        known = self.recorded(instance_id)
        return self.read(instance_id) if known.dataset is None else known

    def recorded(self, instance_id: str) -> Stored:
        """Return what was read of a stored object at some time, whatever lies on the disk now."""
        query = select(stored_content).where(stored_content.c.instance_id == instance_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return Stored() if row is None else Stored(row.dataset, row.native, row.encapsulated)

    def of_study(self, study_id: str) -> dict[str, Stored | None]:
        """Return what each known object of a study holds; None for one that has not been read yet."""
        query = (
            select(stored_content)
            .join_from(stored_content, received_instance)
            .where(received_instance.c.study_id == study_id)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return {
            row.instance_id: None if row.read_at is None else Stored(row.dataset, row.native, row.encapsulated)
            for row in rows
        }

    def describe(self, dicom: bytes) -> Stored:
        """Return what an object holds that is not stored."""
        return self._describe(BytesIO(dicom), len(dicom))

    def note_claims(self, connection: Connection, claims: Mapping[str, str], agree: Mapping[str, bool]) -> None:
        """Note what a proxy says of pixels, and whether it is so."""
        for instance_id, claim in claims.items():
            connection.execute(
                update(stored_content)
                .where(stored_content.c.instance_id == instance_id)
                .values(claimed=claim[:80], agrees=agree.get(instance_id))
            )

    def _values(self, instance_id: str, series_id: str) -> dict[str, object]:
        values: dict[str, object] = {"read_at": self._clock.now()}
        if not series_id:  # stored by an earlier release
            identity = self._archive.identify(instance_id)
            values["series_id"] = "" if identity is None else identity.series_id
        if not self._damage.look(instance_id):
            if self._damage.is_open(instance_id):  # read when it is whole again
                values["read_at"] = None
        else:
            held = self.read(instance_id)
            values |= {"dataset": held.dataset, "native": held.native, "encapsulated": held.encapsulated}
        return values

    def read(self, instance_id: str) -> Stored:
        """Read what lies on the disk now."""
        file = self._archive.open_stored(instance_id)
        if file is None:
            return Stored()
        with file:
            size = file.seek(0, 2)
            file.seek(0)
            return self._describe(file, size)

    def _describe(self, file: BinaryIO, size: int) -> Stored:
        try:
            held = content(file)
            plain = self._in_plain(file, size, held)
        except Unreadable:
            return Stored()
        native, encapsulated = _digest(held.pixels, "native"), _digest(held.pixels, "encapsulated")
        if plain is None:
            return Stored(held.dataset, native, encapsulated)
        return Stored(plain.dataset, native or _digest(plain.pixels, "native"), encapsulated)

    def _in_plain(self, file: BinaryIO, size: int, held: Content) -> Content | None:
        """Read the object uncompressed, if that is another form of it and takes no more memory than it may."""
        if held.plain and held.syntax != _JPEG_LS:
            return None
        if max(size, held.native_size) > LARGEST:
            return None
        file.seek(0)
        plain = self._archive.in_plain(file.read())
        return None if plain is None else content(BytesIO(plain))


def claim_content(connection: Connection, identity: ObjectIdentity) -> None:
    """Enter an object that is about to be stored."""
    series_id = orthanc_id(identity.patient_id, identity.study_uid, identity.series_uid)
    connection.execute(insert(stored_content).values(instance_id=identity.instance_id, series_id=series_id))


def _digest(pixels: str, kind: str) -> str | None:
    return pixels.partition(":")[2] if pixels.startswith(kind + ":") else None
