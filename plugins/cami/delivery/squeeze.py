"""gzip of what goes over the line (``Content-Encoding``, RFC 9110 §8.4.1), where it pays; the bytes stay the same.

It does for images that are not compressed and for those whose headers outweigh their pixels, as of ultrasound.
"""

import zlib

from cami.errors import Invalid

#: A body must become smaller than this share of itself.
WORTH = 0.9
#: What is looked at to see whether the whole is worth trying: so much at the beginning, middle and end.
SAMPLE = 16 * 1024
#: Larger bodies are sent as they are. What goes in pieces is squeezed piece by piece.
LARGEST = 16 * 1024 * 1024
#: A body that is more than this when expanded is refused. The receiver has it in memory.
LARGEST_EXPANDED = 64 * 1024 * 1024
_SMALLEST = 512
_LEVEL = 3
_GZIP = 16 + zlib.MAX_WBITS


class TooLarge(Invalid):
    """The body is too large when expanded."""


def squeezed(body: bytes) -> bytes | None:
    """Return `body` as gzip, or None when that saves too little."""
    if not _SMALLEST <= len(body) <= LARGEST:
        return None
    if len(body) > 4 * SAMPLE:
        middle = len(body) // 2
        sample = body[:SAMPLE] + body[middle : middle + SAMPLE] + body[-SAMPLE:]
        if len(zlib.compress(sample, 1)) > WORTH * len(sample):
            return None
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    small = packer.compress(body) + packer.flush()
    return small if len(small) < WORTH * len(body) else None


def expanded(body: bytes, largest: int = LARGEST_EXPANDED) -> bytes:
    """Return what a gzip holds.

    Raises
    ------
    TooLarge
        It is more than `largest` bytes; not much more than these were ever in memory.
    cami.errors.Invalid
        It is no whole gzip, or more than one.
    """
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, largest + 1)
    except zlib.error as error:
        raise Invalid("the body is no gzip") from error
    if len(plain) > largest:
        raise TooLarge(f"the body has more than {largest} bytes when expanded")
    if not unpacker.eof or unpacker.unused_data:
        raise Invalid("the body is not one whole gzip")
    return plain
