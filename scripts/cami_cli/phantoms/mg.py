"""Digital mammography (PS3.3 A.27), For Presentation: the four views of a screening, 8 megapixels each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, DigitalMammographyXRayImageStorageForPresentation

from cami_cli.phantoms.pixels import put_grey
from cami_cli.phantoms.shapes import Plane, Raster, enlarge, texture
from cami_cli.phantoms.study import Study, code, codes

_STORED = 12
_SPACING = 0.07


@dataclass(frozen=True, slots=True)
class _View:
    side: str
    position: str

    @property
    def oblique(self) -> bool:
        return self.position == "MLO"

    @property
    def orientation(self) -> list[str]:
        """Return the directions of rows and columns: the chest wall is at the left edge of a left breast's image."""
        across = "A" if self.side == "L" else "P"
        if self.oblique:
            return [across, "FR" if self.side == "L" else "FL"]
        return [across, "R" if self.side == "L" else "L"]

    @property
    def code(self) -> Dataset:
        if self.oblique:
            return code("399368009", "SCT", "medio-lateral oblique")
        return code("399162004", "SCT", "cranio-caudal")


_VIEWS = (_View("R", "CC"), _View("L", "CC"), _View("R", "MLO"), _View("L", "MLO"))


def _breast(rng: np.random.Generator, rows: int, columns: int, *, oblique: bool) -> Plane:
    """Return a breast of 0…1 (air 0) with the chest wall at the left edge."""
    width, height = columns * _SPACING, rows * _SPACING
    raster = Raster(rows, columns, _SPACING)
    x, y = raster.x + width / 2, raster.y - (0.06 * height if oblique else 0)
    radius = np.sqrt((x / (0.74 * width)) ** 2 + (y / (0.43 * height)) ** 2)
    thickness = np.clip((1 - radius) / 0.16, 0, 1)
    fibres = texture(rng, rows, columns, coarse=10, octaves=5)
    gland = np.clip(1.15 - np.hypot((x - 0.30 * width) / (0.36 * width), y / (0.30 * height)), 0, 1)
    tissue = 0.34 + 0.42 * gland * np.clip(0.55 + 0.5 * fibres, 0, 1.4) + 0.03 * fibres
    if oblique:
        muscle = x < (0.34 * width) * (0.25 - (raster.y / height)) / 0.75
        tissue = np.where(muscle, 0.80 + 0.02 * fibres, tissue)
    image: Plane = (np.sqrt(thickness) * tissue).astype(np.float32)
    image[(radius > 0.97) & (radius < 1.0)] = 0.22
    return image


def _calcify(rng: np.random.Generator, image: Plane) -> None:
    """Add a cluster of microcalcifications: what a mammogram has eight megapixels for."""
    rows, columns = image.shape
    for _ in range(26):
        row = int(rows * 0.55 + rng.normal(0, rows * 0.012))
        column = int(columns * 0.34 + rng.normal(0, columns * 0.012))
        size = int(rng.integers(2, 6))
        image[row : row + size, column : column + size] += 0.25


def instances(study: Study, rows: int, columns: int, syntax: UID) -> Iterator[Dataset]:
    """Yield the four views, each its own series."""
    rng = np.random.default_rng([study.seed, 4])
    grain = rng.standard_normal((rows // 2, columns // 2), dtype=np.float32)
    for series, view in enumerate(_VIEWS, start=1):
        image = _breast(rng, rows, columns, oblique=view.oblique)
        if (view.side, view.position) == ("L", "CC"):
            _calcify(rng, image)
        noise = enlarge(np.roll(grain, int(rng.integers(rows)), axis=0), rows, columns)
        image += 0.012 * np.sqrt(image) * noise
        values = np.rint(np.clip(image, 0, 1) * (2**_STORED - 1)).astype(np.uint16)
        if view.side == "R":
            values = np.ascontiguousarray(values[:, ::-1])
        instance = study.new_instance(
            DigitalMammographyXRayImageStorageForPresentation, series, f"{view.side} {view.position}", 1
        )
        _describe(instance, view)
        put_grey(instance, values, stored=_STORED, syntax=syntax)
        yield instance


def _describe(instance: Dataset, view: _View) -> None:
    """Fill the Mammography Series and Image and the DX modules that it includes (PS3.3 C.8.11.6, C.8.11.7)."""
    instance.PresentationIntentType = "FOR PRESENTATION"
    instance.ImageType = ["ORIGINAL", "PRIMARY", ""]
    instance.AcquisitionNumber = 1
    instance.OrganExposed = "BREAST"
    instance.BodyPartExamined = "BREAST"
    instance.ImageLaterality = view.side
    instance.ViewPosition = view.position
    instance.PatientOrientation = view.orientation
    instance.AnatomicRegionSequence = codes(code("76752008", "SCT", "Breast"))
    projection = view.code
    projection.ViewModifierCodeSequence = codes()
    instance.ViewCodeSequence = codes(projection)
    instance.BreastImplantPresent = "NO"
    instance.PartialView = "NO"
    instance.AcquisitionContextSequence = codes()
    instance.PositionerType = "MAMMOGRAPHIC"
    instance.PositionerPrimaryAngle = 45 if view.oblique else 0
    instance.DetectorType = "DIRECT"
    instance.ImagerPixelSpacing = [_SPACING, _SPACING]
    instance.PixelSpacing = [_SPACING, _SPACING]
    instance.PixelIntensityRelationship = "LOG"
    instance.PixelIntensityRelationshipSign = -1
    instance.RescaleIntercept = 0
    instance.RescaleSlope = 1
    instance.RescaleType = "US"
    instance.PresentationLUTShape = "IDENTITY"
    instance.WindowCenter = 2048
    instance.WindowWidth = 3600
    instance.LossyImageCompression = "00"
    instance.BurnedInAnnotation = "NO"
    instance.KVP = 29
    instance.CompressionForce = 110
    instance.BodyPartThickness = 54
    instance.OrganDose = 0.0132
