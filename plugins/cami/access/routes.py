"""The route table: every HTTP request that may reach Orthanc or us, and by which rule.

What is not here is refused to everyone but the region administrator's GET. The tenants' part is exactly what stock
Orthanc Explorer (``/app/explorer.html``) and OHIF need to read, see `reference/orthanc.md` §2.4.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from cami.archive import Level


class Rule(Enum):
    """How the gate decides about a route."""

    PUBLIC = auto()
    """Anyone."""
    SELF = auto()
    """Anyone reaches the handler, which decides by itself (ours only)."""
    SIGNED_IN = auto()
    """Anyone who has signed in: no patient data."""
    SCOPED = auto()
    """Who may read studies; the answer holds visible studies only, since we override it or `/tools/find` under it."""
    RESOURCE = auto()
    """Who may read studies and sees the study that the resource belongs to."""
    FIGURES = auto()
    """Who may read the figures of the running: Orthanc's metrics, counts and times without any patient."""
    ADMIN_READ = auto()
    """The region administrator."""
    NOBODY = auto()
    """No one, whatever the method."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    rule: Rule
    level: Level | None = None
    """Of a RESOURCE: what the first group of the pattern names."""
    arguments: frozenset[str] | None = None
    """Of the query string, all that people may give; None: any but `FORBIDDEN_ARGUMENTS`."""


@dataclass(frozen=True, slots=True)
class Match:
    """What the table says of a request."""

    rule: Rule
    level: Level | None = None
    resource: str = ""


#: Transcoding on request crashes some servers and loads all (reference/orthanc.md §5.9), and ``lossy-quality`` would
#: hand out images that are not what was stored.
FORBIDDEN_ARGUMENTS = frozenset({"transcode", "lossy-quality"})

_ID = "([0-9a-f]{8}(?:-[0-9a-f]{8}){4})"
_UID = "[0-9.]{1,64}"
_WEB = "/dicom-web"
#: ``_`` is jQuery's way around caches.
_PLAIN = frozenset({"_", "expand", "full", "short"})
_IMAGE = frozenset({"_", "returnUnsupportedImage"})
_PAGED = _PLAIN | {"since", "limit"}


def _route(
    methods: str, pattern: str, rule: Rule, level: Level | None = None, arguments: frozenset[str] | None = None
) -> Route:
    return Route(frozenset(methods.split()), re.compile(pattern), rule, level, arguments)


def _resource(level: Level, tail: str, arguments: frozenset[str]) -> Route:
    return _route("GET", f"/{level}/{_ID}(?:{tail})", Rule.RESOURCE, level, arguments)


#: Read from the top; the first row whose pattern matches the whole path decides, also about the methods.
ROUTES: tuple[Route, ...] = (
    # Code execution, stop and reset of the server, WebDAV: whose verbs Orthanc passes on as GET and PUT.
    _route("", "/tools/(execute-script|reset|shutdown)", Rule.NOBODY),
    _route("", "/webdav(/.*)?", Rule.NOBODY),
    # Ours.
    _route("GET", "/cami/health", Rule.PUBLIC),
    _route("GET POST PUT DELETE", "/cami(/.*)?", Rule.SELF),
    _route("GET", "/ohif(/.*)?", Rule.SELF),
    _route("GET", "/|/favicon\\.ico", Rule.SELF),
    # Harmless reads of the core, and the static files of Orthanc Explorer.
    _route("GET", "/system|/tools/now|/tools/now-local|/tools/generate-uid", Rule.SIGNED_IN),
    _route("GET", "/app(/[A-Za-z0-9._-]+)*|/plugins/explorer\\.js", Rule.SIGNED_IN),
    _route("GET", "/tools/metrics-prometheus", Rule.FIGURES, arguments=frozenset()),
    # Lists and searches, which we answer ourselves.
    _route("POST", "/tools/find|/tools/count-resources|/tools/lookup", Rule.SCOPED),
    _route("GET", "/(patients|studies|series|instances)", Rule.SCOPED, arguments=_PAGED),
    _route("GET", f"/patients/{_ID}(/studies)?", Rule.SCOPED, arguments=_PLAIN),
    # DICOMweb: QIDO-RS and WADO-RS (PS3.18 §10.6, §10.4), which ask /tools/find for everything.
    _route("GET", f"{_WEB}/(studies|series|instances)", Rule.SCOPED),
    _route("GET", f"{_WEB}/studies/{_UID}(/series|/instances|/metadata|/rendered|/thumbnail)?", Rule.SCOPED),
    _route(
        "GET",
        f"{_WEB}/studies/{_UID}/series/{_UID}(/instances|/metadata|/rendered|/thumbnail)?",
        Rule.SCOPED,
    ),
    _route(
        "GET",
        f"{_WEB}/studies/{_UID}/series/{_UID}/instances/{_UID}(/metadata|/rendered|/thumbnail"
        "|/frames/[0-9,]+(/rendered|/thumbnail)?|/bulk/[0-9A-Fa-f/]+)?",
        Rule.SCOPED,
    ),
    # One resource by its Orthanc id. The patient level is not here: it mixes several МО.
    _resource("studies", "|/series", _PLAIN),
    _resource("studies", "/archive", frozenset()),
    _resource("series", "|/instances", _PLAIN),
    _resource("series", "/archive", frozenset()),
    _resource("instances", "", _PLAIN),
    _resource("instances", "/tags|/header", _PLAIN | {"simplify"}),
    _resource("instances", "/metadata", _PLAIN),
    _resource("instances", "/file|/pdf|/frames", frozenset({"_"})),
    _resource("instances", "/preview|/frames/[0-9]+/preview", _IMAGE),
)


def match(method: str, path: str, query: Mapping[str, str]) -> Match:
    """Return the rule for a request; `path` has no trailing slash."""
    if FORBIDDEN_ARGUMENTS.intersection(query):
        return Match(Rule.NOBODY)
    for route in ROUTES:
        found = route.pattern.fullmatch(path)
        if found is None:
            continue
        if route.rule is Rule.NOBODY or method not in route.methods:
            return Match(Rule.NOBODY)
        if route.arguments is not None and not route.arguments.issuperset(query):
            return Match(Rule.ADMIN_READ if method == "GET" else Rule.NOBODY)
        return Match(route.rule, route.level, found.group(1) if route.level else "")
    return Match(Rule.ADMIN_READ if method == "GET" else Rule.NOBODY)
