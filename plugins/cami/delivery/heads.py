"""The first elements of a DICOM file, read while a device waits: who the object is, and where it stands in its study.

Orthanc's own parser takes the whole object apart, `cami.coercion.layout` keeps every element up to the pixels. Here
elements are stepped over by their lengths (PS3.5 §7.1), up to the Series Instance UID. What is laid out otherwise, or
may be read differently by Orthanc, has no head: the caller then asks Orthanc.
"""

import re
import struct
from typing import NamedTuple

#: Transfer syntaxes that are big endian or deflated (PS3.5 annex A): their data sets are not laid out as is read here.
_OTHERWISE = (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.95")
_IMPLICIT = b"1.2.840.10008.1.2"
#: Transfer Syntax UID in the File Meta Information, and how a file begins whose meta information tells its length.
_META_SYNTAX = b"\x02\x00\x10\x00UI"
_BEGINNING = b"DICM\x02\x00\x00\x00UL\x04\x00"
#: VRs whose length has four bytes, after two that are reserved.
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_UNDEFINED = 0xFFFFFFFF
_LAYOUT = struct.Struct("<HH2sH").unpack_from
_PLAIN_LAYOUT = struct.Struct("<HHL").unpack_from
_LENGTH = struct.Struct("<L")

_IMAGE_TYPE, _SOP, _PATIENT, _THICKNESS, _STUDY, _SERIES = (
    0x00080008, 0x00080018, 0x00100020, 0x00180050, 0x0020000D, 0x0020000E,
)  # fmt: skip
_WANTED = frozenset([_IMAGE_TYPE, _SOP, _PATIENT, _THICKNESS, _STUDY, _SERIES])
_UID = re.compile(rb"[0-9.]{1,64}")
#: One value that reads the same in every character set: ASCII without what ISO_IR 13 has for backslash and tilde.
_PLAIN = re.compile(rb"[!-\[\]-}](?:[ -\[\]-}]{0,126}[!-\[\]-}])?")
_VALUES = re.compile(rb"[ -~]{0,256}")


class Head(NamedTuple):
    """Who an object is, as bytes of ASCII without padding."""

    patient_id: bytes
    study_uid: bytes
    series_uid: bytes
    sop_uid: bytes
    image_type: bytes
    """(0008,0008), values joined by backslashes."""
    slice_thickness: bytes
    """(0018,0050)"""


def read_head(dicom: bytes) -> Head | None:
    """Return the head of a DICOM file; None if it has to be left to a real parser."""
    try:
        found = _elements(dicom)
    except (struct.error, IndexError):  # it ends early
        return None
    if found is None:
        return None
    patient = found.get(_PATIENT, b"").strip(b" \0")
    study, series, sop = (found.get(tag, b"").rstrip(b" \0") for tag in (_STUDY, _SERIES, _SOP))
    image_type = found.get(_IMAGE_TYPE, b"").strip(b" \0")
    thickness = found.get(_THICKNESS, b"").strip(b" \0")
    named = _PLAIN.fullmatch(patient) and _UID.fullmatch(study) and _UID.fullmatch(series) and _UID.fullmatch(sop)
    if not (named and _VALUES.fullmatch(image_type) and _VALUES.fullmatch(thickness)):
        return None
    return Head(patient, study, series, sop, image_type, thickness)


def _elements(dicom: bytes) -> dict[int, bytes] | None:
    """Return the values of `_WANTED` in the data set, none of which may be missing a place in the order of tags."""
    # Preamble, "DICM", and the length of the File Meta Information (PS3.10 §7.1), which is in Explicit VR.
    if dicom[128:140] != _BEGINNING:
        return None
    position = 144 + _LENGTH.unpack_from(dicom, 140)[0]
    there = dicom.find(_META_SYNTAX, 144, position)
    if there < 0:
        return None
    syntax = dicom[there + 8 : there + 8 + dicom[there + 6]].rstrip(b" \0")
    if syntax in _OTHERWISE:
        return None
    return _stepped(dicom, position, implicit=syntax == _IMPLICIT)


def _stepped(dicom: bytes, position: int, *, implicit: bool) -> dict[int, bytes] | None:
    found: dict[int, bytes] = {}
    last = 0
    while True:
        if implicit:
            group, element, length = _PLAIN_LAYOUT(dicom, position)
            value = position + 8
        else:
            group, element, vr, length = _LAYOUT(dicom, position)
            value = position + 8
            if vr in _LONG:
                (length,) = _LENGTH.unpack_from(dicom, value)
                value += 4
        tag = group << 16 | element
        if tag > _SERIES:
            return found
        if tag <= last or length == _UNDEFINED:
            return None
        last = tag
        position = value + length
        if tag in _WANTED:
            found[tag] = dicom[value:position]
