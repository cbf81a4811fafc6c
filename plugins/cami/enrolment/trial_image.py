"""The image of the self-test: a small picture of nobody, that any archive takes for what it is."""

import io
import secrets

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

#: Its patient. No person is called so.
PATIENT = "CAMI-TEST"
_SIZE = 128


def trial_image(mo: str, date: str) -> bytes:
    """Return a secondary capture (PS3.3 A.8.1) with identifiers that were never there before."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image: Dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SpecificCharacterSet = "ISO_IR 192"
    image.SOPClassUID = SecondaryCaptureImageStorage
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.PatientName, image.PatientID = "ТЕСТ^УСТАНОВКИ", f"{PATIENT}-{mo}-{secrets.token_hex(4)}"
    image.PatientBirthDate, image.PatientSex = "", "O"
    image.StudyDate, image.StudyTime, image.StudyID = date, "000000", "TEST"
    image.AccessionNumber = image.ReferringPhysicianName = ""
    image.StudyDescription = "Проверка PACS Proxy, не для диагностики"
    image.Modality, image.ConversionType = "OT", "SYN"
    image.SeriesNumber, image.InstanceNumber = 1, 1
    image.Rows = image.Columns = _SIZE
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    image.PixelData = secrets.token_bytes(_SIZE * _SIZE)
    written = io.BytesIO()
    image.save_as(written, enforce_file_format=True)
    return written.getvalue()
