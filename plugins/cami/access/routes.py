"""The route table: every HTTP request that may reach Orthanc, another plugin or us, and by which rule.

The rows stand in `cami.access.route_table`. What has no row is refused to everybody, and so is each method of a path
that its rows do not name; tests hold the table against the routes that Orthanc and its plugins really have.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from cami.access.route_table import TABLE, Row, Rule
from cami.archive import Level

#: Transcoding on request crashes some servers and loads all (reference/orthanc.md §5.9), and ``lossy-quality`` would
#: hand out images that are not what was stored.
FORBIDDEN_ARGUMENTS = frozenset({"transcode", "lossy-quality"})

#: What stands for a part of a path in the table.
_PLACES: Mapping[str, str] = {
    "{id}": "([0-9a-f]{8}(?:-[0-9a-f]{8}){4})",
    "{job}": "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})",
    "{uid}": "[0-9.]{1,64}",
    "{frame}": "[0-9]{1,9}",
    "{frames}": "[0-9,]{1,1000}",
    "{tags}": "[0-9A-Fa-f]+(?:/[0-9A-Fa-f]+)*",
    "{any}": "[^/]+",
    "{file}": "[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*",
    "{rest}": ".*",
}
_LEVELS: Mapping[str, Level] = {"studies": "studies", "series": "series", "instances": "instances"}


class Purpose(Enum):
    """What somebody wants with a route, for the journal of accesses."""

    NONE = auto()
    """Nothing about a patient."""
    SEARCH = auto()
    VIEW = auto()
    EXPORT = auto()
    """Whole objects, to be taken away."""
    STORE = auto()


@dataclass(frozen=True, slots=True)
class Match:
    """What the table says of a request."""

    rule: Rule
    level: Level | None = None
    resource: str = ""
    body: int = 0
    """The largest body that may come with it, in bytes."""
    purpose: Purpose = Purpose.NONE


@dataclass(frozen=True, slots=True)
class _Compiled:
    pattern: re.Pattern[str]
    row: Row


REFUSED = Match(Rule.NOBODY)


def _pattern(path: str) -> re.Pattern[str]:
    """Compile a path of the table: ``{id}`` and its like, ``a|b`` within a part."""
    parts = path.strip("/").split("/")
    if parts == [""]:
        return re.compile("/")
    written = []
    for part in parts:
        either = [_PLACES.get(each) or re.escape(each) for each in part.split("|")]
        written.append(either[0] if len(either) == 1 else f"(?:{'|'.join(either)})")
    return re.compile("/" + "/".join(written))


def _compile() -> Mapping[str, list[_Compiled]]:
    """Sort the rows by the first part of their paths, so that a request looks at few."""
    found: dict[str, list[_Compiled]] = defaultdict(list)
    for row in TABLE:
        for path in row.paths:
            compiled = _Compiled(_pattern(path), row)
            for first in path.strip("/").split("/")[0].split("|"):
                found[first].append(compiled)
    return dict(found)


_ROWS = _compile()


def decide(method: str, path: str) -> tuple[Row, str] | None:
    """Return the row of a request and the resource that its path names; None if the table has none."""
    for each in _ROWS.get(path.split("/", 2)[1] if path.startswith("/") else "", ()):
        if method in each.row.methods and (found := each.pattern.fullmatch(path)) is not None:
            return each.row, found.group(1) if found.re.groups else ""
    return None


def match(method: str, path: str, query: Mapping[str, str]) -> Match:
    """Return the rule for a request; `path` has no trailing slash."""
    if FORBIDDEN_ARGUMENTS.intersection(query):
        return REFUSED
    decided = decide(method, path)
    if decided is None or decided[0].rule is Rule.NOBODY:
        return REFUSED
    row, resource = decided
    if row.arguments is not None and not row.arguments.issuperset(query):
        return Match(Rule.ADMIN_READ) if method == "GET" else REFUSED
    level = _LEVELS.get(path.split("/", 2)[1]) if row.rule is Rule.RESOURCE else None
    return Match(row.rule, level, resource, row.body, _purpose(row, path))


def _purpose(row: Row, path: str) -> Purpose:
    if row.rule is Rule.STORE:
        return Purpose.STORE
    if row.exports:
        return Purpose.EXPORT
    if row.rule is Rule.RESOURCE:
        return Purpose.VIEW
    if row.rule is not Rule.SCOPED:
        return Purpose.NONE
    # Of DICOMweb, what lists studies, series or instances is a search (PS3.18 §10.6), the rest retrieval (§10.4).
    searched = not path.startswith("/dicom-web/") or path.rsplit("/", 1)[1] in ("studies", "series", "instances")
    return Purpose.SEARCH if searched else Purpose.VIEW
