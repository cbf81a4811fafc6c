"""The query of a search as conditions on the tables of the index; what they cannot say is left to the core.

Matching is that of PS3.4 §C.2.2.2: single value, list of UIDs or values, wildcard, range of dates, universal.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, or_

from cami.archive import Level
from cami.db.tables import indexed_name, indexed_series, indexed_study
from cami.index.folding import Pattern, fold, fold_name, latin
from cami.index.tags import keyword

_DAY = re.compile(r"\d{8}")
_RANGE = re.compile(r"(\d{8})?-(\d{8})?")
_UID = re.compile(r"[0-9.]{1,64}")
_CODE = re.compile(r"[A-Za-z0-9_ ]{1,16}")
_NUMBER = re.compile(r"-?\d{1,12}")


class Beyond(Exception):
    """The index cannot answer this; the core can."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a search asks for."""

    level: Level
    name: Pattern | None
    """Of the patient."""
    conditions: Sequence[ColumnElement[bool]]
    """On `indexed_study` and, at the level of series, `indexed_series`."""
    words: Sequence[ColumnElement[bool]] = ()
    """The same on `indexed_name` too."""
    narrow: bool = False
    """Few studies of an МО can be meant, and its index leads to them: a UID, a number or a parent is named."""

    @classmethod
    def read(cls, level: Level, query: Mapping[str, str], parents: Mapping[str, str], words: str = "") -> "Criteria":
        """Read the ``Query`` and the parents of a search, and words as people type them.

        Raises
        ------
        Beyond
            Something in it is not for the index.
        """
        if level not in ("studies", "series"):
            raise Beyond
        keys = _STUDY if level == "studies" else _STUDY | _SERIES
        name: Pattern | None = None
        conditions: list[ColumnElement[bool]] = []
        seen: dict[str, None] = {}
        for tag, value in query.items():
            key = keyword(tag)
            if key in seen:  # in two spellings at once
                raise Beyond
            seen[key] = None
            if _universal(value):
                if key not in keys and key != "PatientName":
                    raise Beyond
            elif key == "PatientName":
                name = _name(value)
            elif key in keys:
                conditions.append(keys[key](value))
            else:
                raise Beyond
        found = [_word(word) for word in fold_name(words).split()]
        narrow = bool(parents) or any(_exact(key, value) for key, value in zip(seen, query.values(), strict=True))
        return cls(level, name, [*conditions, *_of_parents(level, parents)], found, narrow)


def _universal(value: str) -> bool:
    """Say whether a value matches everything (PS3.4 §C.2.2.2.3)."""
    return value.strip("*") == ""


def _exact(key: str, value: str) -> bool:
    """Say whether a key names few studies of an МО, and its value is matched as it stands."""
    return key in _LEADING and value != "" and not re.search(r"[*?]", value)


def _of_parents(level: Level, parents: Mapping[str, str]) -> Sequence[ColumnElement[bool]]:
    known: dict[str, Column[Any]] = {"ParentPatient": indexed_study.c.patient_key}
    if level == "series":
        known["ParentStudy"] = indexed_study.c.study_id
    if not known.keys() >= parents.keys():
        raise Beyond
    return [known[name] == value for name, value in parents.items()]


def _name(value: str) -> Pattern:
    pattern = None if "\\" in value else Pattern.of_name(value)
    if pattern is None:
        raise Beyond
    return pattern


def _uids(column: Column[Any]) -> Callable[[str], ColumnElement[bool]]:
    def condition(value: str) -> ColumnElement[bool]:
        uids = [uid.strip(" \0") for uid in re.split(r"[\\,]", value)]
        if not all(_UID.fullmatch(uid) for uid in uids):
            raise Beyond
        return column == uids[0] if len(uids) == 1 else column.in_(uids)

    return condition


def _text(column: Column[Any]) -> Callable[[str], ColumnElement[bool]]:
    def condition(value: str) -> ColumnElement[bool]:
        if "\\" in value:
            if re.search(r"[*?]", value):
                raise Beyond
            return column.in_([fold(part) for part in value.split("\\")])
        pattern = Pattern.of_text(value)
        return matching(column, pattern)

    return condition


def _person(column: Column[Any]) -> Callable[[str], ColumnElement[bool]]:
    def condition(value: str) -> ColumnElement[bool]:
        return matching(column, _name(value))

    return condition


def _date(column: Column[Any]) -> Callable[[str], ColumnElement[bool]]:
    def condition(value: str) -> ColumnElement[bool]:
        if _DAY.fullmatch(value):
            return column == value
        found = _RANGE.fullmatch(value)
        if found is None or not any(found.groups()):
            raise Beyond
        first, last = found.groups()
        # As in the core, a study without the tag is in no range (the tag being empty: `cami.index.source`).
        after = column >= first if first else column > ""
        return after & (column <= last) if last else after

    return condition


def _modalities(value: str) -> ColumnElement[bool]:
    codes = value.split("\\")
    if not all(_CODE.fullmatch(code) for code in codes):
        raise Beyond
    wanted = [fold(code).replace("_", "!_") for code in codes]
    return or_(*(indexed_study.c.modalities.like(rf"%\{code}\%", escape="!") for code in wanted))


def _number(value: str) -> ColumnElement[bool]:
    if not _NUMBER.fullmatch(value):
        raise Beyond
    return indexed_series.c.number == value


def _word(word: str) -> ColumnElement[bool]:
    """Find a word that begins a word of the name, the card number or the accession number, or is part of a number."""
    names: tuple[tuple[Column[Any], str], ...] = (
        (indexed_name.c.folded, word),
        (indexed_name.c.latin, latin(word)),
        (indexed_study.c.patient_id, word),
        (indexed_study.c.accession, word),
    )
    part = any(map(str.isdigit, word))
    return or_(
        *(column.contains(sought, autoescape=True) for column, sought in names if part),
        *((" " + column).contains(" " + sought, autoescape=True) for column, sought in names if sought and not part),
    )


def matching(column: ColumnElement[str], pattern: Pattern) -> ColumnElement[bool]:
    """Compare a folded text with a pattern; a beginning without wildcards can use an order of the column."""
    if pattern.literal is not None:
        return column == pattern.literal
    like = column.like(pattern.like(), escape="!")
    return begins(column, pattern.head) & like if pattern.head else like


def begins(column: ColumnElement[str], head: str) -> ColumnElement[bool]:
    """Compare the beginning of a text, as a range of the column's order (by code points)."""
    return (column >= head) & (column < head + "\U0010ffff")


#: Keys by which the index of an МО is ordered.
_LEADING = frozenset({"AccessionNumber", "PatientID", "StudyInstanceUID"})
_STUDY: dict[str, Callable[[str], ColumnElement[bool]]] = {
    "AccessionNumber": _text(indexed_study.c.accession),
    "InstitutionName": _text(indexed_study.c.institution),
    "ModalitiesInStudy": _modalities,
    "PatientBirthDate": _date(indexed_study.c.birth_date),
    "PatientID": _text(indexed_study.c.patient_id),
    "PatientSex": _text(indexed_study.c.sex),
    "ReferringPhysicianName": _person(indexed_study.c.referrer),
    "StudyDate": _date(indexed_study.c.study_date),
    "StudyDescription": _text(indexed_study.c.description),
    "StudyID": _text(indexed_study.c.study_number),
    "StudyInstanceUID": _uids(indexed_study.c.study_uid),
}
_SERIES: dict[str, Callable[[str], ColumnElement[bool]]] = {
    "BodyPartExamined": _text(indexed_series.c.body_part),
    "Modality": _text(indexed_series.c.modality),
    "SeriesDescription": _text(indexed_series.c.description),
    "SeriesInstanceUID": _uids(indexed_series.c.series_uid),
    "SeriesNumber": _number,
}
