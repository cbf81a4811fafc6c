"""What a DICOM file holds, whatever it is encoded in: a digest of its pixels and one of all its other attributes.

Images travel and are stored in other encodings than devices write them in (`cami.delivery.lossless`), so the digest of
a file says nothing of whether two files hold the same image. These do: ``native`` is of uncompressed pixel data, the
same before JPEG-LS and after; ``encapsulated`` of the fragments of an image that its device has compressed, and that is
therefore never encoded anew (PS3.5 §8.2, annex A.4).

Files are read from a stream, pixel data in pieces: a cine loop of gigabytes takes no memory here.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Literal

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import data_element_generator, read_partial, read_sequence
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

#: Pixel Data, and the two of parametric maps.
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_PADDING = 0xFFFCFFFC
_ITEM, _END = 0xFFFEE000, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
#: Rows, Columns, Samples per Pixel, Bits Allocated, Number of Frames.
_ROWS, _COLUMNS, _SAMPLES, _BITS, _FRAMES = 0x00280010, 0x00280011, 0x00280002, 0x00280100, 0x00280008
_PIECE = 1 << 20

#: All that the parser raises over a malformed file.
_MALFORMED = (
    InvalidDicomError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

#: What `Content.pixels` is of an object without pixels, as a report or a PDF.
NO_PIXELS = "none"


class Unreadable(ValueError):
    """The parser cannot tell what the file holds."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds."""

    syntax: str
    """Its Transfer Syntax UID."""
    dataset: str
    """SHA-256 of all attributes but the pixels."""
    pixels: str
    """``native:`` or ``encapsulated:`` with a SHA-256, or `NO_PIXELS`."""
    native_size: int
    """Bytes that its pixels take, or would take, uncompressed."""

    @property
    def plain(self) -> bool:
        """Whether it is in Explicit VR Little Endian, the form in which attributes of two files are compared."""
        return self.syntax == ExplicitVRLittleEndian or self.pixels.startswith("encapsulated:")


def pixel_digest(dicom: bytes) -> str | None:
    """Return `Content.pixels` of a file; None if it cannot be told. Costs little more than hashing the pixels."""
    try:
        with BytesIO(dicom) as stream:
            file = _File(stream, [_ROWS, _COLUMNS, _SAMPLES, _BITS, _FRAMES])
            return _pixels(file)
    except _MALFORMED:
        return None


def content(stream: BinaryIO) -> Content:
    """Read what a file holds.

    Raises
    ------
    Unreadable
        It cannot be told.
    OSError
        The file cannot be read.
    """
    try:
        file = _File(stream)
        pixels = _pixels(file)
        digest = hashlib.sha256()
        for line in _lines([*file.head, *file.elements()]):
            digest.update(line)
        return Content(file.syntax, digest.hexdigest(), pixels, file.native_size)
    except _MALFORMED as error:
        raise Unreadable("the parser cannot read this file") from error


class _File:
    """A file of which all is read that stands before the pixels."""

    def __init__(self, stream: BinaryIO, only: list[BaseTag | int] | None = None) -> None:
        meta = read_partial(stream, lambda _tag, _vr, _length: True)  # stops at the first element of the dataset
        self.syntax = str(meta.file_meta.TransferSyntaxUID)
        if self.syntax == DeflatedExplicitVRLittleEndian:
            raise Unreadable("deflated: not worth it, since such an object is never encoded anew")
        self.stream = stream
        implicit, little = meta.original_encoding
        self.implicit, self.little = bool(implicit), bool(little)
        self.head = list(self.elements(only))
        self.native_size = self._native_size()

    def elements(self, only: list[BaseTag | int] | None = None) -> Iterator[RawDataElement | DataElement]:
        """Read elements from where the stream stands, up to the pixels or the end."""
        return data_element_generator(
            self.stream, self.implicit, self.little, lambda tag, _vr, _length: int(tag) in _PIXELS, specific_tags=only
        )

    def _native_size(self) -> int:
        order: Literal["little", "big"] = "little" if self.little else "big"
        values = {int(element.tag): element.value for element in self.head if isinstance(element, RawDataElement)}

        def number(tag: int, default: int) -> int:
            value = values.get(tag)
            if not value:
                return default
            return int(value) if tag == _FRAMES else int.from_bytes(value, order)

        bits = number(_ROWS, 0) * number(_COLUMNS, 0) * number(_SAMPLES, 1) * number(_BITS, 0) * number(_FRAMES, 1)
        return (bits + 7) // 8


def _pixels(file: _File) -> str:
    """Hash the pixels, at which the stream stands; leave it behind them."""
    start = file.stream.read(8 if file.implicit else 12)
    if not start:
        return NO_PIXELS
    (length,) = struct.unpack("<L" if file.little else ">L", start[-4:])
    digest = hashlib.sha256()
    if length == _UNDEFINED:
        for number, fragment in enumerate(_fragments(file.stream)):
            # The first item is no fragment but a table of offsets.
            _read(file.stream, fragment, digest if number else None)
        return "encapsulated:" + digest.hexdigest()
    known = min(length, file.native_size) if file.native_size else length
    _read(file.stream, known, digest)
    _read(file.stream, length - known, None)  # what an odd length is padded with
    return "native:" + digest.hexdigest()


def _fragments(stream: BinaryIO) -> Iterator[int]:
    """Yield the length of each item; whoever asks for the next has read the last."""
    while True:
        group, element, length = struct.unpack("<HHL", stream.read(8))
        tag = group << 16 | element
        if tag == _END:
            return
        if tag != _ITEM:
            raise ValueError("no item where one should be")
        yield length


def _read(stream: BinaryIO, length: int, digest: "hashlib._Hash | None") -> None:
    while length:
        piece = stream.read(min(length, _PIECE))
        if not piece:
            raise EOFError("the pixels are cut off")
        if digest is not None:
            digest.update(piece)
        length -= len(piece)


def _lines(elements: Iterable[RawDataElement | DataElement]) -> Iterator[bytes]:
    """Write attributes out in one way: tag, length, value as it stands; sequences by their items.

    Left out is what says nothing of the object: group lengths and padding at the end.
    """
    for element in sorted(elements, key=lambda element: element.tag):
        if element.tag.element == 0 or element.tag == _PADDING:
            continue
        yield struct.pack("<L", element.tag)
        items = _items(element)
        if items is None:
            value = element.value
            written = value if isinstance(value, bytes) else repr(value or "").encode()
            yield struct.pack("<L", len(written))
            yield written
            continue
        yield b"SQ"
        for item in items:
            yield b"item"
            yield from _lines(item.get_item(tag) for tag in item.keys())  # noqa: SIM118 - values would be converted
        yield b"end"


def _items(element: RawDataElement | DataElement) -> Iterable[Dataset] | None:
    """Return the items of a sequence, None if the element is none."""
    if isinstance(element, DataElement):
        return list(element.value or ()) if element.VR == "SQ" else None
    if (element.VR or _dictionary_vr(element.tag)) != "SQ":
        return None
    value = element.value or b""
    return read_sequence(BytesIO(value), element.is_implicit_VR, element.is_little_endian, len(value), "iso8859")


def _dictionary_vr(tag: BaseTag) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""
