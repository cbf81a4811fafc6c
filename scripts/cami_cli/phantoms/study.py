"""A synthetic study as a device begins it: identifiers and the modules that every IOD shares (PS3.3 C.7, C.12.1)."""

import uuid
from dataclasses import dataclass

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from cami_cli.phantoms.people import Person

#: Namespace of the UIDs below: one place in the plan has the same identifiers in every run (PS3.5 B.2, root 2.25).
_NAMESPACE = uuid.UUID("6f1d3a52-5b0e-4c0b-9d5e-42000042c0de")

#: Class UID of what wrote the files (PS3.10 7.1), made once.
_IMPLEMENTATION = UID("2.25.148031530327187470128339415713482018816")

#: Manufacturer of every synthetic device: nobody shall take these images for a patient's.
MANUFACTURER = "CAMI PHANTOM"


@dataclass(frozen=True, slots=True)
class Device:
    """The synthetic device that acquires a study."""

    institution: str
    model: str
    station: str
    serial: str


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """In which character set a device writes text, and what it says of that."""

    declared: str
    """Specific Character Set; empty: it declares nothing."""
    codec: str
    """Python's name of the set that the text is really in."""

    @property
    def right(self) -> bool:
        """Return whether readers that believe the declaration read the text."""
        return (self.declared, self.codec) in {("ISO_IR 144", "iso8859_5"), ("ISO_IR 192", "utf-8")}


#: Cyrillic (ISO 8859-5) and Unicode, declared as the standard asks.
CYRILLIC, UTF8 = TextEncoding("ISO_IR 144", "iso8859_5"), TextEncoding("ISO_IR 192", "utf-8")
#: What Russian consoles do: Windows' letters declared as Western European ones, and letters declared as nothing.
MISDECLARED, UNDECLARED = TextEncoding("ISO_IR 100", "cp1251"), TextEncoding("", "iso8859_5")


@dataclass(frozen=True, slots=True)
class Study:
    """What is fixed before the first image of a study."""

    seed: int
    key: str
    """Unique in the plan; the identifiers grow from it and from `seed`."""
    person: Person
    device: Device
    modality: str
    description: str
    text: TextEncoding
    date: str
    time: str
    accession: str

    def uid(self, *parts: object) -> UID:
        """Return the UID of a part of this study; the same in every run with the same seed."""
        name = "/".join([str(self.seed), self.key, *map(str, parts)])
        return UID(f"2.25.{uuid.uuid5(_NAMESPACE, name).int}")

    @property
    def study_uid(self) -> UID:
        """Return the Study Instance UID."""
        return self.uid("study")

    def new_instance(self, sop_class: UID, series: int, series_description: str, number: int) -> Dataset:
        """Begin an instance: Patient, General Study, Series and Equipment, SOP Common, file meta information."""
        meta = FileMetaDataset()
        meta.FileMetaInformationVersion = b"\x00\x01"
        meta.MediaStorageSOPClassUID = sop_class
        meta.MediaStorageSOPInstanceUID = self.uid("instance", series, number)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.ImplementationClassUID = _IMPLEMENTATION
        meta.ImplementationVersionName = "CAMI_PHANTOM_1"

        instance = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        instance.SpecificCharacterSet = UTF8.declared  # until it is written (cami_cli.phantoms.write)
        instance.SOPClassUID = sop_class
        instance.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        instance.InstanceNumber = number
        instance.InstanceCreationDate = self.date
        instance.InstanceCreationTime = self.time
        self._describe_patient(instance)
        self._describe_study(instance)
        instance.Modality = self.modality
        instance.SeriesInstanceUID = self.uid("series", series)
        instance.SeriesNumber = series
        instance.SeriesDescription = series_description
        instance.SeriesDate = self.date
        instance.SeriesTime = self.time
        instance.ContentDate = self.date
        instance.ContentTime = self.time
        instance.AcquisitionDate = self.date
        instance.AcquisitionTime = self.time
        self._describe_device(instance)
        return instance

    def _describe_patient(self, instance: Dataset) -> None:
        instance.PatientName = self.person.name
        instance.PatientID = self.person.patient_id
        instance.PatientBirthDate = self.person.birth_date
        instance.PatientSex = self.person.sex
        age = int(self.date[:4]) - int(self.person.birth_date[:4]) - (self.date[4:] < self.person.birth_date[4:])
        instance.PatientAge = f"{age:03d}Y"

    def _describe_study(self, instance: Dataset) -> None:
        instance.StudyInstanceUID = self.study_uid
        instance.StudyDate = self.date
        instance.StudyTime = self.time
        instance.StudyID = self.accession[-7:]
        instance.AccessionNumber = self.accession
        instance.StudyDescription = self.description
        instance.ReferringPhysicianName = "Направляющий^Врач^Синтетический"

    def _describe_device(self, instance: Dataset) -> None:
        instance.Manufacturer = MANUFACTURER
        instance.ManufacturerModelName = self.device.model
        instance.StationName = self.device.station
        instance.DeviceSerialNumber = self.device.serial
        instance.SoftwareVersions = "1.0"
        instance.InstitutionName = self.device.institution


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return one item of a code sequence (PS3.3 section 8)."""
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def codes(*items: Dataset) -> Sequence:
    """Return a sequence of `items`."""
    return Sequence(items)
