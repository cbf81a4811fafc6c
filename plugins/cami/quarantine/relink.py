"""A new instance out of an object in quarantine: other UIDs, in a study of the МО that it belongs to.

The original is not changed: the new one has a SOP Instance UID of its own, and says in Original Attributes Sequence
what it was (PS3.3 C.12.1.1.9). UIDs follow from the object and the study, so that doing it twice makes one instance.
"""

import uuid
from dataclasses import dataclass

from cami.coercion.correction import correct, fits
from cami.coercion.elements import Element, Malformed
from cami.coercion.layout import DicomFile, take_apart
from cami.coercion.originals import Modification

#: Of the UIDs made here (PS3.5 annex B.2: root 2.25, name-based UUIDs of RFC 9562 §5.5).
_NAMESPACE = uuid.UUID("0b9f5a5e-4d0a-4d4e-9a53-6a2d1f3c7e11")

_SOP_UID, _PATIENT_ID, _STUDY_UID, _SERIES_UID = 0x00080018, 0x00100020, 0x0020000D, 0x0020000E
#: What an instance says of its patient and study (PS3.3 C.7.1.1, C.7.2.1): of the study that it comes into.
_OF_THE_STUDY = (
    0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00081030,
    0x00100010, 0x00100020, 0x00100021, 0x00100024, 0x00100030, 0x00100040, 0x00101002,
    _STUDY_UID, 0x00200010,
)  # fmt: skip


class CannotBeLinked(Malformed):
    """The text of the study cannot be written into the object as it is."""


@dataclass(frozen=True, slots=True)
class Relinked:
    """A new instance."""

    dicom: bytes
    sop_uid: str


@dataclass(frozen=True, slots=True)
class Source:
    """An object in quarantine, with its text put right."""

    dicom: bytes
    name: str
    """Its own for ever: what the new SOP Instance UID is made of."""
    mo: str


def within_its_study(source: Source, modification: Modification) -> Relinked:
    """Make a new instance of the same series."""
    file = take_apart(source.dicom)
    sop_uid = _new_uid(source.name, "same")
    return Relinked(correct(source.dicom, {_SOP_UID: _uid(file, _SOP_UID, sop_uid)}, modification), sop_uid)


def in_a_new_study(source: Source, modification: Modification) -> Relinked:
    """Make a new instance in a study of its own; all images of one study of an МО come into the same."""
    file = take_apart(source.dicom)
    study_uid = _new_uid(source.mo, _text(file, _STUDY_UID), _text(file, _PATIENT_ID))
    return _into(source, file, {_STUDY_UID: _uid(file, _STUDY_UID, study_uid)}, study_uid, modification)


def in_another_study(source: Source, of_the_study: bytes, modification: Modification) -> Relinked:
    """Make a new instance of the study that `of_the_study` is an instance of.

    Raises
    ------
    CannotBeLinked
        Both are written in other character sets or encodings of VRs.
    """
    file, other = take_apart(source.dicom), take_apart(of_the_study)
    values: dict[int, Element | None] = {}
    for tag in _OF_THE_STUDY:
        element = other.dataset.elements.get(tag)
        if element is not None and not fits(element, other, file):
            raise CannotBeLinked("the study is written in another character set than the object")
        if element is not None or tag in file.dataset.elements:
            values[tag] = element
    return _into(source, file, values, _text(other, _STUDY_UID), modification)


def _into(
    source: Source, file: DicomFile, values: dict[int, Element | None], study_uid: str, modification: Modification
) -> Relinked:
    sop_uid = _new_uid(source.name, study_uid)
    series_uid = _new_uid(study_uid, _text(file, _STUDY_UID), _text(file, _SERIES_UID))
    values |= {_SERIES_UID: _uid(file, _SERIES_UID, series_uid), _SOP_UID: _uid(file, _SOP_UID, sop_uid)}
    return Relinked(correct(source.dicom, values, modification), sop_uid)


def _new_uid(*names: str) -> str:
    return f"2.25.{uuid.uuid5(_NAMESPACE, '|'.join(names)).int}"


def _uid(file: DicomFile, tag: int, uid: str) -> Element:
    value = uid.encode("ascii")
    return Element(tag, "" if file.dataset.implicit else "UI", value + b"\0" * (len(value) % 2))


def _text(file: DicomFile, tag: int) -> str:
    return file.dataset.raw(tag).decode("utf-8", "replace").strip(" \0")
