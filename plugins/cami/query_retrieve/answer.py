"""The identifier of an answer to C-FIND (PS3.4 C.4.1.1.3.2) as a DICOM file, which is how Orthanc takes it.

Orthanc brings every answer that declares a character set into its own, UTF-8, and says so (ISO_IR 192). What declares
none it takes for UTF-8 and leaves as it is. So a caller of which the registry says that it reads undeclared text in
another character set gets its text in that, undeclared; everybody else gets UTF-8 (docs/dicom-conformance.md).
"""

from collections.abc import Mapping
from functools import lru_cache

from pydicom.datadict import dictionary_VR, tag_for_keyword

#: Python's names of what a caller may read without a declaration; others get UTF-8.
_CODECS: Mapping[str, str] = {
    "ISO_IR 144": "iso8859_5",
    "ISO 2022 IR 144": "iso8859_5",
    "windows-1251": "cp1251",
    "ibm866": "cp866",
    "koi8-r": "koi8_r",
}
_UTF_8 = "ISO_IR 192"
_EXPLICIT = b"1.2.840.10008.1.2.1\0"
_LONG = frozenset({"OB", "OW", "SQ", "UC", "UN", "UR", "UT"})
#: Value representations with a text that a character set is for (PS3.5 6.1.2.3).
_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})


def encode(attributes: Mapping[str, str], text: str) -> bytes:
    """Encode an answer.

    Parameters
    ----------
    attributes
        Values by keyword.
    text
        The character set in which the caller reads text that declares none (`Caller.text`).
    """
    codec = _CODECS.get(text)
    values = dict(attributes)
    if codec is None:
        values["SpecificCharacterSet"] = _UTF_8
    elements = sorted((_tag(keyword), keyword, value) for keyword, value in values.items())
    body = b"".join(_element(tag, keyword, value, codec or "utf-8") for tag, keyword, value in elements)
    syntax = b"\x02\x00\x10\x00UI" + len(_EXPLICIT).to_bytes(2, "little") + _EXPLICIT
    length = b"\x02\x00\x00\x00UL\x04\x00" + len(syntax).to_bytes(4, "little")
    return bytes(128) + b"DICM" + length + syntax + body


def _element(tag: int, keyword: str, value: str, codec: str) -> bytes:
    vr = _vr(keyword)
    content = value.encode(codec if vr in _TEXT else "ascii", "replace")
    if len(content) % 2:
        content += b"\0" if vr == "UI" else b" "
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr.encode()
    if vr in _LONG:
        return head + b"\0\0" + len(content).to_bytes(4, "little") + content
    content = content[:0xFFFE]
    return head + len(content).to_bytes(2, "little") + content


@lru_cache(maxsize=256)
def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


@lru_cache(maxsize=256)
def _vr(keyword: str) -> str:
    return str(dictionary_VR(_tag(keyword)))
