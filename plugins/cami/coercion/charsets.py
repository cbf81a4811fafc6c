"""What text is in, by the words of the standard (PS3.3 C.12.1.1.2, PS3.5 §6.1) and by what Russian consoles do.

Strict: a byte that a character set does not have is told, never passed over. Sets with characters of more than one
byte (Japanese, Korean, Chinese) are left alone: nobody here writes them by mistake.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

UTF_8 = "ISO_IR 192"

_ESCAPE = b"\x1b"
#: After these the initial character set holds again (PS3.5 §6.1.2.5.3).
_RESETTING = frozenset(b"\\^=\r\n\f\t")
#: What is no term of the standard, but what the registry, and some devices, say.
_ACTUAL = {"windows-1251": "cp1251", "ibm866": "cp866", "koi8-r": "koi8_r"}
_ALSO = {name.upper(): name for name in _ACTUAL} | {
    "CP1251": "windows-1251",
    "CP866": "ibm866",
    "UTF-8": UTF_8,
    "UTF8": UTF_8,
}
_SEVERAL_BYTES = frozenset(
    [f"ISO 2022 IR {number}" for number in (13, 58, 87, 149, 159)]
    + ["ISO_IR 13", "GBK", "GB18030", "ISO 2022 GBK", "ISO 2022 58"]
)
_ONE_BYTE = {
    term: codec for term, codec in python_encoding.items() if term not in _SEVERAL_BYTES and term not in ("", UTF_8)
}
_ASCII = frozenset(["ISO_IR 6", "ISO 2022 IR 6"])


def is_plain(value: bytes) -> bool:
    """Return whether a value reads the same in every character set: ASCII without escape sequences."""
    return value.isascii() and _ESCAPE not in value


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """A way to read text."""

    codecs: tuple[str, ...]
    """Of Python, as the terms of Specific Character Set name them; more than one with code extensions."""
    foreign: bool = False
    """Whether it has characters of several bytes, which are not read here."""

    def decode(self, value: bytes) -> str:
        """Read a value.

        Raises
        ------
        UnicodeError
            It has bytes that this set does not have.
        """
        if _ESCAPE not in value:
            return value.decode(self.codecs[0])
        return "".join(_extended(value, self.codecs))

    def decode_leniently(self, value: bytes) -> str:
        """Read a value, with U+FFFD for what cannot be read."""
        return value.decode(self.codecs[0], "replace").replace("\x1b", "\ufffd")

    def encode(self, text: str) -> bytes | None:
        """Write a text, or return None if this set lacks a character of it."""
        try:
            return text.encode(self.codecs[0])
        except UnicodeError:
            return None


ASCII = CharacterSet(("ascii",))


def character_set(terms: str) -> CharacterSet | None:
    """Return the character set that Specific Character Set names, or None if it is none.

    Parameters
    ----------
    terms
        The value, with backslashes between several; also what the registry knows beyond the standard.
    """
    names = [_term(term) for term in terms.split("\\")]
    if names == [""]:
        return ASCII
    if names == [UTF_8]:
        return CharacterSet(("utf-8",))
    if len(names) == 1 and names[0] in _ACTUAL:
        return CharacterSet((_ACTUAL[names[0]],))
    if _SEVERAL_BYTES.intersection(names):
        # Only what these have in common with ASCII, and all of Unicode in GB18030, can be written.
        codec = {"GB18030": "gb18030", "GBK": "gbk"}.get(names[0], "ascii")
        return CharacterSet((codec,), foreign=True)
    codecs = [_codec(name) for name in names]
    return None if None in codecs else CharacterSet(tuple(filter(None, codecs)))


def _term(term: str) -> str:
    """Return a term as the standard spells it; devices write hyphens and underscores as they like."""
    plain = term.strip(" \0")
    upper = plain.upper()
    if upper in _ALSO:
        return _ALSO[upper]
    words = upper.replace("_", " ").replace("-", " ").split()
    if words[:2] == ["ISO", "IR"]:
        return " ".join(["ISO_IR", *words[2:]])
    return " ".join(words) if words[:1] == ["ISO"] else plain


def _codec(name: str) -> str | None:
    return "ascii" if name == "" or name in _ASCII else _ONE_BYTE.get(name)


def _extended(value: bytes, codecs: Sequence[str]) -> list[str]:
    """Read a value with escape sequences of one-byte sets (ISO/IEC 2022).

    After a delimiter the initial set holds again. Where that is ASCII, which has no letters for high bytes, the set
    that was designated last goes on to hold: consoles forget to designate it again.
    """
    read: list[str] = []
    resetting = _RESETTING if codecs[0] != "ascii" else frozenset()
    codec = codecs[0]
    position = 0
    while position < len(value):
        if value[position] == _ESCAPE[0]:
            code = value[position : position + 3]
            named = CODES_TO_ENCODINGS.get(code)
            if named is None or not _may_follow(named, codecs):
                raise UnicodeError("an escape sequence that was not declared")
            if code[1:2] == b"-":  # designates G1; ESC ( B designates G0, which is ASCII anyway
                codec = named
            position += 3
            continue
        end = position
        while end < len(value) and value[end] != _ESCAPE[0]:
            end += 1
            if value[end - 1] in resetting:
                break
        read.append(value[position:end].decode(codec))
        if value[end - 1] in resetting:
            codec = codecs[0]
        position = end
    return read


def _may_follow(named: str, codecs: Sequence[str]) -> bool:
    return named in ("iso8859", *codecs)
