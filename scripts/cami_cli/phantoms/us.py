"""Ultrasound of the heart (PS3.3 A.6, A.7): a colour Doppler cine of one heartbeat and a colour still."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, JPEGBaseline8Bit, RLELossless, UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from cami_cli.phantoms.pixels import put_colour
from cami_cli.phantoms.shapes import Plane, blur
from cami_cli.phantoms.study import Study, codes

_FRAME_MS = 33.3
_DEPTH = 160.0
_HALF_ANGLE = math.radians(38)


class _Sector:
    """The fan that a phased array sees: where each pixel is, in depth (mm) and angle."""

    def __init__(self, rng: np.random.Generator, rows: int, columns: int) -> None:
        spacing = _DEPTH / (rows * 0.92)
        self.spacing = spacing
        self.apex = (int(rows * 0.04), columns // 2)
        y = (np.arange(rows, dtype=np.float32)[:, None] - self.apex[0]) * spacing
        x = (np.arange(columns, dtype=np.float32)[None, :] - self.apex[1]) * spacing
        self.x, self.y = x + 0 * y, y + 0 * x
        self.depth = np.hypot(x, y)
        self.seen = (np.abs(np.arctan2(x, y)) < _HALF_ANGLE) & (self.depth < _DEPTH) & (self.depth > 4)
        # Speckle is the magnitude of many random echoes: Rayleigh distributed, drawn out across the beam.
        real, imaginary = (blur(rng.standard_normal((rows, columns), dtype=np.float32), 3) for _ in range(2))
        speckle = np.hypot(real, imaginary)
        self._speckle = speckle / np.float32(speckle.mean())

    def frame(self, phase: float) -> NDArray[np.uint8]:
        """Return the RGB picture at `phase` (0…1) of the heartbeat."""
        squeeze = 1 - 0.22 * max(0.0, math.sin(2 * math.pi * phase))
        inner = np.hypot(self.x / (27 * squeeze), (self.y - 78) / (45 * squeeze))
        outer = np.hypot(self.x / (27 * squeeze + 11), (self.y - 78) / (45 * squeeze + 12))
        echo = np.full_like(self.x, 0.30)
        echo[outer < 1] = 0.62
        echo[inner < 1] = 0.05
        opening = 12 * max(0.0, math.cos(2 * math.pi * phase))
        valve = (np.abs(self.y - 112 - 0.5 * np.abs(np.abs(self.x) - 14)) < 1.6) & (np.abs(np.abs(self.x) - 14) < 12)
        echo[valve & (np.abs(self.x) > opening)] = 0.95
        moved = np.roll(self._speckle, round(6 * squeeze), axis=0)
        brightness = np.clip(echo * moved * np.exp(-self.depth / 260), 0, 1) ** 0.6 * 255
        brightness[~self.seen] = 0
        picture = np.repeat(brightness.astype(np.uint8)[:, :, None], 3, axis=2)
        self._flow(picture, inner, phase)
        return picture

    def _flow(self, picture: NDArray[np.uint8], inner: Plane, phase: float) -> None:
        """Colour the blood: red towards the probe, blue away from it."""
        speed = math.sin(2 * math.pi * phase)
        jet = (inner < 0.95) & (np.abs(self.x + 4 * speed) < 9) & self.seen & (self._speckle > 0.45)
        strength = np.clip(90 + 160 * abs(speed) * (1 - np.abs(self.x) / 14), 0, 255).astype(np.uint8)
        picture[jet] = 0
        picture[..., 0 if speed >= 0 else 2][jet] = strength[jet]
        picture[..., 1][jet] = strength[jet] // 4


def instances(study: Study, frames: int, size: tuple[int, int], syntax: UID) -> Iterator[Dataset]:
    """Yield a cine of one heartbeat and a single colour frame, in one series; `size` is rows and columns."""
    rng = np.random.default_rng([study.seed, 5])
    sector = _Sector(rng, *size)
    cine = np.stack([sector.frame(index / frames) for index in range(frames)])
    instance = study.new_instance(UltrasoundMultiFrameImageStorage, 1, "Echo", 1)
    _describe(instance, sector, size)
    instance.FrameTime = _FRAME_MS
    instance.FrameIncrementPointer = 0x00181063
    instance.CineRate = round(1000 / _FRAME_MS)
    instance.RecommendedDisplayFrameRate = round(1000 / _FRAME_MS)
    put_colour(instance, cine, syntax=syntax)
    yield instance

    still = study.new_instance(UltrasoundImageStorage, 1, "Echo", 2)
    _describe(still, sector, size)
    put_colour(still, cine[frames // 4][None], syntax=RLELossless if syntax == JPEGBaseline8Bit else syntax)
    yield still


def _describe(instance: Dataset, sector: _Sector, size: tuple[int, int]) -> None:
    """Fill the US Image and US Region Calibration modules (PS3.3 C.8.5.5, C.8.5.6)."""
    instance.ImageType = ["ORIGINAL", "PRIMARY", "TTE", "0001"]
    instance.BodyPartExamined = "HEART"
    instance.PatientOrientation = ""
    instance.LossyImageCompression = "00"
    instance.UltrasoundColorDataPresent = 1
    region = Dataset()
    region.RegionSpatialFormat = 1
    region.RegionDataType = 2
    region.RegionFlags = 2
    region.RegionLocationMinX0 = 0
    region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1 = size[1] - 1
    region.RegionLocationMaxY1 = size[0] - 1
    region.PhysicalUnitsXDirection = 3
    region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = sector.spacing / 10
    region.PhysicalDeltaY = sector.spacing / 10
    region.ReferencePixelX0 = sector.apex[1]
    region.ReferencePixelY0 = sector.apex[0]
    instance.SequenceOfUltrasoundRegions = codes(region)
