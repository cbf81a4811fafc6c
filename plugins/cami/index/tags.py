"""DICOM tags as requests spell them, and those that the index answers for."""

import re
from collections.abc import Mapping

_TAG = re.compile(r"([0-9a-fA-F]{4})[,-]?([0-9a-fA-F]{4})")

#: Tags that can be searched for in a study, by keyword.
STUDY_KEYS: Mapping[str, str] = {
    "00080020": "StudyDate",
    "00080030": "StudyTime",
    "00080050": "AccessionNumber",
    "00080061": "ModalitiesInStudy",
    "00080080": "InstitutionName",
    "00080090": "ReferringPhysicianName",
    "00081030": "StudyDescription",
    "00100010": "PatientName",
    "00100020": "PatientID",
    "00100030": "PatientBirthDate",
    "00100040": "PatientSex",
    "0020000d": "StudyInstanceUID",
    "00200010": "StudyID",
}
#: Further tags that can be searched for in a series.
SERIES_KEYS: Mapping[str, str] = {
    "00080060": "Modality",
    "0008103e": "SeriesDescription",
    "00180015": "BodyPartExamined",
    "0020000e": "SeriesInstanceUID",
    "00200011": "SeriesNumber",
}
_KEYWORDS = {**STUDY_KEYS, **SERIES_KEYS}

#: Counted by the index itself, since asking the core for them is what makes stock QIDO-RS slow.
MODALITIES_IN_STUDY = "0008,0061"
STUDY_SERIES = "0020,1206"
STUDY_INSTANCES = "0020,1208"
SERIES_INSTANCES = "0020,1209"
COMPUTED: Mapping[str, str] = {
    MODALITIES_IN_STUDY: "ModalitiesInStudy",
    STUDY_SERIES: "NumberOfStudyRelatedSeries",
    STUDY_INSTANCES: "NumberOfStudyRelatedInstances",
    SERIES_INSTANCES: "NumberOfSeriesRelatedInstances",
}


def tag_name(name: str) -> str:
    """Write a tag as eight hexadecimal digits in lower case; a keyword stays."""
    found = _TAG.fullmatch(name.strip())
    return (found.group(1) + found.group(2)).lower() if found else name.strip()


def keyword(name: str) -> str:
    """Return the keyword of a tag that can be searched for; another one as eight digits."""
    return _KEYWORDS.get(tag_name(name), tag_name(name))


def core_tag(name: str) -> str:
    """Write a tag as Orthanc does in its answers, ``gggg,eeee``; a keyword stays."""
    written = tag_name(name)
    return f"{written[:4]},{written[4:]}" if _TAG.fullmatch(written) else written
