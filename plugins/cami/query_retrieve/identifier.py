"""The identifier of a C-FIND request read strictly (PS3.4 C.4.1.1.3.1).

Queries are hierarchical (PS3.4 C.4.1.2.1): series are asked of studies, and images of series or studies, by UID.
Relational queries are refused: they would be looked up in all that a caller may see, under a lock of Orthanc's.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from pydicom.datadict import keyword_for_tag

from cami.errors import Invalid
from cami.query_retrieve.keys import UIDS, Level, matched, returned

#: UIDs that one request may name.
MOST_UIDS = 500
#: Characters of one value; the longest attribute that is matched has 64 (PS3.5 6.2), a list of UIDs more.
_LONGEST = 64 * MOST_UIDS + MOST_UIDS
_UID = re.compile(r"[0-9.]{1,64}")
#: Elements of an identifier; real ones have some thirty.
_MOST_ELEMENTS = 500
_ABOVE = tuple(UIDS.values())

Element = tuple[int, int, str]
"""Group, element, value in UTF-8."""


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody wants to know."""

    level: Level
    matching: Mapping[str, str]
    """Attributes with a value that narrows the answer, by keyword."""
    wanted: frozenset[str]
    """Attributes to be returned, of those that are (`cami.query_retrieve.keys.returned`)."""
    availability: bool = False
    """Whether Instance Availability (0008,0056) is asked for."""
    hopeless: bool = False
    """Nothing can match: a value that is no UID where one is matched exactly (PS3.4 C.2.2.2.1 and .2)."""

    @classmethod
    def read(cls, elements: Iterable[Element]) -> Self:
        """Read an identifier.

        Raises
        ------
        cami.errors.Invalid
            It is none that is answered; the text is a code.
        """
        values = _values(elements)
        level = _level(values.get("QueryRetrieveLevel", ""))
        known = {name: _value(value) for name, value in values.items() if name in matched(level)}
        matching = {name: value for name, value in known.items() if value.strip("*")}
        uids = {name: split_uids(matching[name]) for name in _ABOVE if name in matching}
        _hierarchical(level, uids)
        return cls(
            level=level,
            matching=matching,
            wanted=frozenset(values.keys() & returned(level)),
            availability="InstanceAvailability" in values,
            hopeless=not all(uids.values()),
        )


def split_uids(value: str) -> list[str]:
    """Return the UIDs of a list (PS3.4 C.2.2.2.2); empty if one of them is none.

    Raises
    ------
    cami.errors.Invalid
        There are too many.
    """
    uids = [uid.strip(" \0") for uid in value.split("\\")]
    if len(uids) > MOST_UIDS:
        raise Invalid("too-many-uids")
    return uids if all(_UID.fullmatch(uid) for uid in uids) else []


def _values(elements: Iterable[Element]) -> dict[str, str]:
    values: dict[str, str] = {}
    for number, (group, element, value) in enumerate(elements):
        if number >= _MOST_ELEMENTS:
            raise Invalid("too-many-keys")
        keyword = keyword_for_tag(group << 16 | element)
        if keyword:
            values[keyword] = value
    return values


def _level(value: str) -> Level:
    try:
        return Level(value.strip(" \0").upper())
    except ValueError:
        raise Invalid("no-such-level") from None


def _value(value: str) -> str:
    if len(value) > _LONGEST:
        raise Invalid("too-long")
    return value.strip(" \0")


def _hierarchical(level: Level, uids: Mapping[str, list[str]]) -> None:
    """Refuse a question about series or images that names nothing they could be in."""
    named = {Level.SERIES: _ABOVE[:2], Level.IMAGE: _ABOVE}.get(level, ())
    if named and not any(name in uids for name in named):
        raise Invalid("relational")
