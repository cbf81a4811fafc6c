"""What a file holds is told apart from how it is encoded."""

import contextlib
import hashlib
import io
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless

from cami.delivery.content import NO_PIXELS, Unreadable, content, pixel_digest

from .images import report, slice_of


def told(dicom):
    return content(io.BytesIO(dicom))


def test_native_pixels_are_the_same_in_each_uncompressed_syntax():
    explicit, implicit = slice_of(), slice_of(syntax=ImplicitVRLittleEndian)
    assert explicit != implicit
    values = pydicom.dcmread(io.BytesIO(explicit)).PixelData
    assert pixel_digest(explicit) == pixel_digest(implicit) == "native:" + hashlib.sha256(values).hexdigest()
    assert told(explicit).dataset == told(implicit).dataset
    assert (told(explicit).plain, told(implicit).plain) == (True, False)


def test_what_pads_an_odd_length_is_no_pixel():
    odd = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "Rows": 3, "Columns": 3}
    pixels = bytes(range(9))
    assert pixel_digest(slice_of(**odd, PixelData=pixels + b"\0")) == pixel_digest(
        slice_of(**odd, PixelData=pixels + b" ")
    )
    assert pixel_digest(slice_of(**odd, PixelData=pixels + b"\0")) == "native:" + hashlib.sha256(pixels).hexdigest()


def test_compressed_pixels_are_told_by_their_fragments():
    small = slice_of(syntax=JPEGLSLossless)
    dataset = pydicom.dcmread(io.BytesIO(small))
    _table, fragment = pydicom.encaps.generate_fragments(dataset.PixelData)
    assert pixel_digest(small) == "encapsulated:" + hashlib.sha256(fragment).hexdigest()
    assert pixel_digest(small) != pixel_digest(slice_of(syntax=JPEGLSLossless, seed=2))
    assert told(small).native_size == 16 * 16 * 2


def test_what_has_no_pixels_says_so():
    assert pixel_digest(report()) == told(report()).pixels == NO_PIXELS


@pytest.mark.parametrize(
    "tags", [{"PatientID": "P2"}, {"StudyDescription": "Chests"}, {"InstanceNumber": 1}, {"seed": 2}], ids=str
)
def test_any_difference_is_seen(tags):
    one, other = told(slice_of()), told(slice_of(**tags))
    assert (one.dataset, one.pixels) != (other.dataset, other.pixels)


def test_a_difference_deep_in_a_sequence_is_seen():
    dataset = pydicom.dcmread(io.BytesIO(slice_of()))
    dataset.AnatomicRegionSequence[0].CodeValue = "T-D3001"
    file = io.BytesIO()
    dataset.save_as(file)
    assert told(file.getvalue()).dataset != told(slice_of()).dataset


def test_how_a_sequence_is_delimited_makes_no_difference():
    dataset = pydicom.dcmread(io.BytesIO(slice_of()))
    dataset["AnatomicRegionSequence"].is_undefined_length = True
    dataset.AnatomicRegionSequence[0].is_undefined_length_sequence_item = True
    file = io.BytesIO()
    dataset.save_as(file)
    assert file.getvalue() != slice_of()
    assert told(file.getvalue()).dataset == told(slice_of()).dataset


def test_what_stands_behind_the_pixels_counts_but_padding():
    dataset = pydicom.dcmread(io.BytesIO(slice_of()))
    dataset.add_new(0xFFFCFFFC, "OB", bytes(100))
    file = io.BytesIO()
    dataset.save_as(file)
    assert told(file.getvalue()) == told(slice_of())
    dataset.add_new(0xFFFAFFFA, "SQ", [pydicom.Dataset()])
    file = io.BytesIO()
    dataset.save_as(file)
    assert told(file.getvalue()).dataset != told(slice_of()).dataset


@pytest.mark.parametrize("cut", [10, 140, 400, -10])
def test_a_cut_file_is_never_told_to_be_whole(cut):
    whole = slice_of()
    assert pixel_digest(whole[:cut]) != pixel_digest(whole)
    with contextlib.suppress(Unreadable):
        assert told(whole[:cut]) != told(whole)


def test_deflated_files_are_left_alone():
    dataset = pydicom.dcmread(io.BytesIO(slice_of()))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = io.BytesIO()
    dataset.save_as(file, implicit_vr=False, little_endian=True)
    assert pixel_digest(file.getvalue()) is None
    with pytest.raises(Unreadable):
        told(file.getvalue())


@pytest.mark.parametrize("name", ["MR_small_bigendian.dcm", "MR_small.dcm"])
def test_the_order_of_bytes_is_that_of_the_file(name):
    with Path(get_testdata_file(name, download=False)).open("rb") as file:
        found = content(file)
    values = pydicom.dcmread(get_testdata_file(name, download=False)).PixelData
    assert found.pixels == "native:" + hashlib.sha256(values).hexdigest()
    assert found.native_size == len(values)
    assert (found.syntax == ExplicitVRLittleEndian) == (name == "MR_small.dcm")
