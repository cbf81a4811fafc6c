"""A DICOM file, taken apart up to its pixels: bytes in, the same bytes out (PS3.5 §7, PS3.10 §7.1).

pydicom reads such files well, but writes another data set than it read as soon as the character set is another: it
decodes and encodes every value, also those that are none of our business. Here a value that nobody touches keeps its
bytes, and what lies behind the first pixel is never looked at. What is not laid out as the standard says is refused;
the caller then leaves the object as it is.
"""

import struct
from dataclasses import dataclass

from cami.coercion.elements import DataSet, Element, Malformed

#: (7FE0,0001) and what follows: Extended Offset Table, Pixel Data. None of it is read.
PIXELS = 0x7FE00000

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
#: VRs by the size of their length in Explicit VR: four bytes after two that are reserved, or two.
_LONG = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"])
_SHORT = frozenset(["AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS"])
_SHORT |= {"ST", "TM", "UI", "UL", "US"}
_IMPLICIT, _DEFLATED, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
_EXPLICIT = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5")
#: Deeper nesting is an attack, not an image.
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class DicomFile:
    """A DICOM file, taken apart up to its pixels."""

    head: bytes
    """Preamble and File Meta Information."""
    dataset: DataSet
    little_endian: bool
    tail: memoryview
    """All bytes from the first element of `PIXELS` on."""

    def joined(self) -> bytes:
        """Return the file with its data set as it is now.

        Raises
        ------
        Malformed
            A value has become longer than its VR can tell.
        """
        writer = _Writer(little_endian=self.little_endian)
        return b"".join([self.head, writer.written(self.dataset), self.tail])


def take_apart(dicom: bytes) -> DicomFile:
    """Read a DICOM file up to its pixels.

    Raises
    ------
    Malformed
        It is not laid out as the standard says, or is deflated.
    """
    start, syntax = _file_meta(dicom)
    implicit = syntax == _IMPLICIT
    little_endian = syntax != _BIG_ENDIAN
    if not (implicit or syntax in (_EXPLICIT[0], _BIG_ENDIAN) or syntax.startswith(_EXPLICIT[1:])):
        raise Malformed("deflated" if syntax == _DEFLATED else "a transfer syntax that is not known here")
    reader = _Reader(dicom, little_endian=little_endian)
    try:
        dataset, end = reader.dataset(start, len(dicom), implicit=implicit)
    except (struct.error, UnicodeDecodeError) as error:
        raise Malformed("the data set ends within an element") from error
    return DicomFile(dicom[:start], dataset, little_endian, memoryview(dicom)[end:])


def items(file: DicomFile, parent: DataSet, element: Element) -> list[DataSet]:
    """Return the items of a sequence, taking it apart if it is not yet.

    Raises
    ------
    Malformed
        Its value does not consist of items.
    """
    if isinstance(element.value, bytes):
        implicit = parent.implicit or element.vr == "UN"
        reader = _Reader(element.value, little_endian=file.little_endian)
        try:
            element.value, _ = reader.items(0, len(element.value), implicit=implicit, depth=1)
        except (struct.error, UnicodeDecodeError) as error:
            raise Malformed("a sequence ends within an item") from error
    return element.value


def _file_meta(dicom: bytes) -> tuple[int, str]:
    """Return where the data set begins and in which transfer syntax it is."""
    if dicom[128:132] != b"DICM":
        raise Malformed("no DICOM file")
    position, syntax = 132, ""
    try:
        while dicom[position : position + 2] == b"\x02\x00":
            element, vr = struct.unpack_from("<H2s", dicom, position + 2)
            if vr.decode("ascii") in _LONG:
                (length,) = struct.unpack_from("<L", dicom, position + 8)
                position += 12
            else:
                (length,) = struct.unpack_from("<H", dicom, position + 6)
                position += 8
            if element == 0x0010:
                syntax = dicom[position : position + length].decode("ascii").strip("\0 ")
            position += length
    except (struct.error, UnicodeDecodeError) as error:
        raise Malformed("the File Meta Information is broken") from error
    return position, syntax


class _Reader:
    """Takes bytes apart."""

    def __init__(self, data: bytes, *, little_endian: bool) -> None:
        order = "<" if little_endian else ">"
        self._data = data
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")

    def dataset(self, position: int, end: int, *, implicit: bool, depth: int = 0) -> tuple[DataSet, int]:
        """Read elements up to `end`, the pixels, or the delimiter of the item; return also where they end."""
        found = DataSet(implicit=implicit)
        last = -1
        while position < end:
            tag = self._read_tag(position)
            if tag == _ITEM_END and depth:
                return found, position
            if tag >= PIXELS and not depth:
                return found, position
            if tag <= last:
                raise Malformed("elements are not in ascending order")
            last = tag
            element, position = self._element(tag, position + 4, end, implicit=implicit, depth=depth)
            found.elements[tag] = element
        return found, position

    def items(
        self, position: int, end: int, *, implicit: bool, depth: int, delimited: bool = False
    ) -> tuple[list[DataSet], int]:
        """Read the items of a sequence up to `end`, or past its delimiter, which it must have if `delimited`."""
        if depth > _DEEPEST:
            raise Malformed("sequences are nested too deep")
        found: list[DataSet] = []
        while position < end:
            tag = self._read_tag(position)
            (length,) = self._long.unpack_from(self._data, position + 4)
            position += 8
            if tag == _SEQUENCE_END:
                return found, position
            if tag != _ITEM:
                raise Malformed("a sequence holds something else than items")
            stop = end if length == _UNDEFINED else position + length
            if stop > end:
                raise Malformed("an item is longer than its sequence")
            item, position = self.dataset(position, stop, implicit=implicit, depth=depth)
            item.undefined = length == _UNDEFINED
            if item.undefined:
                if self._read_tag(position) != _ITEM_END:
                    raise Malformed("an item has no end")
                position = self._past_delimiter(position)
            found.append(item)
        if delimited:
            raise Malformed("a sequence has no end")
        return found, position

    def _element(self, tag: int, position: int, end: int, *, implicit: bool, depth: int) -> tuple[Element, int]:
        vr = "" if implicit else self._data[position : position + 2].decode("ascii")
        if implicit:
            (length,) = self._long.unpack_from(self._data, position)
            position += 4
        elif vr in _LONG:
            (length,) = self._long.unpack_from(self._data, position + 4)
            position += 8
        elif vr in _SHORT:
            (length,) = self._short.unpack_from(self._data, position + 2)
            position += 4
        else:
            raise Malformed("an element has no known VR")
        if length == _UNDEFINED:
            return self._undefined(tag, vr, position, end, implicit=implicit, depth=depth)
        if position + length > end:
            raise Malformed("an element is longer than what holds it")
        return Element(tag, vr, self._data[position : position + length]), position + length

    def _undefined(
        self, tag: int, vr: str, position: int, end: int, *, implicit: bool, depth: int
    ) -> tuple[Element, int]:
        if vr in ("", "SQ", "UN"):
            found, after = self.items(position, end, implicit=implicit or vr == "UN", depth=depth + 1, delimited=True)
            return Element(tag, vr, found, undefined=True), after
        if vr not in ("OB", "OW"):
            raise Malformed("an element of undefined length is no sequence")
        # Encapsulated pixels of an icon: fragments up to the delimiter, which is not part of the value.
        start = position
        while (fragment := self._read_tag(position)) == _ITEM:
            position += 8 + self._long.unpack_from(self._data, position + 4)[0]
        if fragment != _SEQUENCE_END:
            raise Malformed("fragments have no end")
        return Element(tag, vr, self._data[start:position], undefined=True), self._past_delimiter(position)

    def _past_delimiter(self, position: int) -> int:
        """Return where a delimiter ends; its length, which is nought, has to be there."""
        if self._long.unpack_from(self._data, position + 4) != (0,):
            raise Malformed("a delimiter has a length")
        return position + 8

    def _read_tag(self, position: int) -> int:
        group, element = self._tag.unpack_from(self._data, position)
        return int(group) << 16 | int(element)


class _Writer:
    """Puts elements together again."""

    def __init__(self, *, little_endian: bool) -> None:
        order = "<" if little_endian else ">"
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")

    def written(self, dataset: DataSet) -> bytes:
        """Write a data set. Group lengths are left out, as PS3.5 §7.2 wants: they may not be right any more."""
        return b"".join([self._element(each, dataset) for each in dataset if each.tag & 0xFFFF])

    def _element(self, element: Element, parent: DataSet) -> bytes:
        value = element.value
        if isinstance(value, list):
            value = b"".join(map(self._item, value))
        length = _UNDEFINED if element.undefined else len(value)
        parts = [self._tag.pack(element.tag >> 16, element.tag & 0xFFFF)]
        if parent.implicit:
            parts.append(self._long.pack(length))
        elif element.vr in _LONG:
            parts += [element.vr.encode("ascii"), b"\0\0", self._long.pack(length)]
        elif length > 0xFFFE:
            raise Malformed(f"a value of VR {element.vr} has become too long")
        else:
            parts += [element.vr.encode("ascii"), self._short.pack(length)]
        parts.append(value)
        if element.undefined:
            parts.append(self._delimiter(_SEQUENCE_END))
        return b"".join(parts)

    def _item(self, item: DataSet) -> bytes:
        value = self.written(item)
        length = _UNDEFINED if item.undefined else len(value)
        head = self._tag.pack(_ITEM >> 16, _ITEM & 0xFFFF) + self._long.pack(length)
        return head + value + (self._delimiter(_ITEM_END) if item.undefined else b"")

    def _delimiter(self, tag: int) -> bytes:
        return self._tag.pack(tag >> 16, tag & 0xFFFF) + self._long.pack(0)
