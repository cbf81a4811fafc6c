"""Phantoms to files, and a cache of them: drawing takes longer than a demonstration wants to wait twice."""

import hashlib
import io
import json
import os
import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pydicom

from cami_cli.phantoms.plan import SEED, PlannedStudy, plan
from cami_cli.phantoms.study import UTF8, TextEncoding

#: Name of the list of what a folder holds, written last: a folder without it is not finished.
INDEX = "phantoms.json"
#: Where File Meta Information Group Length (0002,0000) ends, which pydicom always writes first.
_META_LENGTH_END = 128 + 4 + 12


@dataclass(frozen=True, slots=True)
class WrittenStudy:
    """A study on disk."""

    mo: str
    modality: str
    description: str
    study_uid: str
    patient_id: str
    patient_name: str
    text_is_right: bool
    """Whether the text is in the character set that the objects declare."""
    folder: str
    """Relative to the folder that was written to."""
    instances: int
    size: int
    """Bytes of all its files."""


OnStudy = Callable[[WrittenStudy], None]


def write_study(planned: PlannedStudy, folder: Path) -> WrittenStudy:
    """Draw one study and write its files below `folder`."""
    target = folder / planned.folder
    target.mkdir(parents=True, exist_ok=True)
    count = size = 0
    study = planned.study
    for instance in planned.draw():
        count += 1
        path = target / f"IM{count:05d}.dcm"
        written = io.BytesIO()
        instance.save_as(written, enforce_file_format=True)
        path.write_bytes(in_character_set(written.getvalue(), study.text))
        size += path.stat().st_size
    return WrittenStudy(
        mo=planned.mo,
        modality=study.modality,
        description=study.description,
        study_uid=str(study.study_uid),
        patient_id=study.person.patient_id,
        patient_name=study.person.name,
        text_is_right=study.text.right,
        folder=planned.folder,
        instances=count,
        size=size,
    )


def in_character_set(dicom: bytes, text: TextEncoding) -> bytes:
    """Return a file, as pydicom wrote it in UTF-8, with its text in another character set.

    pydicom writes what is right only. The text of the phantoms stands on the top level, in elements with two bytes of
    length (Explicit VR Little Endian, which also all compressed images are in).
    """
    if text == UTF8:
        return dicom
    start = _META_LENGTH_END + int.from_bytes(dicom[_META_LENGTH_END - 4 : _META_LENGTH_END], "little")
    parts, position = [dicom[:start]], start
    while position < len(dicom) and dicom[position : position + 2] != b"\xe0\x7f":
        head, vr = dicom[position : position + 4], dicom[position + 4 : position + 6]
        if vr in (b"OB", b"OW", b"SQ", b"UN", b"UC", b"UT"):
            end = position + 12 + int.from_bytes(dicom[position + 8 : position + 12], "little")
            parts.append(dicom[position:end])
        else:
            end = position + 8 + int.from_bytes(dicom[position + 6 : position + 8], "little")
            value = dicom[position + 8 : end]
            if head == b"\x08\x00\x05\x00":
                value = text.declared.encode("ascii")
            elif not value.isascii() and vr in (b"LO", b"PN", b"SH", b"ST", b"LT"):
                value = value.rstrip(b" ").decode("utf-8").encode(text.codec)
            value += b" " * (len(value) % 2)
            if value or head != b"\x08\x00\x05\x00":
                parts.append(head + vr + len(value).to_bytes(2, "little") + value)
        position = end
    return b"".join([*parts, dicom[position:]])


def write_phantoms(
    folder: Path,
    *,
    only: Collection[str] = (),
    small: bool = False,
    seed: int = SEED,
    on_study: OnStudy | None = None,
) -> list[WrittenStudy]:
    """Write the phantoms into ``folder/<МО>/<modality>-<accession>/`` and say of each study when it is done."""
    planned = plan(seed=seed, small=small, only=only)
    written = []
    # Small studies are drawn sooner than processes start.
    drawn = map(write_study, planned, repeat(folder)) if small else _write_side_by_side(planned, folder)
    for study in drawn:
        written.append(study)
        if on_study:
            on_study(study)
    index = {"key": cache_key(only=only, small=small, seed=seed), "studies": [asdict(study) for study in written]}
    (folder / INDEX).write_text(json.dumps(index, ensure_ascii=False, indent=1), encoding="utf-8")
    return written


def _write_side_by_side(planned: Sequence[PlannedStudy], folder: Path) -> Iterator[WrittenStudy]:
    """Write studies in as many processes as there are cores, and yield them in their order."""
    workers = min(len(planned), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_ignore_interrupts) as pool:
        try:
            yield from pool.map(write_study, planned, repeat(folder))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the process that people see."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def read_phantoms(folder: Path, key: str) -> list[WrittenStudy] | None:
    """Return the studies in `folder` if they were written whole, by this code with these arguments; otherwise None."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        studies = [WrittenStudy(**row) for row in index["studies"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    complete = all(sum(1 for _ in (folder / study.folder).glob("*.dcm")) == study.instances for study in studies)
    return studies if index["key"] == key and complete else None


def cache_key(*, only: Collection[str] = (), small: bool = False, seed: int = SEED) -> str:
    """Return what the files depend on: this package's text, its libraries and the arguments."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    digest.update(f"{np.__version__} {pydicom.__version__} {sorted(only)} {small} {seed}".encode())
    return digest.hexdigest()
