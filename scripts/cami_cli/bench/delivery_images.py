"""What is sent in the delivery benchmark: phantoms of CT, MR and radiography, drawn once and kept."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Literal

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from cami_cli import phantoms
from cami_cli.phantoms import ct, dx, mr, people
from cami_cli.phantoms.study import UTF8, Device, Study

Modality = Literal["CT", "MR", "DX"]

#: The devices of МО 42001 in the development registry.
DEVICE = {"CT": "CT42001", "MR": "MR42001", "DX": "DX42001"}
_MR_SIZE = 256


@dataclass(frozen=True, slots=True)
class Batch:
    """A study that is sent."""

    modality: Modality
    folder: Path
    files: tuple[Path, ...]
    size: int
    """Bytes of all files: raw, explicit VR little endian."""

    @property
    def mean(self) -> float:
        """Return the bytes of a file; all of a batch are of a size."""
        return self.size / len(self.files)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to draw."""

    name: str
    modality: Modality
    count: int
    rows: int = 0
    """Of a radiograph or an MR; empty: their usual size."""


def draw(wanted: Wanted, folder: Path) -> Batch:
    """Draw a study, or find it drawn already."""
    place = folder / wanted.name
    mark = place.with_suffix(".json")
    key = f"{wanted} {_recipe()}"
    if not (mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == key):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for number, instance in enumerate(islice(_instances(wanted), wanted.count)):
            instance.save_as(place / f"{number:05d}.dcm", enforce_file_format=True)
        mark.write_text(json.dumps(key), encoding="utf-8")
    files = tuple(sorted(place.iterdir()))
    return Batch(wanted.modality, place, files, sum(file.stat().st_size for file in files))


@cache
def _recipe() -> str:
    """Return a digest of the code that draws: what another release drew is drawn anew."""
    code = sorted(Path(phantoms.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in code)).hexdigest()


def orthanc_id(file: Path) -> str:
    """Return by which id every Orthanc knows an instance: a hash of its four identifiers."""
    header = dcmread(file, stop_before_pixels=True)
    parts = (header.PatientID, header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID)
    digest = hashlib.sha1("|".join(parts).encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))


def study_id(file: Path) -> str:
    """Return by which id every Orthanc knows the study of an instance."""
    header = dcmread(file, stop_before_pixels=True)
    digest = hashlib.sha1(f"{header.PatientID}|{header.StudyInstanceUID}".encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))


def _instances(wanted: Wanted) -> Iterator[Dataset]:
    if wanted.modality == "DX":
        # An examination has two views; more are those of the next people.
        detector = dx.Detector(rows=wanted.rows, columns=wanted.rows)
        for number in range((wanted.count + 1) // 2):
            yield from dx.instances(_study(wanted, number), detector, ExplicitVRLittleEndian)
    elif wanted.modality == "CT":
        yield from ct.instances(_study(wanted), ct.Scanner(signed=True, slices=wanted.count), ExplicitVRLittleEndian)
    else:
        size = wanted.rows or _MR_SIZE
        yield from mr.instances(_study(wanted), (wanted.count + 1) // 2, size, ExplicitVRLittleEndian)


def _study(wanted: Wanted, number: int = 0) -> Study:
    return Study(
        seed=3 + number,
        key=f"bench/delivery/{wanted.name}/{number}",
        person=people.IVANOV,
        device=Device("Синтетическая больница № 1", f"{wanted.modality} PHANTOM", "BENCH", "1"),
        modality=wanted.modality,
        description="DELIVERY",
        text=UTF8,
        date="20261122",
        time="120000",
        accession="BENCH3",
    )
