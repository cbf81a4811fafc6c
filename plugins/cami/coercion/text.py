"""The text of a data set, brought into UTF-8 with all that is nested in it (PS3.5 §6.1, PS3.3 C.12.1.1.2)."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace

from cami.coercion.charsets import is_plain
from cami.coercion.elements import DataSet, Element, Malformed
from cami.coercion.layout import DicomFile, items
from cami.coercion.reading import Reader, Reading

SPECIFIC_CHARACTER_SET = 0x00080005
PATIENT_ID = 0x00100020
#: VRs whose text depends on Specific Character Set (PS3.5 §6.1.2.2).
TEXT = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UT"])

_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Step:
    """One step down into a sequence."""

    tag: int
    creator: str
    item: int
    """From 1."""


Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Nonconforming:
    """A value whose bytes are no text in the character set that the object declares."""

    path: Path
    tag: int
    creator: str
    value: bytes


@dataclass(slots=True)
class Previous:
    """What was there before, as it was written."""

    elements: dict[int, Element] = field(default_factory=dict)
    """Top-level elements; a value that the declared set cannot tell is empty."""
    nonconforming: list[Nonconforming] = field(default_factory=list)
    """Those values."""


@dataclass(frozen=True, slots=True)
class _Change:
    element: Element
    reading: Reading
    written: bytes


class Text:
    """The text of one object."""

    def __init__(self, file: DicomFile, reader: Reader, patient_id: Callable[[], str]) -> None:
        """Make it; `patient_id` tells how the local archive reads a Patient ID that is not plain ASCII."""
        self._file = file
        self._reader = reader
        self._patient_id = patient_id
        self.unreadable = 0
        """How many values could not be read."""

    def recode(self, previous: Previous) -> bool:
        """Bring all text into UTF-8; put into `previous` what now says something else. Return whether any did change.

        Items that declare a character set of their own are left alone: they say by themselves how they are to be read.
        """
        changed = False
        dataset = self._file.dataset
        for element in dataset:
            as_it_was = element.value
            changes = self._plan(dataset, element, 0)
            if not changes:
                element.value = as_it_was
                continue
            changed = True
            if not all(change.reading.as_declared for change in changes):
                self.remember(element, previous)
            for change in changes:
                change.element.value = change.written
                self.unreadable += not change.reading.readable
        return changed

    def remember(self, element: Element, previous: Previous) -> None:
        """Put a top-level element as it is now into `previous`."""
        kept = deepcopy(element) if isinstance(element.value, list) else replace(element)
        dataset = self._file.dataset
        self._blank(dataset, kept, (), previous.nonconforming)
        previous.elements[element.tag] = kept
        block = (element.tag & 0xFFFF) >> 8
        reserving = dataset.elements.get(element.tag & 0xFFFF0000 | block)
        if element.private and block and reserving is not None:
            previous.elements.setdefault(reserving.tag, replace(reserving))

    def _plan(self, parent: DataSet, element: Element, depth: int) -> list[_Change]:
        if depth > _DEEPEST:
            raise Malformed("sequences are nested too deep")
        if isinstance(element.value, bytes) and is_plain(element.value):
            return []
        vr = parent.vr_of(element)
        if isinstance(element.value, bytes) and vr in TEXT:
            reading = self._read(element, element.value, top=depth == 0)
            written = reading.text.encode("utf-8")
            written += b" " * (len(written) % 2)
            if written == element.value and reading.as_declared:
                return []
            return [_Change(element, reading, written)]
        if vr != "SQ" and not isinstance(element.value, list):
            return []
        return [
            change
            for item in items(self._file, parent, element)
            if SPECIFIC_CHARACTER_SET not in item.elements
            for inner in item
            for change in self._plan(item, inner, depth + 1)
        ]

    def _read(self, element: Element, value: bytes, *, top: bool) -> Reading:
        reading = self._reader.read(value)
        if not top or element.tag != PATIENT_ID:
            return reading
        # Orthanc's identifiers are made of it. Whatever it should say, both archives must read the same.
        known = self._patient_id()
        return reading if known == reading.text.strip(" \0") else Reading(known, as_declared=False, readable=False)

    def _blank(self, parent: DataSet, element: Element, path: Path, nonconforming: list[Nonconforming]) -> None:
        """Empty what cannot be told in the declared character set, and note its bytes."""
        value = element.value
        if isinstance(value, bytes) and is_plain(value):
            return
        vr = parent.vr_of(element)
        creator = parent.creator(element) if element.private else ""
        if isinstance(value, bytes) and vr in TEXT:
            if not self._reader.as_declared(value):
                nonconforming.append(Nonconforming(path, element.tag, creator, value))
                element.value = b""
            return
        if vr != "SQ" and not isinstance(value, list):
            return
        for number, item in enumerate(items(self._file, parent, element), start=1):
            if SPECIFIC_CHARACTER_SET not in item.elements:
                for inner in item:
                    self._blank(item, inner, (*path, Step(element.tag, creator, number)), nonconforming)
