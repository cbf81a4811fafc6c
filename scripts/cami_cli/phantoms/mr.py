"""MR of the brain (PS3.3 A.4): an axial T1 and an axial T2 series of one head."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, MRImageStorage

from cami_cli.phantoms.pixels import put_grey
from cami_cli.phantoms.shapes import NoisePool, Plane, Raster, blur, paint, texture
from cami_cli.phantoms.study import Study

_FIELD_OF_VIEW = 240.0
_HEIGHT = 160.0
#: Of white matter's 1150 to 1700. With it, and correlated as an interpolated acquisition leaves it, JPEG-LS makes a
#: slice 2.86 times smaller: as the noisiest of the real series that were measured (docs/benchmarks.md, "delivery").
_NOISE = 12


@dataclass(frozen=True, slots=True)
class Weighting:
    """A pulse sequence and the signal that each tissue gives in it."""

    name: str
    sequence: str
    variant: str
    repetition: float
    echo: float
    train: int
    signal: Mapping[str, float]


T1 = Weighting(
    "T1 TSE ax", "SE", "SK", 550, 12, 3,
    {"fat": 3000, "bone": 150, "fluid": 420, "grey": 1250, "white": 1700, "muscle": 1000, "eye": 450},
)  # fmt: skip
T2 = Weighting(
    "T2 TSE ax", "SE", "SK", 4800, 98, 15,
    {"fat": 2100, "bone": 130, "fluid": 3500, "grey": 1750, "white": 1150, "muscle": 650, "eye": 3300},
)  # fmt: skip


class _Head:
    """The anatomy; a slice at a height is drawn with the signal of a weighting."""

    def __init__(self, rng: np.random.Generator, raster: Raster) -> None:
        self._raster = raster
        self._angle = np.arctan2(raster.y, raster.x + 0 * raster.y)
        self._distance = np.hypot(raster.x / 66, raster.y / 82)
        counts, phases = rng.integers(9, 47, 12), rng.uniform(0, 2 * math.pi, 12)
        self._waves = list(zip(counts.tolist(), phases.tolist(), strict=True))

    def cut(self, z: float, signal: Mapping[str, float]) -> Plane:
        """Return the slice `z` millimetres above the skull base."""
        raster = self._raster
        image = np.zeros((raster.rows, raster.columns), dtype=np.float32)
        size = math.sqrt(max(0.02, 1 - ((z - 60) / 108) ** 2))
        for radii, tissue in (((83, 101), "fat"), ((77, 95), "bone"), ((71, 88), "fluid")):
            paint(image, raster, (0, 0), (radii[0] * size, radii[1] * size), signal[tissue])
        folds = np.zeros_like(self._angle)
        for count, phase in self._waves:
            folds += np.sin(count * self._angle + phase + 0.004 * z * count + 9 * self._distance).astype(np.float32)
        radius = self._distance / size
        image[radius + 0.012 * folds < 1.0] = signal["grey"]
        image[radius + 0.045 * folds < 0.83] = signal["white"]
        image[(np.abs(raster.x) < 1.6) & (radius < 1.0) & (np.abs(raster.y) > 26 * size)] = signal["fluid"]
        if 45 < z < 105:
            self._deep(image, signal, 1 - abs(z - 75) / 30)
        if z < 22:
            for side in (-1, 1):
                paint(image, raster, (side * 32, -74 * size), (14, 14), signal["eye"])
                paint(image, raster, (side * 58, -30), (9, 26), signal["muscle"])
        return blur(image)

    def _deep(self, image: Plane, signal: Mapping[str, float], part: float) -> None:
        """Draw the ventricles and the deep grey matter."""
        raster, grown = self._raster, 0.35 + 0.65 * part
        for side in (-1, 1):
            paint(image, raster, (side * 24 * grown, 6), (11 * grown, 17 * grown), signal["grey"])
            paint(image, raster, (side * 11, -16), (6 * grown, 19 * grown), signal["fluid"])
            paint(image, raster, (side * 15, 24), (6 * grown, 17 * grown), signal["fluid"])
        paint(image, raster, (0, 4), (2.2, 11 * grown), signal["fluid"])


def instances(study: Study, slices: int, size: int, syntax: UID) -> Iterator[Dataset]:
    """Yield the slices of the T1 series and of the T2 series."""
    raster = Raster(size, size, _FIELD_OF_VIEW / size)
    rng = np.random.default_rng([study.seed, 2])
    head, noise = _Head(rng, raster), NoisePool(rng, size, size, softness=2)
    coil = 1 + 0.12 * texture(rng, size, size, coarse=2, octaves=1)
    for series, weighting in enumerate((T1, T2), start=1):
        for index in range(slices):
            z = index * _HEIGHT / slices
            clean = head.cut(z, weighting.signal) * coil
            # The magnitude of a complex signal: Rician noise, which never falls to zero in air.
            noisy = np.hypot(clean + _NOISE * noise.cut(rng), _NOISE * noise.cut(rng))
            stored = np.clip(np.rint(noisy), 0, 4095).astype(np.uint16)
            instance = study.new_instance(MRImageStorage, series, weighting.name, index + 1)
            _describe(instance, study, weighting, spacing=raster.spacing, z=z, step=_HEIGHT / slices)
            put_grey(instance, stored, stored=12, syntax=syntax)
            yield instance


def _describe(instance: Dataset, study: Study, weighting: Weighting, *, spacing: float, z: float, step: float) -> None:
    """Fill the Frame of Reference, Image Plane and MR Image modules (PS3.3 C.7.4.1, C.7.6.2, C.8.3.1)."""
    corner = round(-_FIELD_OF_VIEW / 2 + spacing / 2, 4)
    instance.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
    instance.AcquisitionNumber = 1
    instance.BodyPartExamined = "BRAIN"
    instance.PatientPosition = "HFS"
    instance.FrameOfReferenceUID = study.uid("frame of reference")
    instance.PositionReferenceIndicator = ""
    instance.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    instance.ImagePositionPatient = [corner, corner, round(z - 40, 3)]
    instance.SliceLocation = round(z - 40, 3)
    instance.PixelSpacing = [round(spacing, 6), round(spacing, 6)]
    instance.SliceThickness = round(step * 0.9, 3)
    instance.SpacingBetweenSlices = round(step, 3)
    instance.ScanningSequence = weighting.sequence
    instance.SequenceVariant = weighting.variant
    instance.ScanOptions = ""
    instance.MRAcquisitionType = "2D"
    instance.RepetitionTime = weighting.repetition
    instance.EchoTime = weighting.echo
    instance.EchoTrainLength = weighting.train
    instance.MagneticFieldStrength = 1.5
    instance.FlipAngle = 90
    instance.WindowCenter = 1600
    instance.WindowWidth = 3200
    instance.LossyImageCompression = "00"
