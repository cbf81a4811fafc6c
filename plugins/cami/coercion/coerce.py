"""An object as it goes to the centre: text in UTF-8, stamped with its МО, with a record of what it said before.

Never touched: UIDs, the Patient ID, pixels. The same object with the same rules always gives the same bytes, or an
object whose acknowledgement was lost would come again as other content; and what was coerced once is not changed again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from cami.coercion.charsets import ASCII, UTF_8, CharacterSet
from cami.coercion.elements import Element, Malformed
from cami.coercion.layout import DicomFile, take_apart
from cami.coercion.originals import Modification, date_time, record, text_was_put_right
from cami.coercion.reading import Reader
from cami.coercion.stamps import ACCESSION_NUMBER, PATIENT_ID, Stamps, wanted
from cami.coercion.text import SPECIFIC_CHARACTER_SET, Previous, Text
from cami.region import CharacterSets

_INSTANCE_COERCION_DATE_TIME = 0x00080015
_MAC_PARAMETERS = 0x4FFE0001
_NEW = CharacterSet(("utf-8",))
_STUDY_UID = 0x0020000D

#: Which accession number an object is to have, by its Study Instance UID, Patient ID and own number; none: its own.
Number = Callable[[str, str, str], str]


class Note(StrEnum):
    """What a technologist should know of an object; none of these keeps it from being sent."""

    MALFORMED = "malformed"
    """It is not laid out as the standard says, and goes as it is."""
    SIGNED = "signed"
    """It carries a digital signature (PS3.3 C.12.1.1.3), which a change would break, and goes as it is."""
    UNREADABLE_TEXT = "unreadable-text"
    """Some text is in no character set that the device is known for; its bytes are kept beside."""
    UNKNOWN_CHARACTER_SET = "unknown-character-set"
    """It declares a character set that does not exist; the registry's default was taken."""
    STAMP_NOT_WRITABLE = "stamp-not-writable"
    """The name of the МО cannot be written in the character set that the object keeps."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is to be done with the objects of one device."""

    text: bool
    """Whether text is brought into UTF-8."""
    device: CharacterSets
    stamps: Stamps
    system: str
    """AE title of this proxy."""
    number: Number | None = None
    """Puts accession numbers right; what it says of a study must never change."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How an object came in."""

    source: str
    """AE title of the device, or nothing."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Coerced:
    """An object to be sent."""

    dicom: bytes
    notes: frozenset[Note] = field(default_factory=frozenset)


def coerce(dicom: bytes, rules: Rules, arrival: Arrival, patient_id: Callable[[], str]) -> Coerced:
    """Return an object as it goes to the centre.

    Parameters
    ----------
    patient_id
        Tells how the local archive reads the Patient ID; asked only if that is not plain ASCII.
    """
    try:
        file = take_apart(dicom)
        if _MAC_PARAMETERS in file.dataset.elements:
            return Coerced(dicom, frozenset([Note.SIGNED]))
        work = _Work(file, rules, patient_id)
        if not work.do():
            return Coerced(dicom, frozenset(work.notes))
        work.put(_INSTANCE_COERCION_DATE_TIME, "DT", date_time(arrival.at))
        record(file, work.previous, Modification(rules.system, arrival.source, arrival.at, "COERCE"))
        return Coerced(file.joined(), frozenset(work.notes))
    except Malformed:
        return Coerced(dicom, frozenset([Note.MALFORMED]))


class _Work:
    """What is done with one object."""

    def __init__(self, file: DicomFile, rules: Rules, patient_id: Callable[[], str]) -> None:
        declared = file.dataset.raw(SPECIFIC_CHARACTER_SET).decode("ascii", "replace").strip(" \0")
        # What was re-read once is in UTF-8 now, whatever the registry says that the device writes.
        device = CharacterSets(default=rules.device.default) if text_was_put_right(file) else rules.device
        self._file = file
        self._stamps = _numbered(file, rules, patient_id)
        self._reader = Reader(declared, device)
        self._recoding = rules.text and not self._reader.foreign
        self._text = Text(file, self._reader, patient_id)
        self.previous = Previous()
        self.notes: set[Note] = set()

    def do(self) -> bool:
        """Change the data set; return whether there was anything to change."""
        stamps = self._wanted()
        for stamp in stamps:
            self._text.set_aside(stamp.tag, self.previous)
        recoded = self._recoding and self._text.recode(self.previous)
        for stamp in stamps:
            self._file.dataset.elements[stamp.tag] = stamp
        if self._text.unreadable:
            self.notes.add(Note.UNREADABLE_TEXT)
        if self._reader.declared is None:
            self.notes.add(Note.UNKNOWN_CHARACTER_SET)
        if not recoded and not stamps:
            return False
        if self._recoding:
            self.put(SPECIFIC_CHARACTER_SET, "CS", UTF_8)
        return True

    def put(self, tag: int, vr: str, text: str) -> None:
        """Put an element into the data set, and what was there into the record."""
        self._text.set_aside(tag, self.previous)
        value = text.encode("ascii")
        written = "" if self._file.dataset.implicit else vr
        self._file.dataset.elements[tag] = Element(tag, written, value + b" " * (len(value) % 2))

    def _wanted(self) -> list[Element]:
        current = self._reader.declared or ASCII
        stamps, failed = wanted(self._file, self._stamps, _NEW if self._recoding else current, current)
        if failed:
            self.notes.add(Note.STAMP_NOT_WRITABLE)
        return stamps


def _numbered(file: DicomFile, rules: Rules, patient_id: Callable[[], str]) -> Stamps:
    """Return the stamps with the accession number that the object is to have."""
    if rules.number is None:
        return rules.stamps
    raw = file.dataset.raw(PATIENT_ID)
    patient = raw.decode("ascii").strip(" \0") if raw.isascii() else patient_id()
    said = [file.dataset.raw(tag).decode("ascii", "replace").strip(" \0") for tag in (_STUDY_UID, ACCESSION_NUMBER)]
    return replace(rules.stamps, accession=rules.number(said[0], patient, said[1]))
