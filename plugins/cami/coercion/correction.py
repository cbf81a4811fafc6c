"""Attributes that a person decided to correct: other identifiers, another study; the originals stay in the object.

The same record as of coercion, with the reason CORRECT (PS3.3 C.12.1.1.9).
"""

import struct
from collections.abc import Mapping

from cami.coercion.elements import Element, Malformed
from cami.coercion.layout import DicomFile, take_apart
from cami.coercion.originals import Modification, record
from cami.coercion.reading import Reader
from cami.coercion.text import SPECIFIC_CHARACTER_SET, Previous, Text
from cami.region import CharacterSets

SOP_INSTANCE_UID = 0x00080018
_MEDIA_STORAGE_SOP_INSTANCE_UID = struct.pack("<HH2s", 0x0002, 0x0003, b"UI")
_GROUP_LENGTH = struct.pack("<HH2sH", 0x0002, 0x0000, b"UL", 4)
_AFTER_GROUP_LENGTH = 132 + 12


def correct(dicom: bytes, values: Mapping[int, Element | None], modification: Modification) -> bytes:
    """Return an object with other values for some attributes; None takes an attribute away.

    Parameters
    ----------
    values
        In the character set and the encoding of VRs that the object has; see `fits`.

    Raises
    ------
    cami.coercion.elements.Malformed
        The object cannot be taken apart.
    """
    file = take_apart(dicom)
    declared = file.dataset.raw(SPECIFIC_CHARACTER_SET).decode("ascii", "replace").strip(" \0")
    text = Text(file, Reader(declared, CharacterSets()), str)
    previous = Previous()
    for tag, value in values.items():
        text.set_aside(tag, previous)
        if value is not None:
            file.dataset.elements[tag] = value
    record(file, previous, modification)
    head = _renamed(file.head, file.dataset.raw(SOP_INSTANCE_UID))
    return DicomFile(head, file.dataset, file.little_endian, file.tail).joined()


def fits(element: Element, source: DicomFile, target: DicomFile) -> bool:
    """Return whether an element of one object says the same in another."""
    same_layout = (source.dataset.implicit, source.little_endian) == (target.dataset.implicit, target.little_endian)
    if source.dataset.raw(SPECIFIC_CHARACTER_SET) == target.dataset.raw(SPECIFIC_CHARACTER_SET):
        return same_layout
    return same_layout and isinstance(element.value, bytes) and element.value.isascii()


def _renamed(head: bytes, uid: bytes) -> bytes:
    """Return the File Meta Information with another Media Storage SOP Instance UID (PS3.10 §7.1)."""
    start = head.find(_MEDIA_STORAGE_SOP_INSTANCE_UID, 132)
    if head[132 : 132 + len(_GROUP_LENGTH)] != _GROUP_LENGTH or start < 0:
        raise Malformed("the File Meta Information does not name the object")
    value = start + len(_MEDIA_STORAGE_SOP_INSTANCE_UID) + 2
    (length,) = struct.unpack_from("<H", head, value - 2)
    changed = head[: value - 2] + struct.pack("<H", len(uid)) + uid + head[value + length :]
    size = struct.pack("<L", len(changed) - _AFTER_GROUP_LENGTH)
    return changed[: _AFTER_GROUP_LENGTH - 4] + size + changed[_AFTER_GROUP_LENGTH:]
