"""A small picture of an object, as PNG: for telling two images apart, not for reading them.

The first frame, thinned to the size of a page and spread from its darkest to its brightest value; no window of the
device is applied, so both sides of a comparison are treated alike.
"""

import struct
import zlib
from dataclasses import dataclass

from cami.coercion.elements import Malformed
from cami.coercion.layout import DicomFile, take_apart

#: Longest edge of the picture.
_EDGE = 384
#: Larger frames are not decoded for a preview.
LARGEST = 256 * 1024 * 1024
_ROWS, _COLUMNS, _SAMPLES, _PHOTOMETRIC = 0x00280010, 0x00280011, 0x00280002, 0x00280004
_ALLOCATED, _STORED, _SIGNED, _PLANAR = 0x00280100, 0x00280101, 0x00280103, 0x00280006
_EXPLICIT_PIXELS = struct.pack("<HH", 0x7FE0, 0x0010)
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class _Frame:
    rows: int
    columns: int
    samples: int
    bytes_a_sample: int
    stored: int
    signed: bool
    planar: bool
    inverted: bool
    pixels: memoryview


def preview(plain: bytes) -> bytes | None:
    """Return a PNG of a file in Explicit VR Little Endian, or None if there is nothing to see in it."""
    try:
        frame = _frame(take_apart(plain))
    except (Malformed, ValueError, struct.error):
        return None
    if frame is None:
        return None
    step = max(1, -(-max(frame.rows, frame.columns) // _EDGE))
    rows, columns = range(0, frame.rows, step), range(0, frame.columns, step)
    if frame.samples == 3:
        lines = [bytes(_sample(frame, row, column, band) for column in columns for band in range(3)) for row in rows]
        return _png(len(columns), len(rows), 2, lines)
    values = [[_sample(frame, row, column, 0) for column in columns] for row in rows]
    return _png(len(columns), len(rows), 0, _spread(values, inverted=frame.inverted))


def _frame(file: DicomFile) -> _Frame | None:
    def number(tag: int, default: int = 0) -> int:
        raw = file.dataset.raw(tag)
        return int.from_bytes(raw[:2], "little") if raw else default

    photometric = file.dataset.raw(_PHOTOMETRIC).decode("ascii", "replace").strip(" \0")
    allocated, samples = number(_ALLOCATED), number(_SAMPLES, 1)
    size = number(_ROWS) * number(_COLUMNS) * samples * (allocated // 8)
    start = bytes(file.tail[:12])
    whole = file.little_endian and not file.dataset.implicit and start[:4] == _EXPLICIT_PIXELS
    if not whole or allocated not in (8, 16) or samples not in (1, 3) or not size or len(file.tail) < 12 + size:
        return None
    if samples == 3 and (allocated != 8 or photometric != "RGB"):
        return None
    return _Frame(
        rows=number(_ROWS),
        columns=number(_COLUMNS),
        samples=samples,
        bytes_a_sample=allocated // 8,
        stored=number(_STORED, allocated),
        signed=bool(number(_SIGNED)),
        planar=bool(number(_PLANAR)),
        inverted=photometric == "MONOCHROME1",
        pixels=file.tail[12 : 12 + size],
    )


def _sample(frame: _Frame, row: int, column: int, band: int) -> int:
    place = row * frame.columns + column
    if frame.samples == 3:
        place = band * frame.rows * frame.columns + place if frame.planar else place * 3 + band
    if frame.bytes_a_sample == 1:
        value = frame.pixels[place]
    else:
        value = frame.pixels[2 * place] | frame.pixels[2 * place + 1] << 8
    value &= (1 << frame.stored) - 1
    return value - (1 << frame.stored) if frame.signed and value >> (frame.stored - 1) else value


def _spread(values: list[list[int]], *, inverted: bool) -> list[bytes]:
    """Map values to greys; the outermost of a hundred at either end count as the end, so that metal blinds nobody."""
    ordered = sorted(value for line in values for value in line)
    low, high = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
    width = max(high - low, 1)

    def grey(value: int) -> int:
        shade = min(max((value - low) * 255 // width, 0), 255)
        return 255 - shade if inverted else shade

    return [bytes(map(grey, line)) for line in values]


def _png(columns: int, rows: int, color: int, lines: list[bytes]) -> bytes:
    """Write a PNG (ISO/IEC 15948) of eight bits a sample; `color` 0 is grey, 2 is RGB."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))

    head = struct.pack(">LLBBBBB", columns, rows, 8, color, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + line for line in lines), 6)
    return _PNG + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
