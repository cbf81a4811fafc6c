"""Orthanc's files, past Orthanc.

Orthanc answers reads, and ``verify-md5`` too, from its cache in memory: a file that was overwritten or deleted on the
disk looks whole there (reference/orthanc.md §4.3). So files are opened where Orthanc keeps them, to read only.
"""

import hashlib
from pathlib import Path
from typing import BinaryIO

from cami.archive import Reread

#: Bytes read at once.
_PIECE = 1 << 20


class StorageArea:
    """The folder ``StorageDirectory``, without compression by Orthanc."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def reread(self, uuid: str, md5: str) -> Reread:
        """Read a file from its beginning to its end; `md5` is what Orthanc noted when it stored it."""
        now, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        size = 0
        try:
            with self._path(uuid).open("rb") as file:
                while piece := file.read(_PIECE):
                    sha256.update(piece)
                    now.update(piece)
                    size += len(piece)
        except OSError:
            return Reread("", intact=False)
        return Reread(sha256.hexdigest(), intact=now.hexdigest() == md5, size=size)

    def open(self, uuid: str) -> BinaryIO | None:
        """Open a file; None if it is gone or cannot be opened."""
        try:
            return self._path(uuid).open("rb")
        except OSError:
            return None

    def _path(self, uuid: str) -> Path:
        return self._folder / uuid[:2] / uuid[2:4] / uuid
