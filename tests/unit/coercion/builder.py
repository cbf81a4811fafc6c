"""DICOM files byte by byte, as consoles write them: what pydicom would not let anybody write."""

import struct

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
LONG = {"OB", "OW", "SQ", "UC", "UN", "UT"}
PIXELS = bytes(range(256)) * 8

NAME = (0x0010, 0x0010)
UNDEFINED = 0xFFFFFFFF


class Build:
    """Elements in one encoding."""

    def __init__(self, syntax=EXPLICIT):
        self.syntax = syntax
        self.order = ">" if syntax == BIG else "<"

    def element(self, tag, vr, value=b"", length=None):
        if isinstance(value, str):
            value = value.encode("ascii")
        if len(value) % 2:
            value += b"\0" if vr in ("UI", "OB", "UN") else b" "
        size = len(value) if length is None else length
        head = struct.pack(self.order + "HH", *tag)
        if self.syntax == IMPLICIT:
            return head + struct.pack("<L", size) + value
        if vr in LONG:
            return head + vr.encode() + b"\0\0" + struct.pack(self.order + "L", size) + value
        return head + vr.encode() + struct.pack(self.order + "H", size) + value

    def item(self, *elements, undefined=False):
        body = b"".join(elements)
        size = UNDEFINED if undefined else len(body)
        end = self.mark(0xE00D, 0) if undefined else b""
        return self.mark(0xE000, size) + body + end

    def sequence(self, tag, *items, undefined=False, vr="SQ"):
        body = b"".join(items)
        if undefined:
            return self.element(tag, vr, body + self.mark(0xE0DD, 0), UNDEFINED)
        return self.element(tag, vr, body)

    def mark(self, element, size):
        return struct.pack(self.order + "HHL", 0xFFFE, element, size)

    def file(self, *elements, charset=None, patient=b"P1", name=b"IVANOV^IVAN", tail=None):
        """A file with the usual identifiers; `elements` may replace none of these."""
        fixed = {
            (0x0008, 0x0016): self.element((0x0008, 0x0016), "UI", "1.2.840.10008.5.1.4.1.1.7"),
            (0x0008, 0x0018): self.element((0x0008, 0x0018), "UI", "1.2.3.4"),
            (0x0010, 0x0010): self.element(NAME, "PN", name),
            (0x0010, 0x0020): self.element((0x0010, 0x0020), "LO", patient),
            (0x0020, 0x000D): self.element((0x0020, 0x000D), "UI", "1.2.3"),
            (0x0020, 0x000E): self.element((0x0020, 0x000E), "UI", "1.2.3.1"),
        }
        if charset is not None:
            fixed[0x0008, 0x0005] = self.element((0x0008, 0x0005), "CS", charset)
        for each in elements:
            fixed[struct.unpack_from(self.order + "HH", each)] = each
        body = b"".join(fixed[tag] for tag in sorted(fixed))
        pixels = self.element((0x7FE0, 0x0010), "OW", PIXELS) if tail is None else tail
        return self.head() + body + pixels

    def head(self):
        plain = Build()
        meta = plain.element((0x0002, 0x0001), "OB", b"\0\1")
        meta += plain.element((0x0002, 0x0010), "UI", self.syntax)
        return b"\0" * 128 + b"DICM" + plain.element((0x0002, 0x0000), "UL", struct.pack("<L", len(meta))) + meta
