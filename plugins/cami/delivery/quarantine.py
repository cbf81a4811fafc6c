"""The quarantine: objects that were accepted but must not be joined to the archive, kept with the reason.

The bytes are written first (a temporary file, synchronised, renamed), then the row; a crash in between may leave a
file without a row (the sender, not answered, sends it again), but never a row without its file.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, insert, select

from cami.archive import ObjectIdentity
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import quarantined_object


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an object is kept apart: the code goes to the database and over the wire, the words to people."""

    code: str
    russian: str


OTHER_MO_STUDY = Reason("other-mo-study", "Исследование с этим UID принадлежит другой МО")
OTHER_MO_INSTANCE = Reason("other-mo-instance", "Снимок с этим UID принадлежит другой МО")
OTHER_CONTENT = Reason("other-content", "Снимок с этим UID уже принят, но содержимое другое")
DAMAGED = Reason("damaged-file", "Файл был повреждён в хранилище центра и заменён исправной копией")
REASONS = {reason.code: reason for reason in (OTHER_MO_STUDY, OTHER_MO_INSTANCE, OTHER_CONTENT, DAMAGED)}


class Quarantine:
    """The folder and the table of objects kept apart."""

    def __init__(self, folder: Path, engine: Engine, clock: Clock) -> None:
        self._folder = folder
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, dicom: bytes, identity: ObjectIdentity, *, source: str, reason: Reason) -> str:
        """Keep an object and return its SHA-256. The same object from the same source twice is kept once.

        Raises
        ------
        OSError
            The disk is full or broken; nothing was accepted.
        """
        sha256 = hashlib.sha256(dicom).hexdigest()
        self._write(sha256, dicom)
        key = (quarantined_object.c.sha256 == sha256) & (quarantined_object.c.source == source)
        with self._engine.begin() as connection:
            if connection.scalar(select(func.count()).where(key)):
                return sha256
            connection.execute(
                insert(quarantined_object).values(
                    sha256=sha256,
                    source=source,
                    reason=reason.code,
                    sop_uid=identity.sop_uid[:128],
                    study_uid=identity.study_uid[:128],
                    size=len(dicom),
                    received_at=self._clock.now(),
                )
            )
        return sha256

    def count(self) -> int:
        """Return how many objects are kept apart."""
        with self._reader.connect() as connection:
            return connection.scalar(select(func.count()).select_from(quarantined_object)) or 0

    def read(self, sha256: str) -> bytes:
        """Return the bytes of an object that is kept apart."""
        return self._path(sha256).read_bytes()

    def _write(self, sha256: str, dicom: bytes) -> None:
        path = self._path(sha256)
        if path.exists():
            return
        temporary = path.with_suffix(f".{os.getpid()}.part")
        with temporary.open("wb") as file:
            file.write(dicom)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.dcm"
