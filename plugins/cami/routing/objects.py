"""What sending an object needs to know of it, read from its head."""

from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread

from cami.errors import Permanent


@dataclass(frozen=True, slots=True)
class Header:
    """Who an object is, and how it is encoded."""

    sop_class: str
    sop_uid: str
    series_uid: str
    study_uid: str
    syntax: str
    """Transfer Syntax UID (0002,0010)."""


def read_header(dicom: bytes) -> Header:
    """Read the head of a DICOM file.

    Raises
    ------
    cami.errors.Permanent
        It has none that could be sent.
    """
    wanted = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
    try:
        dataset = dcmread(BytesIO(dicom), stop_before_pixels=True, specific_tags=wanted)
        header = Header(
            sop_class=str(dataset.SOPClassUID),
            sop_uid=str(dataset.SOPInstanceUID),
            series_uid=str(dataset.SeriesInstanceUID),
            study_uid=str(dataset.StudyInstanceUID),
            syntax=str(dataset.file_meta.TransferSyntaxUID),
        )
    except Exception as error:  # pydicom raises anything on a broken data set
        raise Permanent("the object's head cannot be read") from error
    return header
