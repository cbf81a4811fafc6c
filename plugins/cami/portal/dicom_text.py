"""DICOM values as people read them: names, dates, times. Nothing is converted: what was recorded is what is shown."""

import re
from collections.abc import Sequence

_CYRILLIC = re.compile(r"[Ѐ-ӿ]")
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})")


def person_name(value: str) -> str:
    """Write a Person Name (PS3.5 §6.2, PN) in reading order.

    Of its groups (alphabetic, ideographic, phonetic) the first with Cyrillic letters is taken, else the first that is
    not empty. A group is family ^ given ^ middle ^ prefix ^ suffix.
    """
    groups = [group for group in value.split("=") if group.strip("^ ")]
    if not groups:
        return ""
    group = next((group for group in groups if _CYRILLIC.search(group)), groups[0])
    return " ".join(part for piece in group.split("^") for part in piece.split())


def date(value: str) -> str:
    """Write a DA value as ДД.ММ.ГГГГ; one that is no date as it is."""
    match = _DATE.fullmatch(value.strip())
    return ".".join(reversed(match.groups())) if match else value.strip()


def time(value: str) -> str:
    """Write a TM value as ЧЧ:ММ; one that is no time as it is."""
    match = _TIME.match(value.strip())
    return ":".join(match.groups()) if match else value.strip()


def moment(day: str, hour: str) -> str:
    """Write Study Date and Study Time together."""
    return " ".join(part for part in (date(day), time(hour) if hour else "") if part)


def folded(text: str) -> str:
    """Return `text` as searches compare it: case and the dots of ё do not count, ``^`` and ``=`` part words."""
    return re.sub(r"[\^=\s]+", " ", text).casefold().replace("ё", "е").strip()


def matches(words: str, values: Sequence[str]) -> bool:
    """Return whether each word of a search begins a word in `values`, or is part of a number there."""
    places = " ".join(map(folded, values)).split()
    return all(any(_begins(word, place) for place in places) for word in folded(words).split())


def _begins(word: str, place: str) -> bool:
    return place.startswith(word) or (any(map(str.isdigit, word)) and word in place)
