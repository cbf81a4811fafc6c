"""CT of the chest (PS3.3 A.3): body, lungs with vessels, airways, heart, aorta, bones, liver, a nodule to find."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage

from cami_cli.phantoms.pixels import put_grey
from cami_cli.phantoms.shapes import Mask, NoisePool, Plane, Raster, blur, inside, paint
from cami_cli.phantoms.study import Study

#: Height of the phantom, from below the diaphragm to the neck, in millimetres.
_HEIGHT = 300.0
_FIELD_OF_VIEW = 370.0
_NOISE_HU = 14.0
_AIR, _LUNG, _FAT, _MUSCLE, _BLOOD, _LIVER = -1000.0, -860.0, -100.0, 45.0, 42.0, 58.0


@dataclass(frozen=True, slots=True)
class Scanner:
    """How a scanner stores its pixels."""

    signed: bool
    """Two's complement with padding below air, in 16 bits; otherwise unsigned in 12 bits."""
    slices: int
    size: int = 512

    @property
    def step(self) -> float:
        """Return the distance between slices, in millimetres."""
        return round(_HEIGHT / self.slices, 3)


@dataclass(frozen=True, slots=True)
class _Ellipsoid:
    x: float
    y: float
    z: float
    rx: float
    ry: float
    rz: float
    hu: float

    def paint(self, image: Plane, raster: Raster, z: float) -> None:
        """Paint the slice at height `z`."""
        rest = 1 - ((z - self.z) / self.rz) ** 2
        if rest > 0:
            scale = math.sqrt(rest)
            paint(image, raster, (self.x, self.y), (self.rx * scale, self.ry * scale), self.hu)


_LUNGS = (_Ellipsoid(-78, 5, 120, 62, 92, 158, _LUNG), _Ellipsoid(80, 8, 120, 58, 90, 158, _LUNG))
_ORGANS = (
    _Ellipsoid(-60, -5, 0, 95, 95, 66, _LIVER),
    _Ellipsoid(75, 5, -6, 70, 80, 58, 48.0),
    _Ellipsoid(0, 5, 130, 38, 78, 190, 30.0),
    _Ellipsoid(24, -22, 96, 62, 52, 58, _BLOOD),
    _Ellipsoid(-52, 38, 176, 5.5, 5, 5.5, 35.0),
)
_Point = tuple[float, float, float]


def _tube(start: _Point, end: _Point, radius: float) -> Iterator[tuple[float, float, float, float]]:
    """Yield balls (x, y, z, radius) along a line, close enough to look like a tube."""
    count = max(2, int(math.dist(start, end) / (0.8 * radius)))
    for step in range(count + 1):
        part = step / count
        yield (*(a + (b - a) * part for a, b in zip(start, end, strict=True)), radius)  # type: ignore[misc]


def _branches(
    rng: np.random.Generator, start: _Point, heading: _Point, length: float, radius: float
) -> Iterator[tuple[float, float, float, float]]:
    """Yield the balls of a vessel and of all its branches, down to a millimetre."""
    end = (start[0] + heading[0] * length, start[1] + heading[1] * length, start[2] + heading[2] * length)
    yield from _tube(start, end, radius)
    if radius < 1.1:
        return
    for _ in range(3):
        turned = np.array(heading) + rng.normal(0, 0.5, 3)
        turned /= np.linalg.norm(turned)
        x, y, z = (float(value) for value in turned)
        yield from _branches(rng, end, (x, y, z), length * 0.78, radius * 0.68)


class _Chest:
    """The anatomy, made once for a study and cut slice by slice."""

    def __init__(self, rng: np.random.Generator, raster: Raster) -> None:
        self._raster = raster
        vessels = [
            *_branches(rng, (-28, 5, 150), (-0.9, 0.25, -0.3), 34, 6.5),
            *_branches(rng, (-28, 0, 158), (-0.6, -0.2, 0.75), 30, 5.5),
            *_branches(rng, (-34, 30, 140), (-0.3, 0.25, -0.92), 42, 6),
            *_branches(rng, (30, 8, 148), (0.9, 0.3, -0.35), 34, 6.5),
            *_branches(rng, (36, 32, 140), (0.35, 0.25, -0.9), 42, 6),
            *_branches(rng, (30, 0, 158), (0.6, -0.15, 0.75), 30, 5.5),
        ]
        self._vessels = np.array(vessels, dtype=np.float32)
        aorta = [*_tube((24, 58, -10), (24, 56, 205), 12.5), *_tube((24, 56, 205), (-6, -12, 212), 13)]
        aorta += _tube((-6, -12, 212), (2, -14, 120), 14)
        self._aorta = np.array(aorta, dtype=np.float32)
        airways = [*_tube((0, 18, 195), (0, 6, 310), 8.5), *_tube((0, 18, 195), (-42, 22, 158), 6)]
        airways += _tube((0, 18, 195), (46, 24, 152), 5.5)
        self._airways = np.array(airways, dtype=np.float32)
        distance = np.hypot(raster.x, raster.y + 260)
        self._table = (distance > 392) & (distance < 396) & (np.abs(raster.x) < 170)
        self._rings: dict[float, Mask] = {}

    def cut(self, z: float) -> Plane:
        """Return the slice at height `z` in Hounsfield units."""
        image = np.full((self._raster.rows, self._raster.columns), _AIR, dtype=np.float32)
        narrow = 1 - 0.32 * max(0.0, z / _HEIGHT - 0.82) / 0.18
        width, depth = 172 * narrow, 118 * (1 - 0.1 * (1 - narrow))
        for margin, hu in ((0, 30.0), (2, _FAT), (14, _MUSCLE)):
            paint(image, self._raster, (0, 0), (width - margin, depth - margin), hu)
        for lung in _LUNGS:
            lung.paint(image, self._raster, z)
        lungs = image == _LUNG
        self._balls(image, self._vessels, z, _BLOOD, within=lungs)
        for organ in _ORGANS:
            organ.paint(image, self._raster, z)
        self._balls(image, self._aorta, z, 52.0)
        self._balls(image, self._airways, z, -985.0)
        self._bones(image, z, width, depth)
        image[self._table] = -120.0
        return blur(image)

    def _balls(self, image: Plane, balls: Plane, z: float, hu: float, within: Mask | None = None) -> None:
        near = balls[np.abs(balls[:, 2] - z) < balls[:, 3]]
        drawn = image if within is None else image.copy()
        for x, y, height, radius in near:
            cut = math.sqrt(radius**2 - (height - z) ** 2)
            paint(drawn, self._raster, (float(x), float(y)), (cut, cut), hu)
        if within is not None:
            image[within] = drawn[within]

    def _bones(self, image: Plane, z: float, width: float, depth: float) -> None:
        raster = self._raster
        image[self._ring(width, depth) & (np.mod(z - 0.55 * raster.y, 27) < 9)] = 420.0
        paint(image, raster, (0, -depth + 24), (16, 6), 260.0)
        disc = z % 29 < 6
        paint(image, raster, (0, 72), (21, 17), 85.0 if disc else 640.0)
        paint(image, raster, (0, 72), (19, 15), 80.0 if disc else 190.0)
        paint(image, raster, (0, 97), (15, 13), 380.0)
        paint(image, raster, (0, 96), (9, 8), 25.0)
        if not disc:
            paint(image, raster, (0, 113), (4, 12), 420.0)

    def _ring(self, width: float, depth: float) -> Mask:
        """Return where ribs run in a chest of this size: most slices have the same."""
        if width not in self._rings:
            outer = inside(self._raster, (0, 0), (width - 22, depth - 18))
            inner = inside(self._raster, (0, 0), (width - 31, depth - 27))
            self._rings[width] = outer & ~inner & (np.abs(self._raster.x) > 14)
        return self._rings[width]


def instances(study: Study, scanner: Scanner, syntax: UID) -> Iterator[Dataset]:
    """Yield the slices of an axial series, from the diaphragm up."""
    raster = Raster(scanner.size, scanner.size, _FIELD_OF_VIEW / scanner.size)
    rng = np.random.default_rng([study.seed, 1])
    chest, noise = _Chest(rng, raster), NoisePool(rng, scanner.size, scanner.size, softness=1)
    reconstructed = inside(raster, (0, 0), (_FIELD_OF_VIEW / 2, _FIELD_OF_VIEW / 2))
    for index in range(scanner.slices):
        z = index * scanner.step
        hu = chest.cut(z)
        hu += noise.cut(rng) * np.where(hu < -950, np.float32(_NOISE_HU / 2), np.float32(_NOISE_HU))
        stored = np.clip(np.rint(hu) + 1024, 0, 4095).astype(np.int16 if scanner.signed else np.uint16)
        if scanner.signed:
            stored[~reconstructed] = -2000
        instance = study.new_instance(CTImageStorage, 1, "Chest 1.25 lung", index + 1)
        _describe(instance, study, scanner, z)
        if scanner.signed:
            instance.PixelPaddingValue = -2000
        put_grey(instance, stored, stored=16 if scanner.signed else 12, syntax=syntax)
        yield instance


def _describe(instance: Dataset, study: Study, scanner: Scanner, z: float) -> None:
    """Fill the Frame of Reference, Image Plane and CT Image modules (PS3.3 C.7.4.1, C.7.6.2, C.8.2.1)."""
    spacing = round(_FIELD_OF_VIEW / scanner.size, 6)
    corner = round(-_FIELD_OF_VIEW / 2 + spacing / 2, 4)
    instance.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    instance.AcquisitionNumber = 1
    instance.BodyPartExamined = "CHEST"
    instance.PatientPosition = "HFS"
    instance.FrameOfReferenceUID = study.uid("frame of reference")
    instance.PositionReferenceIndicator = ""
    instance.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    instance.ImagePositionPatient = [corner, corner, round(z - _HEIGHT / 2, 3)]
    instance.SliceLocation = round(z - _HEIGHT / 2, 3)
    instance.PixelSpacing = [spacing, spacing]
    instance.SliceThickness = scanner.step
    instance.KVP = 120
    instance.XRayTubeCurrent = 210
    instance.ExposureTime = 500
    instance.ConvolutionKernel = "LUNG"
    instance.ReconstructionDiameter = _FIELD_OF_VIEW
    instance.GantryDetectorTilt = 0
    instance.RescaleIntercept = -1024
    instance.RescaleSlope = 1
    instance.RescaleType = "HU"
    instance.WindowCenter = [-600, 40]
    instance.WindowWidth = [1500, 400]
    instance.WindowCenterWidthExplanation = ["LUNG", "MEDIASTINUM"]
    instance.LossyImageCompression = "00"
