"""A data set as its elements (PS3.5 §7.1), each with the bytes of its value."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from cami.errors import Invalid


class Malformed(Invalid):
    """The object is not laid out as PS3.5 says, or in a transfer syntax that is not known here."""


@dataclass(slots=True)
class Element:
    """One data element; a sequence has been taken apart if its value is a list."""

    tag: int
    vr: str
    """As written; empty in Implicit VR."""
    value: "bytes | list[DataSet]"
    undefined: bool = False
    """Whether its length is undefined, so that a delimiter ends it."""

    @property
    def private(self) -> bool:
        """Whether its group is odd (PS3.5 §7.8)."""
        return bool(self.tag >> 16 & 1)


@dataclass(slots=True)
class DataSet:
    """Elements by tag, in ascending order; also the item of a sequence."""

    elements: dict[int, Element] = field(default_factory=dict)
    implicit: bool = False
    """Whether it is in Implicit VR: an item within UN is, whatever surrounds it (PS3.5 §6.2.2)."""
    undefined: bool = False

    def __iter__(self) -> Iterator[Element]:
        """Go through the elements in ascending order."""
        return iter([self.elements[tag] for tag in sorted(self.elements)])

    def raw(self, tag: int) -> bytes:
        """Return the bytes of a value, none for one that is absent or a sequence that was taken apart."""
        element = self.elements.get(tag)
        return element.value if element is not None and isinstance(element.value, bytes) else b""

    def creator(self, element: Element) -> str:
        """Return the Private Creator of a private element, or nothing."""
        block = (element.tag & 0xFFFF) >> 8
        return self.raw(element.tag & 0xFFFF0000 | block).decode("ascii", "replace").strip(" \0") if block else ""

    def vr_of(self, element: Element) -> str:
        """Return the VR of an element: as written, else by the dictionaries; nothing when no one knows it."""
        if element.vr not in ("", "UN"):
            return element.vr
        if element.private and 0x10 <= element.tag & 0xFFFF <= 0xFF:
            return "LO"
        return _vr(element.tag, self.creator(element) if element.private else "")


@lru_cache(maxsize=4096)
def _vr(tag: int, creator: str) -> str:
    try:
        if creator:
            return private_dictionary_VR(tag, creator)
        return "" if tag >> 16 & 1 else dictionary_VR(tag)
    except KeyError:
        return ""
