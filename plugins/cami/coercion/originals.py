"""The record of what an object said before: Original Attributes Sequence (0400,0561), PS3.3 C.12.1.1.9.

Previous values keep the bytes that they had, in an item that declares the character set that the object declared.
What is no text in that set is empty there, and its bytes stand in Nonconforming Modified Attributes Sequence
(0400,0551).
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cami.coercion.elements import DataSet, Element
from cami.coercion.layout import DicomFile, items
from cami.coercion.text import SPECIFIC_CHARACTER_SET, Nonconforming, Previous

ORIGINAL_ATTRIBUTES = 0x04000561
_MODIFIED, _NONCONFORMING, _VALUE = 0x04000550, 0x04000551, 0x04000552
_WHEN, _SYSTEM, _SOURCE, _REASON = 0x04000562, 0x04000563, 0x04000564, 0x04000565
_SELECTOR, _POINTER, _POINTER_CREATOR, _CREATOR = 0x00720026, 0x00720052, 0x00720054, 0x00720056
_POINTER_ITEMS = 0x00741057

#: Beginning of Modifying System in all that this software writes.
SYSTEM = "CAMI "


@dataclass(frozen=True, slots=True)
class Modification:
    """Who changed an object, when, and why."""

    system: str
    """AE title of the server."""
    source: str
    """From where it had the object: an AE title, or nothing."""
    at: datetime
    reason: Literal["COERCE", "CORRECT"]


def date_time(moment: datetime) -> str:
    """Write a moment as DT with its offset from UTC (PS3.5 §6.2)."""
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f") + "+0000"


def text_was_put_right(file: DicomFile) -> bool:
    """Return whether this software has brought the text of an object into UTF-8 before."""
    for item in _recorded(file):
        if not item.raw(_SYSTEM).startswith(SYSTEM.encode("ascii")):
            continue
        modified = item.elements.get(_MODIFIED)
        if modified and any(SPECIFIC_CHARACTER_SET in each.elements for each in items(file, item, modified)):
            return True
    return False


def record(file: DicomFile, previous: Previous, modification: Modification) -> None:
    """Add the item that tells what `previous` was; items that are there stay."""
    make = _Maker(file)
    kept = make.dataset()
    kept.elements = dict(previous.elements)
    item = make.dataset(
        make.sequence(_MODIFIED, kept),
        make.text(_WHEN, "DT", date_time(modification.at)),
        make.text(_SYSTEM, "LO", SYSTEM + modification.system),
        make.text(_SOURCE, "LO", modification.source),
        make.text(_REASON, "CS", modification.reason),
    )
    if previous.nonconforming:
        told = make.sequence(_NONCONFORMING, *map(make.nonconforming, previous.nonconforming))
        item.elements[_NONCONFORMING] = told
    file.dataset.elements[ORIGINAL_ATTRIBUTES] = make.sequence(ORIGINAL_ATTRIBUTES, *_recorded(file), item)


def _recorded(file: DicomFile) -> list[DataSet]:
    element = file.dataset.elements.get(ORIGINAL_ATTRIBUTES)
    return [] if element is None else items(file, file.dataset, element)


class _Maker:
    """Makes elements in the encoding of an object."""

    def __init__(self, file: DicomFile) -> None:
        self._implicit = file.dataset.implicit
        self._order = "<" if file.little_endian else ">"

    def dataset(self, *elements: Element) -> DataSet:
        return DataSet({element.tag: element for element in elements}, implicit=self._implicit)

    def sequence(self, tag: int, *members: DataSet) -> Element:
        return self._element(tag, "SQ", list(members))

    def text(self, tag: int, vr: str, text: str) -> Element:
        value = text.encode("ascii")
        return self._element(tag, vr, value + b" " * (len(value) % 2))

    def nonconforming(self, found: Nonconforming) -> DataSet:
        """Name a value and give its bytes (PS3.3 table 10-20, Selector Attribute Macro)."""
        item = self.dataset(
            self._tags(_SELECTOR, found.tag),
            self._element(_VALUE, "OB", found.value + b"\0" * (len(found.value) % 2)),
        )
        if found.creator:
            item.elements[_CREATOR] = self.text(_CREATOR, "LO", _ascii(found.creator))
        if found.path:
            item.elements[_POINTER] = self._tags(_POINTER, *[step.tag for step in found.path])
            numbers = "\\".join(str(step.item) for step in found.path)
            item.elements[_POINTER_ITEMS] = self.text(_POINTER_ITEMS, "IS", numbers)
            if any(step.creator for step in found.path):
                creators = "\\".join(_ascii(step.creator) for step in found.path)
                item.elements[_POINTER_CREATOR] = self.text(_POINTER_CREATOR, "LO", creators)
        return item

    def _tags(self, tag: int, *tags: int) -> Element:
        value = b"".join(struct.pack(self._order + "HH", each >> 16, each & 0xFFFF) for each in tags)
        return self._element(tag, "AT", value)

    def _element(self, tag: int, vr: str, value: bytes | list[DataSet]) -> Element:
        return Element(tag, "" if self._implicit else vr, value)


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")
