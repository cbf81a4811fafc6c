"""A study as a list shows it, read from Orthanc once and kept where its images are not (yet, or any more).

These are the columns of the archive page and nothing else: whose study it is, when and what. A proxy keeps them for the
studies of its own МО; the centre gets them ahead of the images, over the line and for the МО that the images
themselves come from, since a doctor can only ask for a study whose patient is named. They never go to a log.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from cami.archive import Archive
from cami.errors import Invalid

#: Longest value that is kept; DICOM's own longest is 64 characters but for names, which may have three groups.
_LONGEST = 400
_SHORT = 32


@dataclass(frozen=True, slots=True)
class Columns:
    """What a list of studies shows; DICOM's own values."""

    patient_name: str = ""
    patient_id: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    study_date: str = ""
    study_time: str = ""
    accession: str = ""
    modalities: str = ""
    """Each once, joined by backslashes, as Modalities in Study (0008,0061)."""
    description: str = ""
    device: str = ""
    """AE title that the first series came from."""

    def to_json(self) -> dict[str, str]:
        """Return the columns by name."""
        return asdict(self)

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Read what `to_json` has written; longer values are cut.

        Raises
        ------
        cami.errors.Invalid
            It is none.
        """
        if not isinstance(document, Mapping):
            raise Invalid("the columns of a study must be an object")
        values = {}
        for field in fields(cls):
            value = document.get(field.name, "")
            if not isinstance(value, str):
                raise Invalid("the columns of a study must be texts")
            values[field.name] = value[: _SHORT if field.name in _SHORT_ONES else _LONGEST]
        return cls(**values)

    @classmethod
    def of(cls, row: Any) -> Self:
        """Read the columns of a row of ours."""
        return cls(**{field.name: getattr(row, field.name) for field in fields(cls)})

    def as_orthanc(self, study_id: str, study_uid: str, instances: int) -> dict[str, Any]:
        """Return the study as Orthanc's ``/tools/find`` would, so that a list need not know that it is not there."""
        return {
            "ID": study_id,
            "Type": "Study",
            "MainDicomTags": {
                "StudyInstanceUID": study_uid,
                "StudyDate": self.study_date,
                "StudyTime": self.study_time,
                "StudyDescription": self.description,
                "AccessionNumber": self.accession,
            },
            "PatientMainDicomTags": {
                "PatientName": self.patient_name,
                "PatientID": self.patient_id,
                "PatientBirthDate": self.patient_birth_date,
                "PatientSex": self.patient_sex,
            },
            "RequestedTags": {
                "ModalitiesInStudy": self.modalities,
                "NumberOfStudyRelatedInstances": str(instances),
            },
        }


_SHORT_ONES = frozenset({"device", "patient_birth_date", "patient_sex", "study_date", "study_time"})


@dataclass(frozen=True, slots=True)
class Described:
    """A study of an archive: its columns and what finds its relatives."""

    study_id: str
    study_uid: str
    patient: str
    """Orthanc's id of the patient, the SHA-1 of the Patient ID."""
    issuer: str
    """Issuer of Patient ID (0010,0021); empty where it is not known."""
    body_parts: str
    """Body Part Examined (0018,0015), each once, joined by backslashes."""
    columns: Columns


def describe(archive: Archive, study_id: str) -> Described:
    """Read a study's columns from the archive.

    Raises
    ------
    cami.errors.NotFound
        It is gone.
    """
    study = archive.get(f"/studies/{study_id}")
    wanted = ["MainDicomTags", "Metadata"]
    series = archive.find(
        {"Level": "Series", "ParentStudy": study_id, "Query": {}, "Expand": True, "ResponseContent": wanted}
    )
    tags, patient = study["MainDicomTags"], study["PatientMainDicomTags"]
    described = {
        "patient_name": patient.get("PatientName", ""),
        "patient_id": patient.get("PatientID", ""),
        "patient_birth_date": patient.get("PatientBirthDate", ""),
        "patient_sex": patient.get("PatientSex", ""),
        "study_date": tags.get("StudyDate", ""),
        "study_time": tags.get("StudyTime", ""),
        "accession": tags.get("AccessionNumber", ""),
        "modalities": _each_once(series, "Modality"),
        "description": tags.get("StudyDescription", ""),
        "device": next((aet for one in series if (aet := one.get("Metadata", {}).get("RemoteAET"))), ""),
    }
    return Described(
        study_id=study_id,
        study_uid=tags.get("StudyInstanceUID", "")[:128],
        patient=study["ParentPatient"],
        issuer=tags.get("IssuerOfPatientID", "")[:_LONGEST],
        body_parts=_each_once(series, "BodyPartExamined"),
        columns=Columns.parse(described),
    )


def _each_once(series: list[Any], name: str) -> str:
    values = (one["MainDicomTags"].get(name, "").strip().upper() for one in series)
    return "\\".join(dict.fromkeys(value for value in values if value))[:_LONGEST]
