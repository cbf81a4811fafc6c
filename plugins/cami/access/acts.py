"""What a request means for the journal: which kind of act, on what. Two tables: Orthanc's addresses, and ours.

What stands in neither is recorded all the same: a change as a change, a read as a read of that address. Addresses are
recorded with identifiers and everything that is no word of theirs taken out.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from cami.archive import Level
from cami.audit import Kind

_LEVELS: dict[str, Level] = {"studies": "studies", "series": "series", "instances": "instances", "patients": "patients"}
_WORD = re.compile(r"[a-z][a-z.-]{0,31}|v[0-9]|dicom-web|metrics-prometheus")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
_DIGITS = re.compile(r"[0-9.,]+")
#: What hands out whole objects, to be kept outside.
_EXPORTS = frozenset({"archive", "media", "file", "pdf", "nifti", "store", "store-straight", "move", "send"})
_EXPORT_TOOLS = re.compile(r"/tools/(create-archive|create-media|create-media-extended)|/dicom-web/servers/[^/]+/stow")
#: Searches whose question stands in the body: `Recorder` sees it.
SEARCHES = frozenset({"/tools/find", "/tools/count-resources", "/tools/lookup"})
#: Nothing of these is anybody's data.
_HARMLESS = re.compile(
    r"/|/favicon\.ico|/system|/tools/(now|now-local|generate-uid|metrics-prometheus)|/app(/.*)?|/plugins(/.*)?|/ohif(/.*)?"
)


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody asks for."""

    kind: Kind
    route: str
    """The address without what it names."""
    level: Level | None = None
    """Of `resource`."""
    resource: str = ""
    """Orthanc id."""
    study_uid: str = ""
    """As DICOMweb names studies."""
    each: bool = False
    """Recorded each time; not once for what is done again and again."""


def of_archive(method: str, path: str) -> Act | None:
    """Say what a request to Orthanc, its plugins or our overrides of them means; None: nothing to record, or ours."""
    if path.startswith("/cami") or path in SEARCHES or _HARMLESS.fullmatch(path):
        return None
    parts = path.split("/")[1:]
    route = route_of(path)
    if method != "GET":
        return _change(method, path, parts, route)
    if parts[0] == "dicom-web":
        uid = parts[2] if len(parts) > 2 and parts[1] == "studies" else ""
        return Act(Kind.VIEW if uid else Kind.SEARCH, route, study_uid=uid)
    level = _LEVELS.get(parts[0])
    if level is None:
        return Act(Kind.VIEW, route)
    if len(parts) == 1 or level == "patients":
        return Act(Kind.SEARCH, route, level, parts[1] if len(parts) > 1 else "")
    return Act(Kind.EXPORT if parts[-1] in _EXPORTS else Kind.VIEW, route, level, parts[1])


def _change(method: str, path: str, parts: list[str], route: str) -> Act:
    level = _LEVELS.get(parts[0])
    named = level is not None and len(parts) > 1
    kind = Kind.DELETE if method == "DELETE" else Kind.CHANGE
    if parts[-1] in _EXPORTS or _EXPORT_TOOLS.fullmatch(path):
        kind = Kind.EXPORT
    elif parts[-1] in ("modify", "anonymize", "split", "merge"):
        kind = Kind.CREATE
    elif path == "/instances" or (parts[0] == "dicom-web" and parts[1:2] == ["studies"]):
        kind = Kind.IMPORT
    elif parts[-1] in ("query", "find", "find-worklist"):
        kind = Kind.SEARCH
    uid = parts[2] if parts[0] == "dicom-web" and parts[1:2] == ["studies"] and len(parts) > 2 else ""
    return Act(kind, route, level if named else None, parts[1] if named else "", uid, each=True)


#: Ours: method, address, kind. None: nothing is recorded of it here, because no patient's data is in it, or because who
#: answers it records it better. The first row that matches counts.
_OWN: tuple[tuple[str, re.Pattern[str], Kind | None], ...] = tuple(
    (methods, re.compile(pattern), kind)
    for methods, pattern, kind in (
        ("", r"/cami/(health|metrics|whoami|login(/.*)?|static/.*|wire/.*|oidc(/.*)?|oauth/.*|journal.*|who)", None),
        # These record what they do themselves, in the transactions that do it.
        ("", r"/cami/(fhir|api/consultations|consultations|api/grants|grants|emergency|launch)(/.*)?", None),
        ("GET", r"/cami/(nodes|mis|hl7|s/[0-9.]+)|/cami/api/openapi.*", None),
        # `cami.people` records what is done to accounts, in the transaction that does it.
        ("", r"/cami/(account|people|api/people|api/sessions)(/.*)?", None),
        # What is opened is recorded when its images are read; this is only that it still is.
        ("POST", r"/cami/viewing", None),
        ("POST", r"/cami/logout", Kind.SIGN_OUT),
        ("GET", r"/cami/logout", None),
        ("GET", r"/cami/(delivery|routing(/.*)?|completeness(\.csv)?)", None),
        ("GET", r"/cami/api/(delivery(/.*)?|completeness|index|routing(/.*)?|audit(/.*)?)", None),
        ("GET", r"/cami/(api/)?quarantine/.*[0-9a-f]{16}.*", Kind.VIEW),
        ("GET", r"/cami/matching/.*", Kind.VIEW),
        ("POST", r"/cami/worklist(/new)?", Kind.ORDER),
        ("GET", r"/cami.*", Kind.SEARCH),
        ("POST", r"/cami", Kind.SEARCH),
        ("POST", r"/cami/routing(/.*)?|/cami/api/(routing|index)(/.*)?", Kind.ADMINISTRATION),
        ("DELETE", r"/cami.*", Kind.DELETE),
        ("", r"/cami.*", Kind.CHANGE),
        ("POST", r"/tools/(find|count-resources|lookup)", Kind.SEARCH),
    )
)


def of_ours(method: str, path: str) -> Act | None:
    """Say what a request to one of our handlers means; None: it is recorded elsewhere, or need not be."""
    for methods, pattern, kind in _OWN:
        if methods in ("", method) and pattern.fullmatch(path):
            return None if kind is None else Act(kind, route_of(path), each=method != "GET" and path not in SEARCHES)
    return None


def route_of(path: str) -> str:
    """Return an address without what it names: nothing but words of addresses is left."""
    return "/".join(map(_plain, urlsplit(path).path.split("/")))[:120]


def _plain(part: str) -> str:
    if not part or _WORD.fullmatch(part):
        return part
    if _ID.fullmatch(part):
        return "{id}"
    return "{n}" if _DIGITS.fullmatch(part) else "{}"
