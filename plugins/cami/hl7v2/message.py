r"""HL7 v2 messages as segments and fields: read from bytes, written to bytes (HL7 v2.5.1, chapter 2).

Structure is cut by `hl7`; text is unescaped here, since that library logs what it cannot unescape, which may name a
patient, and takes ``\X..\`` for code points instead of bytes.
"""

import re
from collections.abc import Iterator, Sequence

import hl7

from cami.hl7v2.charsets import codec_of
from cami.hl7v2.problems import reject

#: More of these would keep a processor busy for seconds; a report with its document has some hundred.
MOST_SEPARATORS = 20_000
_VERSION = re.compile(r"2\.[3-8](\.[0-9])?")
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_HEX = re.compile(r"X([0-9A-Fa-f]{2})+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

#: A value to be written: text, components, or repetitions of these.
Value = str | tuple["str | tuple[str, ...]", ...] | list["str | tuple[str | tuple[str, ...], ...]"]


class Segment:
    """One segment that was read."""

    def __init__(self, segment: hl7.Segment, codec: str) -> None:
        self._segment = segment
        self._codec = codec
        self.name = str(segment[0]) if segment else ""

    def text(self, field: int, component: int = 1, sub: int = 1, *, repetition: int = 0) -> str:
        """Return a value, unescaped and without blanks around it; empty if it is not there, or HL7's null."""
        found = self.repetitions(field)
        if repetition >= len(found):
            return ""
        components = found[repetition]
        if component > len(components) or sub > len(components[component - 1]):
            return ""
        return components[component - 1][sub - 1]

    def repetitions(self, field: int) -> list[list[list[str]]]:
        """Return the repetitions of a field: components, each of them subcomponents."""
        if field >= len(self._segment):
            return []
        return [self._components(each) for each in self._segment[field]]

    def whole(self, *, but: int = 0) -> str:
        """Return the segment as it came, without one of its fields."""
        return "|".join(str(each) for place, each in enumerate(self._segment) if not but or place != but)

    def _components(self, repetition: hl7.Repetition | str) -> list[list[str]]:
        if not isinstance(repetition, hl7.Repetition):
            return [[self._plain(str(repetition))]]
        return [
            [self._plain(str(sub)) for sub in each] if isinstance(each, hl7.Component) else [self._plain(str(each))]
            for each in repetition
        ]

    def _plain(self, text: str) -> str:
        escape = str(self._segment.esc)
        if escape in text:
            text = _unescaped(text, escape, self._segment.separators, self._codec)
        text = _CONTROL.sub("", text).strip()
        return "" if text == '""' else text


class Message:
    """A message that was read."""

    def __init__(self, segments: Sequence[Segment], codec: str) -> None:
        self.segments = segments
        self.codec = codec
        self.header = segments[0]

    def first(self, name: str) -> Segment | None:
        """Return the first segment of a name."""
        return next((each for each in self.segments if each.name == name), None)

    def groups(self, name: str) -> Iterator[list[Segment]]:
        """Yield each segment of a name with all that follow it, up to the next of that name."""
        group: list[Segment] = []
        for each in self.segments:
            if each.name == name:
                if group:
                    yield group
                group = [each]
            elif group:
                group.append(each)
        if group:
            yield group

    @property
    def kind(self) -> tuple[str, str]:
        """Return message type and trigger event."""
        return self.header.text(9, 1), self.header.text(9, 2)

    @property
    def control(self) -> str:
        """Return its number, MSH-10."""
        return self.header.text(10)

    @property
    def version(self) -> str:
        """Return its version of HL7."""
        return self.header.text(12) or "2.3"

    @property
    def modern(self) -> bool:
        """Whether it is of a version that has ERR segments by table 0357 (2.5 and later)."""
        return self.version >= "2.5"


def read(data: bytes, default_codec: str = "utf-8") -> Message:
    """Read a message.

    Raises
    ------
    Refused
        It cannot be read: ``AR``.
    """
    data = data.replace(b"\r\n", b"\r").replace(b"\n", b"\r").strip(b"\r\0 ")
    if len(data) < 8 or not data.startswith(b"MSH"):
        raise reject("CAMI-0070")
    marks = data[3:8]
    if len(set(marks[:4])) < 4 or any(each < 33 or each > 126 or chr(each).isalnum() for each in marks[:4]):
        raise reject("CAMI-0070")
    if sum(map(data.count, {bytes([each]) for each in (*marks, 13)})) > MOST_SEPARATORS:
        raise reject("CAMI-0074")
    codec = _codec(data, default_codec)
    try:
        parsed = hl7.parse(data.decode(codec))
    except UnicodeDecodeError as error:
        raise reject("CAMI-0073") from error
    except (hl7.HL7Exception, ValueError, IndexError, KeyError, AssertionError) as error:
        raise reject("CAMI-0070") from error
    segments = [Segment(each, codec) for each in parsed if str(each)]
    if any(not _SEGMENT.fullmatch(each.name) for each in segments):
        raise reject("CAMI-0070")
    if sum(each.name == "MSH" for each in segments) != 1:
        raise reject("CAMI-0070")
    message = Message(segments, codec)
    if not _VERSION.fullmatch(message.version):
        raise reject("CAMI-0075")
    return message


def _codec(data: bytes, default: str) -> str:
    """Return the codec of a message: the first character set that MSH-18 names."""
    fields = data.split(b"\r", 1)[0].split(data[3:4])
    named = fields[17].split(data[5:6])[0].decode("latin-1").strip() if len(fields) > 17 else ""
    if not named:
        return default
    codec = codec_of(named)
    if codec is None:
        raise reject("CAMI-0073")
    # Many say ASCII and mean what they always write.
    return default if codec == "ascii" and not data.isascii() else codec


def _unescaped(text: str, escape: str, separators: str, codec: str) -> str:
    """Return text without escape sequences (chapter 2.7); those of layout become blanks, unknown ones nothing."""
    _, field, repetition, component, sub = list(separators[:5])
    meaning = {"F": field, "R": repetition, "S": component, "T": sub, "E": escape, ".br": "\n", ".sp": "\n"}
    parts = text.split(escape)
    whole, inside = [parts[0]], parts[1:]
    for index, part in enumerate(inside):
        if index % 2:
            whole.append(part)
        elif index == len(inside) - 1:  # it was never closed: it is text
            whole.append(escape + part)
        elif part in meaning:
            whole.append(meaning[part])
        elif _HEX.fullmatch(part):
            whole.append(bytes.fromhex(part[1:]).decode(codec, "replace"))
        elif part.startswith("."):
            whole.append(" ")
    return "".join(whole)


def segment(name: str, *values: Value) -> str:
    """Return a segment to be sent; values are escaped, empty ones at the end left out."""
    written = [_written(each) for each in values]
    while written and not written[-1]:
        written.pop()
    return "|".join([name, *written])


def header(*values: Value) -> str:
    """Return the MSH segment of a message to be sent; `values` begin with MSH-3."""
    return "MSH|^~\\&" + segment("", *values)


def joined(segments: Sequence[str], codec: str) -> bytes:
    """Return a message to be sent; letters that its character set does not know become question marks."""
    return "".join(f"{each}\r" for each in segments).encode(codec, "replace")


def _written(value: Value) -> str:
    if isinstance(value, list):
        return "~".join(map(_written, value))
    if isinstance(value, tuple):
        return "^".join(_component(each) for each in value).rstrip("^")
    return _escaped(value)


def _component(value: str | tuple[str, ...]) -> str:
    return _escaped(value) if isinstance(value, str) else "&".join(map(_escaped, value)).rstrip("&")


_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "~": "\\R\\", "^": "\\S\\", "&": "\\T\\", "\n": "\\.br\\"}


def _escaped(text: str) -> str:
    plain = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(_ESCAPES.get(letter, letter) for letter in plain)
