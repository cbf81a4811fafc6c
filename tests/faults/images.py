"""Thousands of small images, and a few large ones that go in pieces; the same ones for the same seed."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    generate_uid,
)

STUDIES = 4
SIDE = 64
#: One image in so many has frames enough to go in pieces.
LARGE_EVERY, LARGE_FRAMES = 100, 60


@dataclass
class Sent:
    """What a device has to deliver."""

    folder: Path
    size: int = 0
    files: dict[str, Path] = field(default_factory=dict)
    """By SOP Instance UID."""
    studies: dict[str, int] = field(default_factory=dict)
    """Study Instance UID → instances."""


def draw(folder: Path, count: int, seed: int) -> Sent:
    """Write `count` images of `STUDIES` studies into `folder`."""
    rng = np.random.default_rng(seed)
    sent = Sent(folder)
    folder.mkdir(parents=True, exist_ok=True)
    studies = [generate_uid(entropy_srcs=[str(seed), str(number)]) for number in range(STUDIES)]
    for number in range(count):
        study = studies[number * STUDIES // count]
        frames = LARGE_FRAMES if number % LARGE_EVERY == LARGE_EVERY // 2 else 1
        path = folder / f"{number:05d}.dcm"
        uid = _write(path, study, number, frames, rng)
        sent.files[uid] = path
        sent.size += path.stat().st_size
        sent.studies[study] = sent.studies.get(study, 0) + 1
    return sent


def _write(path: Path, study: str, number: int, frames: int, rng: np.random.Generator) -> str:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage if frames > 1 else CTImageStorage
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    uid = generate_uid(entropy_srcs=[study, str(number)])
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, generate_uid(entropy_srcs=[study, str(frames)])
    dataset.PatientID, dataset.PatientName, dataset.Modality = "FAULT-1", "Иванов^Пётр", "CT"
    dataset.SpecificCharacterSet, dataset.InstanceNumber = "ISO_IR 192", number + 1
    dataset.Rows = dataset.Columns = SIDE
    if frames > 1:
        dataset.NumberOfFrames, dataset.ConversionType = frames, "SYN"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    count = frames * SIDE * SIDE
    # Half of it noise, so that compression halves it, as it does real images.
    values = (np.arange(count) // 7 % 256) * 256 + rng.integers(0, 256, count)
    dataset.PixelData = values.astype("<u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return str(uid)
