"""Comparing a study's attributes with what is asked for (PS3.4 C.2.2.2), where no archive does it for us.

As there: texts in any case, е for ё, ``*`` and ``?``, ranges of dates and times, lists of UIDs and modalities.
"""

import re
from collections.abc import Mapping

_RANGE = re.compile(r"([0-9.]*)-([0-9.]*)")
_RANGED = frozenset({"PatientBirthDate", "StudyDate", "StudyTime"})
_LISTED = frozenset({"ModalitiesInStudy", "StudyInstanceUID"})


def matches(attributes: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    """Say whether all that is asked for is so; what the attributes do not have matches nothing."""
    return all(_matches(name, attributes.get(name, ""), value) for name, value in asked.items())


def _matches(name: str, value: str, asked: str) -> bool:
    if name in _RANGED and (found := _RANGE.fullmatch(asked)):
        first, last = found.groups()
        return bool(value) and first <= value and (not last or value[: len(last)] <= last)
    values = value.split("\\") if name in _LISTED else [value]
    return any(_pattern(part).fullmatch(_fold(own)) for part in asked.split("\\") for own in values)


def _pattern(asked: str) -> re.Pattern[str]:
    pieces = re.split(r"([*?])", _fold(asked))
    return re.compile("".join({"*": ".*", "?": "."}.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)


def _fold(text: str) -> str:
    return text.casefold().replace("ё", "е").rstrip("^ ")
