"""Digital radiography of the chest (PS3.3 A.26), For Presentation: a frontal and a lateral view of 8 megapixels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation

from cami_cli.phantoms.pixels import put_grey
from cami_cli.phantoms.shapes import Plane, Raster, blur, enlarge, inside, texture
from cami_cli.phantoms.study import Study, code, codes

_WIDTH = 415.0
#: The shadow is drawn at a quarter of the detector's resolution, as its unsharpness allows; noise has all of it.
_COARSER = 4


@dataclass(frozen=True, slots=True)
class Detector:
    """A flat panel and how it stores its values."""

    rows: int = 2800
    columns: int = 3000
    stored: int = 14
    inverted: bool = False
    """MONOCHROME1: high values are dark."""


@dataclass(frozen=True, slots=True)
class _View:
    position: str
    orientation: tuple[str, str]
    laterality: str
    view: tuple[str, str]


_FRONTAL = _View("PA", ("L", "F"), "U", ("399348003", "postero-anterior"))
_LATERAL = _View("LL", ("A", "F"), "U", ("399198007", "left lateral"))


def _chord(raster: Raster, centre: tuple[float, float], radii: tuple[float, float], depth: float) -> Plane:
    """Return the length of a ray through an ellipsoid whose middle is `depth` thick."""
    rest = 1 - ((raster.x - centre[0]) / radii[0]) ** 2 - ((raster.y - centre[1]) / radii[1]) ** 2
    return (depth * np.sqrt(np.maximum(rest, 0))).astype(np.float32)


def _frontal(rng: np.random.Generator, raster: Raster) -> Plane:
    """Return the water-equivalent thickness that rays pass, in millimetres."""
    shadow = _chord(raster, (0, 30), (190, 330), 225)
    for side, rx in ((-1, 66), (1, 62)):
        lung = _chord(raster, (side * 82, -20), (rx, 142), 155)
        shadow -= lung * (0.82 + 0.05 * texture(rng, raster.rows, raster.columns, 48, 3))
        dome = _chord(raster, (side * 85, 152), (88, 62), 120)
        shadow += dome * (0.9 if side < 0 else 0.55)
    shadow += _chord(raster, (22, 55), (72, 72), 95)
    shadow += _chord(raster, (12, -70), (30, 85), 70)
    spine = inside(raster, (0, 40), (19, 400)) & (np.mod(raster.y, 29) < 25)
    shadow += 42 * spine
    for rib in range(10):
        _rib(shadow, raster, -135 + rib * 26.0)
    for side in (-1, 1):
        clavicle = np.abs(raster.y + 128 + 0.18 * side * raster.x) < 6.5
        shadow += 20 * (clavicle & (side * raster.x > 15) & (side * raster.x < 165))
    return shadow


def _rib(shadow: Plane, raster: Raster, height: float) -> None:
    """Add one pair of ribs: the arch behind falls outwards, the arch before falls inwards."""
    reach = np.abs(raster.x)
    for arch, density in ((height + 0.0024 * reach**2, 11.0), (height + 92 - 0.0031 * (reach - 20) ** 2, 6.0)):
        shadow += density * ((np.abs(raster.y - arch) < 6.5) & (reach > 20) & (reach < 152))


def _lateral(rng: np.random.Generator, raster: Raster) -> Plane:
    shadow = _chord(raster, (0, 30), (135, 330), 340)
    shadow -= 0.8 * _chord(raster, (5, -15), (96, 145), 265)
    shadow += _chord(raster, (-42, 60), (52, 68), 110)
    shadow += 60 * (inside(raster, (88, 30), (17, 400)) & (np.mod(raster.y, 29) < 25))
    shadow += _chord(raster, (5, 165), (105, 60), 90)
    for rib in range(9):
        arch = -120 + rib * 28 - 0.35 * raster.x
        shadow += 9 * ((np.abs(raster.y - arch) < 6) & (np.abs(raster.x) < 98))
    shadow += 6 * texture(rng, raster.rows, raster.columns, 32, 3)
    return shadow


def instances(study: Study, detector: Detector, syntax: UID) -> Iterator[Dataset]:
    """Yield the frontal and the lateral view, each its own series, as devices send them."""
    rng = np.random.default_rng([study.seed, 3])
    rows, columns = detector.rows // _COARSER, detector.columns // _COARSER
    raster = Raster(rows, columns, _WIDTH / columns)
    top = 2**detector.stored - 1
    for series, (view, draw) in enumerate(((_FRONTAL, _frontal), (_LATERAL, _lateral)), start=1):
        shadow = enlarge(blur(np.maximum(draw(rng, raster), 0), 2), detector.rows, detector.columns)
        light = np.exp(-shadow / 95)
        # Photon noise: it grows with the square root of what arrives.
        light += 0.004 * np.sqrt(light) * rng.standard_normal(light.shape, dtype=np.float32)
        density = -np.log(np.clip(light, 0.02, 1)) / -np.log(0.02)
        values = np.rint(top * (1 - density if detector.inverted else density)).astype(np.uint16)
        instance = study.new_instance(DigitalXRayImageStorageForPresentation, series, f"Chest {view.position}", 1)
        _describe(instance, detector, view)
        photometric = "MONOCHROME1" if detector.inverted else "MONOCHROME2"
        put_grey(instance, values, stored=detector.stored, photometric=photometric, syntax=syntax)
        yield instance


def _describe(instance: Dataset, detector: Detector, view: _View) -> None:
    """Fill the DX Series, Anatomy Imaged, Image, Detector and Positioning modules (PS3.3 C.8.11)."""
    half = 2 ** (detector.stored - 1)
    spacing = round(_WIDTH / detector.columns, 6)
    instance.PresentationIntentType = "FOR PRESENTATION"
    instance.ImageType = ["ORIGINAL", "PRIMARY"]
    instance.AcquisitionNumber = 1
    instance.BodyPartExamined = "CHEST"
    instance.ViewPosition = view.position
    instance.PatientOrientation = list(view.orientation)
    instance.ImageLaterality = view.laterality
    instance.AnatomicRegionSequence = codes(code("51185008", "SCT", "Chest"))
    instance.ViewCodeSequence = codes(code(view.view[0], "SCT", view.view[1]))
    instance.AcquisitionContextSequence = codes()
    instance.PixelIntensityRelationship = "LOG"
    instance.PixelIntensityRelationshipSign = 1 if not detector.inverted else -1
    instance.RescaleIntercept = 0
    instance.RescaleSlope = 1
    instance.RescaleType = "US"
    instance.PresentationLUTShape = "INVERSE" if detector.inverted else "IDENTITY"
    instance.WindowCenter = half
    instance.WindowWidth = 2 * half
    instance.LossyImageCompression = "00"
    instance.BurnedInAnnotation = "NO"
    instance.DetectorType = "SCINTILLATOR"
    instance.ImagerPixelSpacing = [spacing, spacing]
    instance.PositionerType = "NONE"
    instance.KVP = 110
    instance.Exposure = 2
