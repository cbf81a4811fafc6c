"""What the registry says of where an object comes from: the МО, its ОИД, the issuer of the Patient ID.

Whose a study is never follows from these (design §3): the key of the proxy proves it. They are for whoever reads the
object outside of this archive, where one Patient ID means different people at different МО.
"""

from dataclasses import dataclass

from cami.coercion.charsets import CharacterSet
from cami.coercion.elements import DataSet, Element
from cami.coercion.layout import DicomFile, items

INSTITUTION_NAME = 0x00080080
INSTITUTION_CODE_SEQUENCE = 0x00080082
DEPARTMENT_NAME = 0x00081040
ACCESSION_NUMBER = 0x00080050
PATIENT_ID = 0x00100020
ISSUER = 0x00100021
ISSUER_QUALIFIERS = 0x00100024

_CODE_VALUE, _SCHEME, _MEANING, _LONG_CODE_VALUE = 0x00080100, 0x00080102, 0x00080104, 0x00080119
_ENTITY_ID, _ENTITY_TYPE = 0x00400032, 0x00400033
#: The federal register of medical organizations (НСИ 1.2.643.5.1.13.13.11.1461) as a private coding scheme.
SCHEME = "99FRMO"


@dataclass(frozen=True, slots=True)
class Institution:
    """Where the device stands."""

    name: str
    oid: str
    department: str = ""


@dataclass(frozen=True, slots=True)
class Stamps:
    """What is to be written."""

    institution: Institution
    name: bool
    """Institution Name, Institution Code Sequence and Institutional Department Name."""
    issuer: bool
    """Issuer of Patient ID, as name and as ОИД."""
    accession: str = ""
    """Accession number of the order that the study is for; empty: what the object says stays."""


def wanted(file: DicomFile, stamps: Stamps, used: CharacterSet, current: CharacterSet) -> tuple[list[Element], bool]:
    """Return the elements that have to be put into a data set, and whether some could not be written.

    Parameters
    ----------
    used
        The character set in which the data set is going to be.
    current
        The one in which it is now.
    """
    made = _Made(file, used, current)
    institution = stamps.institution
    if stamps.name:
        made.text(INSTITUTION_NAME, institution.name)
        made.institution_code(institution)
        if institution.department:
            made.text(DEPARTMENT_NAME, institution.department)
    if stamps.accession:
        made.text(ACCESSION_NUMBER, stamps.accession, "SH")
    if stamps.issuer and file.dataset.raw(PATIENT_ID).strip(b" \0"):
        made.issuer(institution.oid)
    return made.elements, made.failed


class _Made:
    """Elements in the character set and the VR encoding of an object."""

    def __init__(self, file: DicomFile, used: CharacterSet, current: CharacterSet) -> None:
        self._file = file
        self._used = used
        self._current = current
        self.elements: list[Element] = []
        self.failed = False

    def text(self, tag: int, text: str, vr: str = "LO") -> None:
        """Make a text unless it is there."""
        if self._current.encode(text) == self._file.dataset.raw(tag).strip(b" \0"):
            return
        value = self._used.encode(text)
        if value is None:
            self.failed = True
        else:
            self.elements.append(Element(tag, self._vr(vr), _even(value)))

    def institution_code(self, institution: Institution) -> None:
        """Make the code of the МО (PS3.3 table 8.8-1) unless it is there."""
        for item in self._items(INSTITUTION_CODE_SEQUENCE):
            codes = {_text(item, _CODE_VALUE), _text(item, _LONG_CODE_VALUE)}
            if institution.oid in codes and _text(item, _SCHEME) == SCHEME:
                return
        long = len(institution.oid) > 16  # SH takes no more
        meaning = self._used.encode(institution.name) or institution.oid.encode("ascii")
        self._sequence(
            INSTITUTION_CODE_SEQUENCE,
            (_LONG_CODE_VALUE, "UC", institution.oid) if long else (_CODE_VALUE, "SH", institution.oid),
            (_SCHEME, "SH", SCHEME),
            (_MEANING, "LO", meaning),
        )

    def issuer(self, oid: str) -> None:
        """Make both issuers of the Patient ID, unless an information system of this МО has said who it is."""
        for item in self._items(ISSUER_QUALIFIERS):
            entity = _text(item, _ENTITY_ID)
            if entity.startswith(oid + ".") and _text(item, _ENTITY_TYPE) == "ISO":
                return
        self.text(ISSUER, f"MO:{oid}")
        if not any(_text(item, _ENTITY_ID) == oid for item in self._items(ISSUER_QUALIFIERS)):
            self._sequence(ISSUER_QUALIFIERS, (_ENTITY_ID, "UT", oid), (_ENTITY_TYPE, "CS", "ISO"))

    def _items(self, tag: int) -> list[DataSet]:
        element = self._file.dataset.elements.get(tag)
        return [] if element is None else items(self._file, self._file.dataset, element)

    def _sequence(self, tag: int, *values: tuple[int, str, str | bytes]) -> None:
        item = DataSet(implicit=self._file.dataset.implicit)
        for inner, vr, value in values:
            raw = value.encode("ascii") if isinstance(value, str) else value
            item.elements[inner] = Element(inner, self._vr(vr), _even(raw))
        self.elements.append(Element(tag, self._vr("SQ"), [item]))

    def _vr(self, vr: str) -> str:
        return "" if self._file.dataset.implicit else vr


def _even(value: bytes) -> bytes:
    return value + b" " * (len(value) % 2)


def _text(item: DataSet, tag: int) -> str:
    return item.raw(tag).decode("ascii", "replace").strip(" \0")
