"""Any folder of DICOM files: which files it holds and what a C-STORE of each has to negotiate.

Only headers are read. A file whose data set is broken is listed all the same: whether it is good enough is for the
archive to say, with a DICOM status.
"""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import MediaStorageDirectoryStorage

_MAGIC_AT = 128
_MAGIC = b"DICM"


@dataclass(frozen=True, slots=True)
class DicomFile:
    """One DICOM file (PS3.10) and what its file meta information says."""

    path: Path
    size: int
    sop_class: str = ""
    sop_instance: str = ""
    transfer_syntax: str = ""
    modality: str = ""
    fault: str = ""
    """Why it cannot be sent at all; empty for a file that can."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a folder holds."""

    files: tuple[DicomFile, ...]
    skipped: tuple[Path, ...]
    """No DICOM files, and directories of media (DICOMDIR), which are no images."""

    @property
    def size(self) -> int:
        """Return the bytes of all DICOM files."""
        return sum(file.size for file in self.files)


def scan(folder: Path) -> Scan:
    """Look at every file below `folder` (or at one file), in the order of their names."""
    files, skipped = [], []
    for path in _walk(folder):
        found = read_header(path)
        if found is None:
            skipped.append(path)
        else:
            files.append(found)
    return Scan(tuple(files), tuple(skipped))


def read_header(path: Path) -> DicomFile | None:
    """Return what a C-STORE of `path` needs, or None if it is no DICOM file to be sent."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            if stream.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] != _MAGIC:
                return None
    except OSError as error:
        return DicomFile(path, 0, fault=f"cannot be read: {error.strerror}")
    try:
        meta = read_file_meta_info(path)
    except (InvalidDicomError, ValueError, OSError, EOFError, KeyError, AttributeError):
        return DicomFile(path, size, fault="file meta information cannot be parsed")
    found = [str(meta.get(name, "")) for name in ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID")]
    if found[0] == MediaStorageDirectoryStorage:
        return None
    syntax = str(meta.get("TransferSyntaxUID", ""))
    fault = "" if all(found) and syntax else "file meta information is incomplete"
    return DicomFile(path, size, found[0], found[1], syntax, _modality(path), fault)


def _walk(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
        return
    for directory, subfolders, names in os.walk(folder):
        subfolders.sort()
        for name in sorted(names):
            yield Path(directory, name)


def _modality(path: Path) -> str:
    """Return the Modality, or nothing: it only chooses which device to call from."""
    with warnings.catch_warnings(action="ignore"):
        try:
            return str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"]).get("Modality", ""))
        except Exception:  # noqa: BLE001 - pydicom raises anything on a broken data set, not ours to judge here
            return ""
