"""The quarantine: objects that were accepted but must not be joined to the archive, kept with the reason.

The bytes are written first (a temporary file, synchronised, renamed), then the row; a crash in between may leave a
file without a row (the sender, not answered, sends it again), but never a row without its file.
"""

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, insert, select, update

from cami.archive import ObjectIdentity
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import quarantined_object
from cami.delivery.journal import KeptApart


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an object is kept apart: the code goes to the database and over the wire, the words to people."""

    code: str
    russian: str


OTHER_MO_STUDY = Reason("other-mo-study", "Исследование с этим UID принадлежит другой МО")
OTHER_MO_INSTANCE = Reason("other-mo-instance", "Снимок с этим UID принадлежит другой МО")
OTHER_CONTENT = Reason("other-content", "Снимок с этим UID уже принят, но содержимое другое")
DAMAGED = Reason("damaged-file", "Файл был повреждён в хранилище центра и заменён исправной копией")
STUDY_REMOVED = Reason("study-removed", "Исследование удалено из архива по решению двух лиц")
REASONS = {reason.code: reason for reason in (OTHER_MO_STUDY, OTHER_MO_INSTANCE, OTHER_CONTENT, DAMAGED, STUDY_REMOVED)}


#: States of an object: nobody has decided, it found its way into the archive, it is not wanted, its bytes are gone.
OPEN, SETTLED, REJECTED, REMOVED = "open", "settled", "rejected", "removed"


class Quarantine:
    """The folder and the table of objects kept apart."""

    def __init__(self, folder: Path, engine: Engine, clock: Clock, journal: KeptApart | None = None) -> None:
        self._journal = journal
        self._folder = folder
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, dicom: bytes, identity: ObjectIdentity, *, source: str, reason: Reason) -> str:
        """Keep an object and return its SHA-256. The same object from the same source twice is kept once.

        What was decided of it holds while its bytes are kept; after that it has to be looked at again.

        Raises
        ------
        OSError
            The disk is full or broken; nothing was accepted.
        """
        with self._lock:
            return self._keep(dicom, identity, source, reason)

    def count(self) -> int:
        """Return how many objects wait for a decision."""
        query = select(func.count()).where(quarantined_object.c.state == OPEN)
        with self._reader.connect() as connection:
            return connection.scalar(query) or 0

    def read(self, sha256: str) -> bytes:
        """Return the bytes of an object that is kept apart."""
        return self._path(sha256).read_bytes()

    def head(self, sha256: str, size: int) -> bytes:
        """Return the beginning of the bytes of an object; nothing if they are gone."""
        try:
            with self._path(sha256).open("rb") as file:
                return file.read(size)
        except OSError:
            return b""

    def remove(self, sha256: str, source: str) -> None:
        """Remove the bytes of an object of which somebody decided, unless another source's row needs them still.

        The row says so before the file goes: what comes in meanwhile is written anew and waits for a decision again.
        """
        ours = quarantined_object.c.sha256 == sha256
        decided = ours & (quarantined_object.c.source == source) & quarantined_object.c.state.in_([SETTLED, REJECTED])
        with self._lock:
            with self._engine.begin() as connection:
                connection.execute(update(quarantined_object).where(decided).values(state=REMOVED))
                others = select(func.count()).where(ours, quarantined_object.c.state != REMOVED)
                needed = connection.scalar(others)
            if not needed:
                self._path(sha256).unlink(missing_ok=True)

    def _keep(self, dicom: bytes, identity: ObjectIdentity, source: str, reason: Reason) -> str:
        sha256 = hashlib.sha256(dicom).hexdigest()
        self._write(sha256, dicom)
        key = (quarantined_object.c.sha256 == sha256) & (quarantined_object.c.source == source)
        with self._engine.begin() as connection:
            state = connection.scalar(select(quarantined_object.c.state).where(key))
            if state == REMOVED:
                again = {"state": OPEN, "reason": reason.code, "received_at": self._clock.now()}
                connection.execute(update(quarantined_object).where(key).values(again))
            if state is not None:
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
            if self._journal:
                self._journal.note(connection, identity, source, reason.code)
        return sha256

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
