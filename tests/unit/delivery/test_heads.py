"""The first elements of a file: what a real parser reads, or nothing."""

import io

import pydicom
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
)

from cami.delivery.heads import Head, read_head

from .images import report, slice_of, with_study_named

HEAD = Head(b"P1", b"1.2.3", b"1.2.3.1", b"1.2.3.4.1", b"", b"")


def element(tag, vr, value):
    return tag[1::-1] + tag[:1:-1] + vr + len(value).to_bytes(2, "little") + value


def with_elements(*elements):
    """Put elements before all others of a data set in Explicit VR."""
    dicom = slice_of()
    start = 144 + int.from_bytes(dicom[140:144], "little")
    return dicom[:start] + b"".join(elements) + dicom[start:]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless])
def test_read_in_the_usual_syntaxes(syntax):
    head = read_head(slice_of(syntax=syntax, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SliceThickness="1.5"))
    assert head == HEAD._replace(image_type=b"ORIGINAL\\PRIMARY\\LOCALIZER", slice_thickness=b"1.5")


def test_objects_without_pixels_have_one_too():
    assert read_head(report()) == HEAD._replace(sop_uid=b"1.2.3.5.1")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_sequences_are_stepped_over(syntax):
    assert read_head(with_study_named(slice_of(syntax=syntax), undefined=False)) == HEAD


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_what_has_no_length_is_left_to_a_parser(syntax):
    assert read_head(with_study_named(slice_of(syntax=syntax), undefined=True)) is None


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_other_syntaxes_are_left_to_a_parser(syntax):
    dicom = slice_of().replace(b"1.2.840.10008.1.2.1\0", syntax.encode() + b"\0" * (len(syntax) % 2))
    assert read_head(dicom) is None


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientID": ""},
        {"PatientID": "Ж7", "SpecificCharacterSet": "ISO_IR 192"},
        {"PatientID": "A\\B"},
        {"PatientID": "7~", "SpecificCharacterSet": "ISO_IR 13"},
        {"StudyInstanceUID": "1.2.x"},
        {"SeriesInstanceUID": ""},
        {"SOPInstanceUID": "1." + "2" * 63},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_may_be_read_in_two_ways_is_left_to_a_parser(tags):
    assert read_head(slice_of(**tags)) is None


def test_padding_is_no_part_of_a_value():
    dicom = slice_of(PatientID="P17 ", StudyInstanceUID="1.2.34").replace(b"1.2.34\0", b"1.2.34 ")
    assert read_head(dicom)[:2] == (b"P17", b"1.2.34")


def test_elements_out_of_order_or_twice_are_left_to_a_parser():
    patient = element(b"\x00\x10\x00\x20", b"LO", b"OTHER ")
    assert read_head(with_elements(patient)) is None
    first = element(b"\x00\x08\x00\x01", b"UL", b"\0\0\0\0")
    assert read_head(with_elements(first)) == HEAD
    assert read_head(with_elements(first, first)) is None


def test_a_file_cut_anywhere_never_names_another_object():
    dicom = slice_of()
    assert {read_head(dicom[:length]) for length in range(len(dicom))} <= {None, HEAD}


@pytest.mark.parametrize("dicom", [b"", b"DICM", b"\0" * 500, b"\0" * 128 + b"DICM" + b"\0" * 300])
def test_no_dicom(dicom):
    assert read_head(dicom) is None


def test_no_meta_information_length():
    dataset = pydicom.dcmread(io.BytesIO(slice_of()))
    file = io.BytesIO()
    file.write(b"\0" * 128 + b"DICM")
    dataset.save_as(file, enforce_file_format=False)
    assert read_head(file.getvalue()) is None
