"""The attributes that C-FIND matches and returns, by level (PS3.4 tables C.6-1 to C.6-4).

Only what the archive holds in its database: an attribute that would have a file opened for each answer is neither
matched nor returned, as PS3.4 C.2.2.1.3 allows for optional keys.
"""

from collections.abc import Mapping
from enum import StrEnum

from cami.archive import Level as ArchiveLevel


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


#: What a level is called in the archive port; patients are put together from studies.
ARCHIVE_LEVELS: Mapping[Level, ArchiveLevel] = {
    Level.PATIENT: "studies",
    Level.STUDY: "studies",
    Level.SERIES: "series",
    Level.IMAGE: "instances",
}
#: The unique key of each level that is a UID, from the top.
UIDS: Mapping[Level, str] = {
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}

_PATIENT = frozenset({"IssuerOfPatientID", "PatientBirthDate", "PatientID", "PatientName", "PatientSex"})
_STUDY = frozenset(
    {
        "AccessionNumber",
        "InstitutionName",
        "ReferringPhysicianName",
        "StudyDate",
        "StudyDescription",
        "StudyID",
        "StudyInstanceUID",
        "StudyTime",
    }
)
_SERIES = frozenset(
    {
        "BodyPartExamined",
        "Manufacturer",
        "Modality",
        "PerformedProcedureStepDescription",
        "ProtocolName",
        "SeriesDate",
        "SeriesDescription",
        "SeriesInstanceUID",
        "SeriesNumber",
        "SeriesTime",
        "StationName",
    }
)
_IMAGE = frozenset({"AcquisitionNumber", "ImageComments", "InstanceNumber", "NumberOfFrames", "SOPInstanceUID"})

_BELOW: Mapping[Level, frozenset[str]] = {
    Level.PATIENT: _PATIENT,
    Level.STUDY: _PATIENT | _STUDY,
    Level.SERIES: _PATIENT | _STUDY | _SERIES,
    Level.IMAGE: _PATIENT | _STUDY | _SERIES | _IMAGE,
}
#: Counted by the archive (PS3.4 C.3.4), and the class, which Orthanc keeps beside the object.
_COMPUTED: Mapping[Level, frozenset[str]] = {
    Level.PATIENT: frozenset(),
    Level.STUDY: frozenset({"ModalitiesInStudy", "NumberOfStudyRelatedInstances", "NumberOfStudyRelatedSeries"}),
    Level.SERIES: frozenset({"NumberOfSeriesRelatedInstances"}),
    Level.IMAGE: frozenset({"SOPClassUID"}),
}

#: Attributes of which the archive may have no column (they depend on Orthanc's release and configuration).
MAIN_TAGS: Mapping[str, frozenset[str]] = {"Patient": _PATIENT, "Study": _STUDY, "Series": _SERIES, "Instance": _IMAGE}


def matched(level: Level) -> frozenset[str]:
    """Return the attributes that can be asked for with a value."""
    return _BELOW[level] | (frozenset({"ModalitiesInStudy"}) if level is Level.STUDY else frozenset())


def returned(level: Level) -> frozenset[str]:
    """Return the attributes that are answered when they are asked for."""
    return _BELOW[level] | _COMPUTED[level]
