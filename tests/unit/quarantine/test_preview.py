"""Small pictures of real images."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ImplicitVRLittleEndian

from cami.quarantine.preview import preview
from tests.unit.delivery.images import report, slice_of


def image(values, **tags):
    array = np.asarray(values)
    shape = {"Rows": array.shape[0], "Columns": array.shape[1], "PixelData": array.tobytes()}
    return slice_of(side=array.shape[0], **shape, **tags)


def seen(dicom):
    return np.asarray(Image.open(io.BytesIO(preview(dicom))))


def test_a_gradient_is_a_gradient():
    picture = seen(image(np.arange(100 * 100, dtype="<u2").reshape(100, 100)))
    assert picture.shape == (100, 100)
    assert picture[0, 0] == 0
    assert picture[-1, -1] == 255
    assert (np.diff(picture.reshape(-1).astype(int)) >= 0).all()


def test_signed_values_and_inverted_greys():
    values = np.arange(-50, 50, dtype="<i2").repeat(100).reshape(100, 100)
    picture = seen(image(values, PixelRepresentation=1))
    assert picture[0, 0] < 10
    assert picture[-1, -1] > 245
    picture = seen(image(values, PixelRepresentation=1, PhotometricInterpretation="MONOCHROME1"))
    assert picture[0, 0] > 245
    assert picture[-1, -1] < 10


def test_bits_above_the_stored_ones_do_not_count():
    values = np.full((64, 64), 0xF000, dtype="<u2")
    values[:, 32:] |= 0x0FFF
    picture = seen(image(values, BitsStored=12, HighBit=11))
    assert set(picture[:, :32].flat) == {0}
    assert set(picture[:, 32:].flat) == {255}


def test_large_images_are_thinned():
    assert max(seen(image(np.arange(1000 * 1000, dtype="<u2").reshape(1000, 1000))).shape) <= 384


@pytest.mark.parametrize("planar", [0, 1])
def test_colours(planar):
    values = np.zeros((64, 64, 3), dtype="u1")
    values[..., 0] = 200
    stored = values.transpose(2, 0, 1).tobytes() if planar else values.tobytes()
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": planar}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    picture = seen(slice_of(side=64, Rows=64, Columns=64, PixelData=stored, **colour, **bits))
    assert (picture == values).all()


def test_one_value_everywhere():
    assert seen(image(np.full((64, 64), 7, dtype="<u2"))).shape == (64, 64)


@pytest.mark.parametrize(
    "dicom",
    [
        b"",
        b"nonsense",
        report(),
        slice_of(syntax=ImplicitVRLittleEndian),
        slice_of(PixelData=b"\0\0"),
        slice_of(BitsAllocated=1),
        slice_of(SamplesPerPixel=3),
    ],
)
def test_what_cannot_be_shown_is_not(dicom):
    assert preview(dicom) is None
