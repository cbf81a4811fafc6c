"""An entry as a device gets it: the Modality Worklist information model (PS3.4 K.6.1.2), written to bytes.

Everything that PS3.4 K.6-1 wants of a return key is there, empty if need be; which of it goes out the query decides.
Text is in UTF-8, or in Latin letters for consoles that know no others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cami.coercion.elements import DataSet, Element
from cami.coercion.layout import DicomFile
from cami.orders import ENP, SNILS
from cami.region import Device
from cami.worklist.entry import Entry, Priority, State
from cami.worklist.latin import in_latin
from cami.worklist.query import ANY_TIME, MODALITY, STATION, STEP_SEQUENCE, Range, within

_UTF_8 = "ISO_IR 192"
#: Explicit VR Little Endian; what an answer is as a file nobody sees.
_SYNTAX = b"1.2.840.10008.1.2.1\0"
_HEAD = (
    b"\0" * 128
    + b"DICM"
    + b"\x02\0\0\0UL\x04\0"
    + (8 + len(_SYNTAX)).to_bytes(4, "little")
    + b"\x02\0\x10\0UI"
    + len(_SYNTAX).to_bytes(2, "little")
    + _SYNTAX
)
_LENGTHS = {"SH": 16, "LO": 64, "PN": 64, "CS": 16, "AE": 16}
_PRIORITIES = {Priority.STAT: "STAT", Priority.URGENT: "HIGH", Priority.ROUTINE: "ROUTINE"}
#: Coding schemes of the ministry's directories; private ones begin with 99 (PS3.16 §8).
_SCHEMES = {
    "urn:oid:1.2.643.5.1.13.13.11.1070": "99NMU",
    "urn:oid:1.2.643.5.1.13.13.11.1471": "99FSIDI",
}
_OTHER_SCHEME = "99MIS"
_CODE, _LONG_CODE, _SCHEME, _MEANING = 0x00080100, 0x00080119, 0x00080102, 0x00080104


@dataclass(frozen=True, slots=True)
class Moment:
    """When an answer is given: entries without a time take theirs from it."""

    now: datetime
    zone: ZoneInfo
    asked: Range = ANY_TIME
    """Times of day that the device asks for."""

    @property
    def day(self) -> str:
        """Today, as DICOM writes it."""
        return self.now.astimezone(self.zone).strftime("%Y%m%d")

    @property
    def clock(self) -> str:
        """A time of day that is asked for: now, if that is."""
        clock = self.now.astimezone(self.zone).strftime("%H%M%S")
        return clock if within(clock, self.asked) else self.asked[0] or "000000"


def step_values(entry: Entry, device: Device, moment: Moment) -> dict[int, tuple[str, str]]:
    """Return the values of the Scheduled Procedure Step: VR and text by tag."""
    # An order for any device of a kind is, for the device that asks, an order for itself.
    modality = entry.modality if entry.device else device.modality
    return {
        MODALITY: ("CS", modality),
        0x00321070: ("LO", ""),
        STATION: ("AE", device.aet),
        0x00400002: ("DA", entry.day(moment.zone) or moment.day),
        0x00400003: ("TM", entry.clock(moment.zone) or moment.clock),
        0x00400006: ("PN", ""),
        0x00400007: ("LO", entry.procedure_text),
        0x00400009: ("SH", entry.accession),
        0x00400010: ("SH", device.aet),
        0x00400011: ("SH", device.room),
        0x00400012: ("LO", ""),
        0x00400020: ("CS", "STARTED" if entry.state is State.STARTED else "SCHEDULED"),
        0x00400400: ("LT", ""),
    }


def answer(entry: Entry, device: Device, moment: Moment) -> bytes:
    """Return an entry as a DICOM file for one device."""
    write = _Writer(latin=device.transliterate)
    step = write.dataset(step_values(entry, device, moment))
    step.elements[0x00400008] = write.sequence(0x00400008, _code(entry, write))
    dataset = write.dataset(_values(entry))
    dataset.elements[0x00080005] = Element(0x00080005, "CS", _UTF_8.encode("ascii"))
    for tag in (0x00081110, 0x00081120):
        dataset.elements[tag] = write.sequence(tag)
    dataset.elements[0x00321064] = write.sequence(0x00321064, _code(entry, write))
    issuer = entry.issuer.removeprefix("urn:oid:")
    if issuer != entry.issuer:
        named = write.dataset({0x00400032: ("UT", issuer), 0x00400033: ("CS", "ISO")})
        dataset.elements[0x00100024] = write.sequence(0x00100024, named)
    dataset.elements[0x00101002] = write.sequence(0x00101002, *_others(entry, write))
    dataset.elements[STEP_SEQUENCE] = write.sequence(STEP_SEQUENCE, step)
    return DicomFile(_HEAD, dataset, little_endian=True, tail=memoryview(b"")).joined()


def _values(entry: Entry) -> Mapping[int, tuple[str, str]]:
    return {
        0x00080050: ("SH", entry.accession),
        0x00080090: ("PN", entry.referrer),
        0x00100010: ("PN", entry.patient_name),
        0x00100020: ("LO", entry.patient_id),
        0x00100021: ("LO", entry.issuer.removeprefix("urn:oid:")),
        0x00100030: ("DA", entry.birth_date),
        0x00100040: ("CS", entry.sex),
        0x00101030: ("DS", ""),
        0x00102000: ("LO", entry.note),
        0x00102110: ("LO", ""),
        0x001021C0: ("US", ""),
        0x0020000D: ("UI", entry.study_uid),
        0x00321032: ("PN", entry.referrer),
        0x00321033: ("LO", entry.requester),
        0x00321060: ("LO", entry.procedure_text),
        0x00380010: ("LO", ""),
        0x00380050: ("LO", ""),
        0x00380300: ("LO", ""),
        0x00380500: ("LO", ""),
        0x00401001: ("SH", entry.accession),
        0x00401002: ("LO", entry.diagnosis),
        0x00401003: ("SH", _PRIORITIES[entry.priority]),
        0x00401004: ("LO", ""),
        0x00401400: ("LT", entry.note),
        0x00402016: ("LO", entry.placer),
        0x00403001: ("LO", ""),
    }


def _others(entry: Entry, write: "_Writer") -> list[DataSet]:
    """Return СНИЛС and ЕНП as items of Other Patient IDs Sequence (PS3.3 table 10-18), those that the entry has."""
    numbers = ((entry.snils, SNILS.removeprefix("urn:oid:"), "ISO"), (entry.enp, ENP, "URI"))
    found = []
    for value, issuer, kind in numbers:
        if value:
            other = write.dataset({0x00100020: ("LO", value), 0x00100021: ("LO", issuer), 0x00100022: ("CS", "TEXT")})
            named = write.dataset({0x00400032: ("UT", issuer), 0x00400033: ("CS", kind)})
            other.elements[0x00100024] = write.sequence(0x00100024, named)
            found.append(other)
    return found


def _code(entry: Entry, write: "_Writer") -> DataSet:
    """Return the procedure as a code (PS3.3 table 8.8-1); one without a code gets its text for one."""
    code = entry.procedure_code
    if not code:
        return DataSet()
    long = len(code) > _LENGTHS["SH"]
    return write.dataset(
        {
            (_LONG_CODE if long else _CODE): ("UC" if long else "SH", code),
            _SCHEME: ("SH", _SCHEMES.get(entry.procedure_system, _OTHER_SCHEME)),
            _MEANING: ("LO", entry.procedure_text),
        }
    )


class _Writer:
    """Makes elements, in the letters that a device knows."""

    def __init__(self, *, latin: bool) -> None:
        self._latin = latin

    def dataset(self, values: Mapping[int, tuple[str, str]]) -> DataSet:
        return DataSet({tag: Element(tag, vr, self._value(vr, text)) for tag, (vr, text) in values.items()})

    def sequence(self, tag: int, *members: DataSet) -> Element:
        return Element(tag, "SQ", [member for member in members if member.elements])

    def _value(self, vr: str, text: str) -> bytes:
        # Backslashes part values, and control characters break the data set (PS3.5 §6.1.3).
        plain = "".join(" " if letter == "\\" or ord(letter) < 32 else letter for letter in text).strip()
        written = in_latin(plain) if self._latin else plain
        value = written[: _LENGTHS.get(vr, len(written))].encode("utf-8")
        return value + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
