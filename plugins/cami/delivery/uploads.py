"""Objects that a proxy delivers in pieces, until they are whole: the centre's folder and table of unfinished uploads.

What was acknowledged is safe: a piece is written and synchronised before its end is written into the table, and what a
crash or a full disk leaves behind that end is overwritten. A proxy names an upload by the digest of the object, and
sees its own only. One that nobody goes on with is removed after a week.
"""

import errno
import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine, delete, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import upload
from cami.errors import Conflict, Invalid, NotFound

log = logging.getLogger(__name__)

#: How long an upload that nobody goes on with is kept.
LIFETIME = timedelta(days=7)
#: Unfinished uploads of one МО; a proxy has as many as it has streams. Beyond it the longest untouched goes.
MOST_OPEN = 200
#: What an upload must leave free on the disk.
SPARE_BYTES = 256 * 1024 * 1024
#: Largest object: the centre's Orthanc stores what fits into its memory (``MaximumRequestBodySizeMB``).
LARGEST = 4096 * 1024 * 1024

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload has come."""

    offset: int
    length: int

    @property
    def whole(self) -> bool:
        """Whether all has arrived."""
        return self.offset == self.length


class Damaged(Conflict):
    """The whole does not have the digest that was announced."""


class Uploads:
    """The unfinished uploads of all proxies."""

    def __init__(self, folder: Path, engine: Engine, clock: Clock, spare_bytes: int = SPARE_BYTES) -> None:
        self._folder = folder
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._spare = spare_bytes
        # One request at a time works on an upload; a few uploads share a lock.
        self._locks = [threading.Lock() for _ in range(64)]
        # One whole object at a time is in memory.
        self._finishing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, mo: str, sha256: str, length: int) -> Progress:
        """Begin an upload, or go on with it if the proxy has begun it before.

        Raises
        ------
        cami.errors.Invalid
            No object has this length.
        OSError
            There is no room for it.
        """
        if not 0 < length <= LARGEST:
            raise Invalid(f"an object has 1 to {LARGEST} bytes")
        with self._lock(mo, sha256):
            known = self._find(mo, sha256)
            if known is not None and known.length == length:
                return known
            if shutil.disk_usage(self._folder).free < length + self._spare:
                raise OSError(errno.ENOSPC, "too little room for another upload")
            self._forget(mo, sha256)
            self._make_room(mo)
            with self._engine.begin() as connection:
                connection.execute(
                    insert(upload).values(mo=mo, sha256=sha256, length=length, received=0, touched_at=self._clock.now())
                )
        return Progress(0, length)

    def progress(self, mo: str, sha256: str) -> Progress:
        """Return how far an upload has come.

        Raises
        ------
        cami.errors.NotFound
            This МО has no such upload.
        """
        known = self._find(mo, sha256)
        if known is None:
            raise NotFound("no such upload: begin it")
        return known

    def append(self, mo: str, sha256: str, offset: int, piece: bytes) -> Progress:
        """Add a piece; when this returns, it is on the disk.

        Raises
        ------
        cami.errors.NotFound
            This МО has no such upload.
        cami.errors.Conflict
            The piece does not begin where the upload ends.
        cami.errors.Invalid
            The piece is longer than the rest of the object.
        OSError
            The disk is full or broken; what was acknowledged before stays.
        """
        with self._lock(mo, sha256):
            known = self.progress(mo, sha256)
            path = self._path(mo, sha256)
            if known.offset and (not path.exists() or path.stat().st_size < known.offset):
                log.error("the file of an upload of МО %s is gone: it begins again", mo)
                known = self._record(mo, sha256, Progress(0, known.length))
            if offset != known.offset:
                raise Conflict(f"this upload goes on at {known.offset}")
            if offset + len(piece) > known.length:
                raise Invalid("the piece is longer than the rest of the object")
            if not piece:
                return known
            _write(path, offset, piece)
            return self._record(mo, sha256, Progress(offset + len(piece), known.length))

    def finish(self, mo: str, sha256: str, deliver: Callable[[bytes], _Answer]) -> _Answer:
        """Hand a whole upload to `deliver`, and remove it when that returns.

        Raises
        ------
        cami.errors.NotFound
            This МО has no such upload.
        Damaged
            It is not what was announced; it is removed.
        """
        with self._lock(mo, sha256), self._finishing:
            known = self.progress(mo, sha256)
            content = self._path(mo, sha256).read_bytes()[: known.length]
            if hashlib.sha256(content).hexdigest() != sha256:
                self._forget(mo, sha256)
                raise Damaged("the whole has another digest than announced: begin it again")
            answer = deliver(content)
            self._forget(mo, sha256)
            return answer

    def abandon(self, mo: str, sha256: str) -> None:
        """Remove an upload.

        Raises
        ------
        cami.errors.NotFound
            This МО has no such upload.
        """
        with self._lock(mo, sha256):
            self.progress(mo, sha256)
            self._forget(mo, sha256)

    def tidy(self) -> int:
        """Remove uploads that nobody goes on with, and files of none; return how many files went."""
        with self._reader.connect() as connection:
            old = connection.execute(
                select(upload.c.mo, upload.c.sha256).where(upload.c.touched_at < self._clock.now() - LIFETIME)
            ).all()
        for row in old:
            with self._lock(row.mo, row.sha256):
                self._forget(row.mo, row.sha256)
        strays = 0
        for path in self._folder.glob("*/*.part"):
            mo, sha256 = path.parent.name, path.stem
            with self._lock(mo, sha256):
                if self._find(mo, sha256) is None:
                    path.unlink(missing_ok=True)
                    strays += 1
        if old or strays:
            log.info("%d unfinished uploads removed, %d files without one", len(old), strays)
        return len(old) + strays

    def _find(self, mo: str, sha256: str) -> Progress | None:
        with self._reader.connect() as connection:
            row = connection.execute(
                select(upload.c.received, upload.c.length).where(upload.c.mo == mo, upload.c.sha256 == sha256)
            ).first()
        return None if row is None else Progress(row.received, row.length)

    def _record(self, mo: str, sha256: str, progress: Progress) -> Progress:
        with self._engine.begin() as connection:
            connection.execute(
                update(upload)
                .where(upload.c.mo == mo, upload.c.sha256 == sha256)
                .values(received=progress.offset, touched_at=self._clock.now())
            )
        return progress

    def _forget(self, mo: str, sha256: str) -> None:
        # The row first: a file without a row is found by `tidy`, a row without its file would promise what is gone.
        with self._engine.begin() as connection:
            connection.execute(delete(upload).where(upload.c.mo == mo, upload.c.sha256 == sha256))
        self._path(mo, sha256).unlink(missing_ok=True)

    def _make_room(self, mo: str) -> None:
        with self._reader.connect() as connection:
            surplus = list(
                connection.scalars(
                    select(upload.c.sha256)
                    .where(upload.c.mo == mo)
                    .order_by(upload.c.touched_at.desc())
                    .offset(MOST_OPEN - 1)
                )
            )
        for sha256 in surplus:
            self._forget(mo, sha256)

    def _path(self, mo: str, sha256: str) -> Path:
        return self._folder / mo / f"{sha256}.part"

    def _lock(self, mo: str, sha256: str) -> threading.Lock:
        return self._locks[hash((mo, sha256)) % len(self._locks)]


def _write(path: Path, offset: int, piece: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            view = memoryview(piece)
            while view:
                written = os.pwrite(descriptor, view, offset + len(piece) - len(view))
                view = view[written:]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):  # give back at once what a full disk did take
                os.ftruncate(descriptor, offset)
            raise
    finally:
        os.close(descriptor)
    if new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
