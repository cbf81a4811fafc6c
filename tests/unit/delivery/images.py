"""Real DICOM for tests in memory: one image in any encoding, and an archive that reads it as Orthanc does."""

import io

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
)

from cami.archive import ObjectIdentity
from cami.errors import Permanent

from .conftest import Shelf


def slice_of(sop="1.2.3.4.1", *, syntax=ExplicitVRLittleEndian, seed=1, side=16, study="1.2.3", **tags):
    """Return the file of a CT slice; the same arguments but `syntax` make the same image."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = sop
    dataset.PatientID, dataset.PatientName, dataset.Modality = "P1", "Ivanov^Petr", "CT"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, study + ".1"
    dataset.StudyDescription = "Chest"
    item = Dataset()
    item.CodeValue = "T-D3000"
    item.CodingSchemeDesignator = "SRT"
    dataset.AnatomicRegionSequence = Sequence([item])
    dataset.Rows = dataset.Columns = side
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = np.random.default_rng(seed).integers(0, 2**16, side * side, dtype=np.uint16).tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    return in_syntax(dataset, syntax)


def with_study_named(dicom, *, undefined):
    """Put a sequence into a file that names another study and series; of undefined length or not."""
    dataset = pydicom.dcmread(io.BytesIO(dicom))
    item = Dataset()
    item.StudyInstanceUID, item.SeriesInstanceUID, item.ReferencedSOPInstanceUID = "9.9", "9.9.9", "9.9.9.9"
    item.is_undefined_length_sequence_item = undefined
    dataset.ReferencedStudySequence = Sequence([item])
    dataset["ReferencedStudySequence"].is_undefined_length = undefined
    return in_syntax(dataset, dataset.file_meta.TransferSyntaxUID)


def report(sop="1.2.3.5.1"):
    """Return the file of an object without pixels."""
    dataset = pydicom.dcmread(io.BytesIO(slice_of(sop)))
    del dataset.PixelData
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = EncapsulatedPDFStorage
    dataset.EncapsulatedDocument = b"%PDF-1.7"
    return in_syntax(dataset, ExplicitVRLittleEndian)


def in_syntax(dataset, syntax):
    """Write a dataset in a transfer syntax."""
    if syntax == JPEGLSLossless:
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    elif syntax.is_compressed:
        raise AssertionError("no codec for it here")
    dataset.file_meta.TransferSyntaxUID = syntax
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True, implicit_vr=syntax.is_implicit_VR, little_endian=True)
    return file.getvalue()


class DicomShelf(Shelf):
    """An archive in memory that parses and decodes real files."""

    def parse(self, dicom):
        try:
            dataset = pydicom.dcmread(io.BytesIO(dicom))
        except pydicom.errors.InvalidDicomError as error:
            raise Permanent("not DICOM") from error
        uids = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
        return ObjectIdentity(dataset.PatientID, *uids, "CT", "Chest")

    def in_plain(self, dicom):
        dataset = pydicom.dcmread(io.BytesIO(dicom))
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            dataset.decompress(generate_instance_uid=False)
        return in_syntax(dataset, ExplicitVRLittleEndian)


SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless]
