"""Objects that a proxy delivers in pieces, until they are whole: the centre's folder and table of unfinished uploads.

What was acknowledged is safe: a piece is written and synchronised before its end is written into the table, and what a
crash or a full disk leaves behind that end is overwritten. A proxy names an upload by the digest of the object, and
sees its own only. Several connections may bring parts of one object: all are written into one file, each at its place,
so joining them costs nothing. What nobody goes on with is removed after a week.
"""

import errno
import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine

from cami.clock import Clock
from cami.delivery.upload_rows import Place, Progress, UploadRows
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


class Damaged(Conflict):
    """The whole does not have the digest that was announced."""


class Uploads:
    """The unfinished uploads of all proxies."""

    def __init__(self, folder: Path, engine: Engine, clock: Clock, spare_bytes: int = SPARE_BYTES) -> None:
        self._folder = folder
        self._rows = UploadRows(engine, clock)
        self._spare = spare_bytes
        # One request at a time works on an upload; a few uploads share a lock.
        self._locks = [threading.Lock() for _ in range(64)]
        # One whole object at a time is in memory.
        self._finishing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def begin(self, place: Place, length: int, size: int) -> Progress:
        """Begin a part of an object of `size` bytes, or go on with it if the proxy has begun it before.

        Raises
        ------
        cami.errors.Invalid
            No object has this size, or the part is not in it.
        OSError
            There is no room for it.
        """
        if not 0 < size <= LARGEST:
            raise Invalid(f"an object has 1 to {LARGEST} bytes")
        if not 0 < length <= size - place.start:
            raise Invalid("the part is not within the object")
        with self._lock(place):
            parts = self._rows.parts(place)
            known = parts.get(place.start)
            if known is not None and (known.length, known.size) == (length, size):
                return known
            if any(_clash(start, part, place.start, length, size) for start, part in parts.items()):
                self._forget(place)  # cut in another way than before: it begins again
                parts = {}
            if not parts:
                self._make_room(place.mo, size)
            self._rows.add(place, length, size)
        return Progress(0, length, size)

    def progress(self, place: Place) -> Progress:
        """Return how far a part has come.

        Raises
        ------
        cami.errors.NotFound
            This МО has no such upload.
        """
        known = self._rows.parts(place).get(place.start)
        if known is None:
            raise NotFound("no such upload: begin it")
        return known

    def append(self, place: Place, offset: int, piece: bytes) -> Progress:
        """Add a piece to a part; when this returns, it is on the disk.

        Raises
        ------
        cami.errors.NotFound
            This МО has no such upload.
        cami.errors.Conflict
            The piece does not begin where the part ends.
        cami.errors.Invalid
            The piece is longer than the rest of the part.
        OSError
            The disk is full or broken; what was acknowledged before stays.
        """
        with self._lock(place):
            known = self.progress(place)
            path = self._path(place)
            if known.offset and (not path.exists() or path.stat().st_size < place.start + known.offset):
                log.error("the file of an upload of МО %s is gone: it begins again", place.mo)
                self._rows.begin_again(place)
                known = Progress(0, known.length, known.size)
            if offset != known.offset:
                raise Conflict(f"this upload goes on at {known.offset}")
            if offset + len(piece) > known.length:
                raise Invalid("the piece is longer than the rest of the part")
            if not piece:
                return known
            _write(path, place.start + offset, piece)
            return self._rows.record(place, Progress(offset + len(piece), known.length, known.size))

    def finish(self, place: Place, deliver: Callable[[bytes], _Answer]) -> _Answer:
        """Hand a whole object to `deliver`, and remove the upload when that returns.

        Raises
        ------
        cami.errors.NotFound
            This МО has no such upload.
        cami.errors.Conflict
            Not all of it is here.
        Damaged
            It is not what was announced; it is removed.
        """
        with self._lock(place), self._finishing:
            parts = self._rows.parts(place)
            if not parts:
                raise NotFound("no such upload: begin it")
            size = next(iter(parts.values())).size
            # Parts do not overlap (`begin`), so all of it is here when they add up.
            if sum(part.offset for part in parts.values()) != size:
                raise Conflict("not all parts of this object are here")
            path = self._path(place)
            content = path.read_bytes()[:size] if path.exists() else b""
            if hashlib.sha256(content).hexdigest() != place.sha256:
                self._forget(place)
                raise Damaged("the whole has another digest than announced: begin it again")
            answer = deliver(content)
            self._forget(place)
            return answer

    def abandon(self, place: Place) -> None:
        """Remove an upload with all its parts.

        Raises
        ------
        cami.errors.NotFound
            This МО has no such upload.
        """
        with self._lock(place):
            self.progress(place)
            self._forget(place)

    def tidy(self) -> int:
        """Remove uploads that nobody goes on with, and files of none; return how many files went."""
        old = self._rows.untouched(LIFETIME)
        for place in old:
            with self._lock(place):
                self._forget(place)
        strays = 0
        for path in self._folder.glob("*/*.part"):
            place = Place(path.parent.name, path.stem)
            with self._lock(place):
                if not self._rows.parts(place):
                    path.unlink(missing_ok=True)
                    strays += 1
        if old or strays:
            log.info("%d unfinished uploads removed, %d files without one", len(old), strays)
        return len(old) + strays

    def _forget(self, place: Place) -> None:
        # The rows first: a file without rows is found by `tidy`, a row without its file would promise what is gone.
        self._rows.forget(place)
        self._path(place).unlink(missing_ok=True)

    def _make_room(self, mo: str, size: int) -> None:
        if shutil.disk_usage(self._folder).free < size + self._spare:
            raise OSError(errno.ENOSPC, "too little room for another upload")
        for place in self._rows.longest_untouched(mo, beyond=MOST_OPEN - 1):
            self._forget(place)

    def _path(self, place: Place) -> Path:
        return self._folder / place.mo / f"{place.sha256}.part"

    def _lock(self, place: Place) -> threading.Lock:
        return self._locks[hash((place.mo, place.sha256)) % len(self._locks)]


def _clash(start: int, part: Progress, other: int, length: int, size: int) -> bool:
    """Say whether a known part and another do not belong to one way of cutting one object."""
    return part.size != size or (start < other + length and other < start + part.length)


def _write(path: Path, offset: int, piece: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        try:
            view = memoryview(piece)
            while view:
                written = os.pwrite(descriptor, view, offset + len(piece) - len(view))
                view = view[written:]
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):  # give back at once what a full disk did take
                os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
    if new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
