"""An answer as DICOM: Basic Text SR (PS3.16 TID 2000) and Encapsulated PDF (PS3.3 A.45.1), in the study it is about.

UIDs follow from the request, the version and the object, so that filing again after a crash makes the same objects.
Texts are UTF-8. Nothing of pydicom's settings is changed.
"""

import hashlib
import io
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
)

from cami.consultations.texts import Text

#: Codes of PS3.16: CID 7000 (document title), TID 2002 (headings), CID 6027-ff.
_TITLE = ("11488-4", "LN", "Consultation note")
_LANGUAGE = ("121049", "DCM", "Language of Content Item and Descendants")
_HEADINGS = (
    ("findings", ("121070", "DCM", "Findings"), ("121071", "DCM", "Finding")),
    ("conclusion", ("121076", "DCM", "Conclusions"), ("121077", "DCM", "Conclusion")),
    ("recommendations", ("121074", "DCM", "Recommendations"), ("121075", "DCM", "Recommendation")),
)
_MANUFACTURER = "ЦАМИ"


@dataclass(frozen=True, slots=True)
class Origin:
    """What both objects say of where they come from."""

    number: int
    version: int
    study: Mapping[str, str]
    """Attributes of the patient and the study, by keyword, as the images have them."""
    person: str
    organization: str
    signed_at: datetime
    """In the time zone of the region."""
    evidence: Sequence[tuple[str, str, str]] = ()
    """Series, SOP Class and SOP Instance UID of images of the study."""


def text_report(origin: Origin, text: Text) -> bytes:
    """Return the answer as Basic Text SR."""
    report = _object(origin, BasicTextSRStorage, "SR", "sr", 990)
    report.SeriesDescription = "Протокол консультации"
    report.CompletionFlag = "COMPLETE"
    report.VerificationFlag = "VERIFIED"
    observer = Dataset()
    observer.VerifyingOrganization = origin.organization[:64]
    observer.VerificationDateTime = f"{origin.signed_at:%Y%m%d%H%M%S%z}"
    observer.VerifyingObserverName = _person(origin.person)
    observer.VerifyingObserverIdentificationCodeSequence = []
    report.VerifyingObserverSequence = [observer]
    report.PerformedProcedureCodeSequence = []
    report.ReferencedPerformedProcedureStepSequence = []
    if origin.evidence:
        report.CurrentRequestedProcedureEvidenceSequence = [_evidence(origin)]
    report.ValueType = "CONTAINER"
    report.ConceptNameCodeSequence = [_code(*_TITLE)]
    report.ContinuityOfContent = "SEPARATE"
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2000"
    report.ContentTemplateSequence = [template]
    report.ContentSequence = [_language(), *_context(origin), *_sections(text)]
    return _written(report)


def document_report(origin: Origin, pdf: bytes) -> bytes:
    """Return the signed document as Encapsulated PDF."""
    report = _object(origin, EncapsulatedPDFStorage, "DOC", "pdf", 991)
    report.SeriesDescription = "Протокол консультации (PDF)"
    report.ConversionType = "WSD"
    report.BurnedInAnnotation = "YES"
    report.DocumentTitle = f"Протокол консультации № {origin.number}, версия {origin.version}"
    report.AcquisitionDateTime = f"{origin.signed_at:%Y%m%d%H%M%S%z}"
    report.ConceptNameCodeSequence = [_code(*_TITLE)]
    report.MIMETypeOfEncapsulatedDocument = "application/pdf"
    report.EncapsulatedDocumentLength = len(pdf)
    report.EncapsulatedDocument = pdf + (b"\0" if len(pdf) % 2 else b"")
    return _written(report)


def derived_uid(*names: object) -> UID:
    """Return the UID that follows from names: that of a UUID (PS3.5 B.2) made of their digest."""
    digest = hashlib.sha256("|".join(map(str, names)).encode()).digest()
    return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")


def _object(origin: Origin, sop_class: UID, modality: str, kind: str, series: int) -> Dataset:
    report = Dataset()
    report.SpecificCharacterSet = "ISO_IR 192"
    study_uid = origin.study["StudyInstanceUID"]
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID = sop_class
    uid = derived_uid(study_uid, origin.number, origin.version, kind)
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID = uid
    for keyword in (
        "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
        "StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyDescription", "ReferringPhysicianName",
    ):  # fmt: skip
        required = keyword not in ("IssuerOfPatientID", "StudyDescription")
        if required or origin.study.get(keyword):
            setattr(report, keyword, origin.study.get(keyword, ""))
    report.Modality = modality
    report.SeriesInstanceUID = derived_uid(study_uid, origin.number, kind)
    report.SeriesNumber = series
    report.InstanceNumber = origin.version
    report.Manufacturer = _MANUFACTURER
    report.InstitutionName = origin.organization[:64]
    report.SeriesDate = report.ContentDate = f"{origin.signed_at:%Y%m%d}"
    report.SeriesTime = report.ContentTime = f"{origin.signed_at:%H%M%S}"
    report.InstanceCreationDate, report.InstanceCreationTime = report.ContentDate, report.ContentTime
    report.TimezoneOffsetFromUTC = f"{origin.signed_at:%z}"
    return report


def _evidence(origin: Origin) -> Dataset:
    study = Dataset()
    study.StudyInstanceUID = origin.study["StudyInstanceUID"]
    by_series: dict[str, list[Dataset]] = {}
    for series_uid, sop_class, sop in origin.evidence:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop
        by_series.setdefault(series_uid, []).append(item)
    listed = []
    for series_uid, items in by_series.items():
        series = Dataset()
        series.SeriesInstanceUID = series_uid
        series.ReferencedSOPSequence = items
        listed.append(series)
    study.ReferencedSeriesSequence = listed
    return study


def _language() -> Dataset:
    language = _item("HAS CONCEPT MOD", "CODE", _LANGUAGE)
    language.ConceptCodeSequence = [_code("ru", "RFC5646", "Russian")]
    return language


def _context(origin: Origin) -> list[Dataset]:
    """Return who has observed (TID 1001, 1002, 1003)."""
    kind = _item("HAS OBS CONTEXT", "CODE", ("121005", "DCM", "Observer Type"))
    kind.ConceptCodeSequence = [_code("121006", "DCM", "Person")]
    name = _item("HAS OBS CONTEXT", "PNAME", ("121008", "DCM", "Person Observer Name"))
    name.PersonName = _person(origin.person)
    organization = _item("HAS OBS CONTEXT", "TEXT", ("121009", "DCM", "Person Observer's Organization Name"))
    organization.TextValue = origin.organization
    return [kind, name, organization]


def _sections(text: Text) -> list[Dataset]:
    sections = []
    for field, heading, content in _HEADINGS:
        words = str(getattr(text, field)).strip()
        if not words:
            continue
        section = _item("CONTAINS", "CONTAINER", heading)
        section.ContinuityOfContent = "SEPARATE"
        written = _item("CONTAINS", "TEXT", content)
        written.TextValue = words
        section.ContentSequence = [written]
        sections.append(section)
    return sections


def _item(relation: str, kind: str, concept: tuple[str, str, str]) -> Dataset:
    item = Dataset()
    item.RelationshipType = relation
    item.ValueType = kind
    item.ConceptNameCodeSequence = [_code(*concept)]
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _person(name: str) -> str:
    """Return a name as a Person Name (PS3.5 §6.2): family, given, middle."""
    return "^".join(name.replace("^", " ").split()[:3])[:64]


def _written(report: Dataset) -> bytes:
    buffer = io.BytesIO()
    saved: Any = report
    saved.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
