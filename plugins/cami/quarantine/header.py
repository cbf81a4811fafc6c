"""What an object says, attribute by attribute, for people to read and to compare."""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pydicom.datadict import dictionary_description, keyword_for_tag

from cami.coercion.elements import DataSet, Element, Malformed
from cami.coercion.layout import DicomFile, items, take_apart
from cami.coercion.originals import ORIGINAL_ATTRIBUTES
from cami.coercion.reading import Reader
from cami.coercion.text import SPECIFIC_CHARACTER_SET, TEXT
from cami.region import CharacterSets

#: Longer values are cut: a page is for reading.
_LONGEST = 200
#: Attributes that are listed at most, of enhanced multi-frame objects.
_MOST = 3000
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_PLAIN = frozenset(["AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"])
#: Records of coercion, which are no difference between images.
_RECORDS = frozenset([ORIGINAL_ATTRIBUTES, 0x00080015])


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute."""

    path: tuple[tuple[int, int], ...]
    """The sequences that it is in, each with the number of the item, from 0."""
    tag: int
    vr: str
    value: str
    """Empty for one without a value, and for a sequence."""

    @property
    def place(self) -> str:
        """The tag as the standard writes it."""
        return f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"

    @property
    def depth(self) -> int:
        """How many sequences it is in."""
        return len(self.path)

    @property
    def keyword(self) -> str:
        """Its keyword (PS3.6), empty for one that the dictionary does not know."""
        return keyword_for_tag(self.tag)

    @property
    def description(self) -> str:
        """Its English name (PS3.6), empty for one that the dictionary does not know."""
        try:
            return dictionary_description(self.tag)
        except KeyError:
            return ""


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute that two objects say differently; None where one does not have it."""

    attribute: Attribute
    held: str | None
    stored: str | None


class Header:
    """The attributes of one object, up to its pixels."""

    def __init__(self, dicom: bytes) -> None:
        """Read them; of what is no DICOM file there are none."""
        self.attributes: list[Attribute] = []
        self.readable = True
        try:
            self._file = take_apart(dicom)
            declared = self._file.dataset.raw(SPECIFIC_CHARACTER_SET).decode("ascii", "replace").strip(" \0")
            self._reader = Reader(declared, CharacterSets())
            for attribute in self._walk(self._file, self._file.dataset, ()):
                self.attributes.append(attribute)
                if len(self.attributes) == _MOST:
                    break
        except Malformed:
            self.readable = False
        self._by_tag = {attribute.tag: attribute.value for attribute in self.attributes if not attribute.path}

    def text(self, tag: int) -> str:
        """Return a value of the top level; empty if there is none."""
        return self._by_tag.get(tag, "")

    def differences(self, stored: "Header") -> list[Difference]:
        """Compare with what is stored; records of coercion left out."""
        ours, theirs = self._compared(), stored._compared()  # noqa: SLF001 - of the same class
        found = []
        for key in sorted({*ours, *theirs}):
            held, there = ours.get(key), theirs.get(key)
            if held is None or there is None or held.value != there.value:
                shown = held or there
                if shown is not None:
                    found.append(Difference(shown, _value(held), _value(there)))
        return found

    def _compared(self) -> Mapping[tuple[tuple[tuple[int, int], ...], int], Attribute]:
        return {
            (attribute.path, attribute.tag): attribute
            for attribute in self.attributes
            if attribute.tag not in _RECORDS and not any(tag in _RECORDS for tag, _ in attribute.path)
        }

    def _walk(self, file: DicomFile, dataset: DataSet, path: tuple[tuple[int, int], ...]) -> Iterator[Attribute]:
        for element in dataset:
            vr = dataset.vr_of(element)
            if vr == "SQ" or isinstance(element.value, list):
                yield Attribute(path, element.tag, "SQ", "")
                for number, item in enumerate(items(file, dataset, element)):
                    yield from self._walk(file, item, (*path, (element.tag, number)))
            else:
                yield Attribute(path, element.tag, vr, self._written(element, vr)[:_LONGEST])

    def _written(self, element: Element, vr: str) -> str:
        value = element.value if isinstance(element.value, bytes) else b""
        if vr in TEXT:
            return _one_line(self._reader.read(value).text)
        if vr in _PLAIN:
            return _one_line(value.decode("ascii", "replace"))
        return _binary(value, vr, "<" if self._file.little_endian else ">")


def _binary(value: bytes, vr: str, order: str) -> str:
    code = _NUMBERS.get(vr)
    write: Callable[[int | float], str] = str
    if code is not None and value and len(value) % struct.calcsize(order + code) == 0:
        numbers = struct.unpack(f"{order}{len(value) // struct.calcsize(order + code)}{code}", value)
        return "\\".join(map(write, numbers[:50]))
    if vr == "AT" and value and len(value) % 4 == 0:
        tags = struct.unpack(f"{order}{len(value) // 2}H", value)
        pairs = zip(tags[::2], tags[1::2], strict=True)
        return "\\".join(f"({group:04X},{element:04X})" for group, element in pairs)
    return f"[{len(value)}]" if value else ""


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _value(attribute: Attribute | None) -> str | None:
    return None if attribute is None else attribute.value
