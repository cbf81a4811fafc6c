"""What a device asks of the worklist: the keys of a C-FIND (PS3.4 K.6.1.2.2), read from bytes.

Keys without a value, and a lone asterisk, ask for everything. What is asked within the Scheduled Procedure Step and is
no column of ours is compared with the answer that would be given (`fits`): Orthanc leaves a step out of an answer that
does not have what was asked for, and an answer without its step is of no use to a device.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cami.coercion.charsets import character_set
from cami.coercion.elements import DataSet
from cami.coercion.layout import items, take_apart
from cami.errors import Invalid
from cami.index.folding import Pattern
from cami.region import CharacterSets

SPECIFIC_CHARACTER_SET = 0x00080005
ACCESSION_NUMBER, MODALITY = 0x00080050, 0x00080060
PATIENT_NAME, PATIENT_ID = 0x00100010, 0x00100020
STUDY_UID = 0x0020000D
STEP_SEQUENCE = 0x00400100
STATION, START_DATE, START_TIME = 0x00400001, 0x00400002, 0x00400003
PROCEDURE_ID = 0x00401001

Range = tuple[str, str]
#: Any day, any time of day.
ANY_DAY: Range = ("", "99999999")
ANY_TIME: Range = ("", "999999")
_LAST_TIME = "235959"


@dataclass(frozen=True, slots=True)
class Query:
    """What entries have to have; empty: anything."""

    name: Pattern | None = None
    patient_ids: tuple[str, ...] = ()
    accession: str = ""
    study_uids: tuple[str, ...] = ()
    station: str = ""
    modality: str = ""
    days: Range = ANY_DAY
    clock: Range = ANY_TIME
    others: Mapping[int, str] = field(default_factory=dict)
    """What else is asked for within the Scheduled Procedure Step, by tag."""

    @property
    def singles_out(self) -> bool:
        """Whether it asks for something that few entries have, however old they are."""
        return bool(self.accession or self.patient_ids or self.study_uids)


def parse(dicom: bytes, device: CharacterSets) -> Query:
    """Read a query.

    Parameters
    ----------
    dicom
        The identifier of the C-FIND, as a file.
    device
        In which character set the device writes, should the query not tell.

    Raises
    ------
    cami.errors.Invalid
        It cannot be read.
    """
    file = take_apart(dicom)
    dataset = file.dataset
    text = _Text(dataset, device)
    step = DataSet()
    if (asked := dataset.elements.get(STEP_SEQUENCE)) is not None and (found := items(file, dataset, asked)):
        step = found[0]
    accession = text.of(dataset, ACCESSION_NUMBER)
    number = text.of(dataset, PROCEDURE_ID)
    if accession and number and accession != number:
        accession = f"{accession}\\{number}"  # no entry has two
    values = {tag: text.of(step, tag) for tag in step.elements if isinstance(step.elements[tag].value, bytes)}
    known = {STATION, MODALITY, START_DATE, START_TIME}
    return Query(
        name=_name(text.of(dataset, PATIENT_NAME)),
        patient_ids=_several(text.of(dataset, PATIENT_ID)),
        accession=accession or number,
        study_uids=_several(text.of(dataset, STUDY_UID)),
        station=values.get(STATION, ""),
        modality=values.get(MODALITY, ""),
        days=_days(values.get(START_DATE, "")),
        clock=_clock(values.get(START_TIME, "")),
        others={tag: value for tag, value in values.items() if value and tag not in known},
    )


def fits(asked: str, value: str) -> bool:
    """Say whether a value is what is asked for, wildcards and several values included (PS3.4 C.2.2.2)."""
    return any(_wild(one).fullmatch(value) is not None for one in asked.split("\\"))


def _wild(asked: str) -> re.Pattern[str]:
    escaped = re.escape(asked).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)


class _Text:
    """Reads values in the character set of the query."""

    def __init__(self, dataset: DataSet, device: CharacterSets) -> None:
        declared = dataset.raw(SPECIFIC_CHARACTER_SET).decode("ascii", "replace").strip(" \0")
        used = character_set(device.override or declared or device.default)
        fallback = character_set("ISO_IR 192")
        if used is None:
            used = fallback
        if used is None:
            raise Invalid("no character set to read the query in")
        self._used = used

    def of(self, dataset: DataSet, tag: int) -> str:
        """Return a value; nothing for what asks for everything."""
        value = self._used.decode_leniently(dataset.raw(tag)).strip(" \0")
        return "" if value.strip("*") == "" else value


def _name(asked: str) -> Pattern | None:
    if not asked:
        return None
    found = Pattern.of_name(asked)
    if found is None:
        # Two wildcards with a separator between: what stands before the first says enough.
        found = Pattern.of_name(re.split(r"[*?]", asked)[0] + "*")
    return found


def _several(asked: str) -> tuple[str, ...]:
    return tuple(part for part in (each.strip() for each in asked.split("\\")) if part)


def _days(asked: str) -> Range:
    first, last = _bounds(asked.replace(".", ""), r"[0-9]{8}")
    return (first or ANY_DAY[0], last or ANY_DAY[1]) if asked else ANY_DAY


def _clock(asked: str) -> Range:
    if not asked:
        return ANY_TIME
    first, last = _bounds(re.sub(r"\.[0-9]*", "", asked.replace(":", "")), r"[0-9]{2}([0-9]{2}){0,2}")
    return (first + "000000"[len(first) :] if first else "", last + _LAST_TIME[len(last) :] if last else ANY_TIME[1])


def _bounds(asked: str, form: str) -> tuple[str, str]:
    """Return the bounds of a range (PS3.4 C.2.2.2.5); a single value is both."""
    first, dash, last = (part.strip() for part in asked.partition("-"))
    for bound in (first, last):
        if bound and not re.fullmatch(form, bound):
            raise Invalid("a date or a time of the query is none")
    return (first, last) if dash else (first, first)


def within(value: str, asked: Range) -> bool:
    """Say whether a day or a time of day lies in a range."""
    return asked[0] <= value <= asked[1]


def joined(values: Sequence[str]) -> str:
    """Write several values as DICOM does."""
    return "\\".join(values)
