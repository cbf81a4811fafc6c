"""A file from the centre, in parts that go on after a break, checked by its digest.

What is larger than one part is kept on the disk while it comes, under its digest, so that a broken line or a killed
server goes on where it stood. No such file outlives its use: it goes when the file is whole or the fetch has ended.
"""

import hashlib
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from cami.delivery import Pace
from cami.delivery.link import Part
from cami.errors import CamiError, Invalid

#: Bytes on the wire beside a part: the request, the head of the answer.
HEAD = 1500
SMALLEST = 64 * 1024
LARGEST = 4 * 1024 * 1024
_SUFFIX = ".part"


class DigestDiffers(CamiError):
    """What came is not what the centre had promised."""


class Parts(Protocol):
    """The line to the centre; `cami.delivery.CentralLink` is one."""

    def part(self, path: str, start: int, size: int) -> Part:
        """Fetch a part of something large."""
        ...


def part_bytes(mbit_s: float, *, capped: bool) -> int:
    """Return how much to ask for at once: half a second of a line that is shared, four of one that is not.

    What comes in one answer comes at the full rate of the line, so a cap is kept over any few seconds only if answers
    are small.
    """
    return min(max(int(mbit_s * 125_000 * (0.5 if capped else 4)), SMALLEST), LARGEST)


class Downloads:
    """Fetches files; thread-safe for different files."""

    def __init__(self, folder: Path, parts: Parts, pace: Pace, size: int) -> None:
        """Make it.

        Parameters
        ----------
        folder
            Where files are kept while they come.
        parts
            The line.
        pace
            How fast the line may be read.
        size
            Bytes to ask for at once.
        """
        self._folder = folder
        self._parts = parts
        self._pace = pace
        self._size = size

    def fetch(
        self, instance_id: str, sha256: str, *, urgent: bool = False, after_part: Callable[[], None] = lambda: None
    ) -> bytes:
        """Return an image as the centre has it.

        Parameters
        ----------
        instance_id
            Its Orthanc id.
        sha256
            Of the whole file.
        urgent
            Whether it may be exempt from the pace.
        after_part
            Called between the parts of a large file; if it raises, the rest comes another time.

        Raises
        ------
        cami.errors.Transient
            The line is down; what has come stays.
        cami.errors.NotFound
            The centre does not have it.
        DigestDiffers
            It is another file; what has come is thrown away.
        """
        kept = self._folder / (sha256 + _SUFFIX)
        content = self._whole(kept, sha256)
        while content is None:
            content = self._next(f"/instances/{instance_id}", kept, urgent=urgent)
            if content is None:
                after_part()
        if hashlib.sha256(content).hexdigest() != sha256:
            kept.unlink(missing_ok=True)
            raise DigestDiffers("what the centre sent is not what it has noted")
        return content

    def _whole(self, kept: Path, sha256: str) -> bytes | None:
        """Return what was kept if it is the whole file already: a crash came before it was used."""
        if not kept.exists():
            return None
        content = kept.read_bytes()
        return content if hashlib.sha256(content).hexdigest() == sha256 else None

    def _next(self, path: str, kept: Path, *, urgent: bool) -> bytes | None:
        """Fetch the next part; return the whole file if that was the last."""
        start = kept.stat().st_size if kept.exists() else 0
        try:
            part = self._parts.part(path, start, self._size)
        except Invalid:
            # What is kept is longer than the file.
            kept.unlink(missing_ok=True)
            raise DigestDiffers("what was kept of a file is no part of it") from None
        self._pace.take(len(part.content) + HEAD, urgent=urgent)
        if start == 0 and len(part.content) == part.total:
            return part.content
        self._append(kept, part.content)
        return kept.read_bytes() if start + len(part.content) >= part.total else None

    def forget(self, sha256: str) -> None:
        """Remove what was kept of a file."""
        (self._folder / (sha256 + _SUFFIX)).unlink(missing_ok=True)

    def tidy(self, wanted: Collection[str]) -> int:
        """Remove what nobody wants any more: all but the files with these digests. Return how many."""
        left = [path for path in self._folder.glob("*" + _SUFFIX) if path.name.removesuffix(_SUFFIX) not in wanted]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _append(self, kept: Path, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with kept.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
