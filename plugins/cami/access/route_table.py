"""The rows of the route table: Orthanc's core 1.12.7 and 1.13.0, DICOMweb 1.20 and 1.24, and ours.

The tenants' part is what stock Orthanc Explorer (``/app/explorer.html``), OHIF and a DICOMweb client need, see
`reference/orthanc.md` §2.4. `cami.access.route_page` writes it down as ``docs/routes.md``.
"""

from dataclasses import dataclass
from enum import Enum, auto

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30


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
    STORE = auto()
    """Who may store objects; whose they are is decided before anything is stored (`cami.delivery.intake`)."""
    OWN_JOB = auto()
    """Who has started the job, and still sees its study."""
    FIGURES = auto()
    """Who may read the figures of the running: Orthanc's metrics, counts and times without any patient."""
    ADMIN_READ = auto()
    """The region administrator."""
    NOBODY = auto()
    """No one, whatever the method."""


class Done(Enum):
    """What becomes of a request that is let through."""

    PASSED = "passed on"
    """Orthanc answers; nothing of a patient, or the resource was checked."""
    ANSWERED = "answered by us"
    """We answer instead of Orthanc (`cami.access.overrides` and others)."""
    FILTERED = "filtered below"
    """The DICOMweb plugin answers, and asks us for everything that it reads or stores."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    methods: tuple[str, ...]
    paths: tuple[str, ...]
    rule: Rule
    done: Done
    why: str = ""
    """For people who ask why this is so."""
    arguments: frozenset[str] | None = None
    """Of the query string, all that people may give; None: any but the forbidden ones."""
    body: int = 0
    """The largest body that may come with it, in bytes."""
    exports: bool = False
    """Whether whole objects leave by it, which the journal tells apart from looking."""


#: ``_`` is jQuery's way around caches.
_PLAIN = frozenset({"_", "expand", "full", "short"})
_CACHE = frozenset({"_"})
_IMAGE = frozenset({"_", "returnUnsupportedImage"})
_PAGED = _PLAIN | {"since", "limit"}
_NONE: frozenset[str] = frozenset()

_LEVEL = "/studies|series|instances"
_ANY_LEVEL = "/patients|studies|series|instances"
_WEB = "/dicom-web"
_STUDY = f"{_WEB}/studies/{{uid}}"
_SERIES = f"{_STUDY}/series/{{uid}}"
_INSTANCE = f"{_SERIES}/instances/{{uid}}"


def _row(
    methods: str,
    *paths: str,
    rule: Rule,
    done: Done = Done.PASSED,
    why: str = "",
    arguments: frozenset[str] | None = None,
    body: int = 0,
    exports: bool = False,
) -> Row:
    return Row(tuple(methods.split()), paths, rule, done, why, arguments, body, exports)


def _refused(methods: str, *paths: str, why: str) -> Row:
    return _row(methods, *paths, rule=Rule.NOBODY, done=Done.REFUSED, why=why)


def _admin(*paths: str, why: str, done: Done = Done.PASSED) -> Row:
    return _row("GET", *paths, rule=Rule.ADMIN_READ, done=done, why=why)


def _resource(*paths: str, arguments: frozenset[str], done: Done = Done.PASSED, exports: bool = False) -> Row:
    return _row("GET", *paths, rule=Rule.RESOURCE, done=done, arguments=arguments, exports=exports)


_OURS = (
    _row("GET", "/cami/health", rule=Rule.PUBLIC, done=Done.ANSWERED),
    # Pieces of uploads by proxies; what a proxy may send at once, `MaximumRequestBodySizeMB` says.
    _row("GET POST PUT DELETE", "/cami/wire/{rest}", rule=Rule.SELF, done=Done.ANSWERED, body=4 * GB,
         why="signed by the key of a proxy"),
    _row("GET POST PUT DELETE", "/cami", "/cami/{rest}", rule=Rule.SELF, done=Done.ANSWERED, body=32 * MB,
         why="pages and interfaces of ours: each asks for its own action (`/cami/api/openapi.json`)"),
    _row("GET", "/ohif", "/ohif/{rest}", rule=Rule.SELF, done=Done.ANSWERED, why="static files; the page asks who"),
    _row("GET", "/", "/favicon.ico", rule=Rule.SELF, done=Done.ANSWERED),
    _row("GET", "/IHEInvokeImageDisplay", rule=Rule.SELF, done=Done.ANSWERED,
         why="leads to the page of a study, which asks who (IHE IID)"),
)  # fmt: skip

_SERVER = (
    _refused("GET POST PUT DELETE", "/tools/execute-script|reset|shutdown",
             why="runs code, or ends the server"),
    _refused("GET POST PUT DELETE", "/webdav", "/webdav/{rest}",
             why="lists and takes in everything, by verbs that Orthanc passes on as GET and PUT"),
    _row("GET", "/system", rule=Rule.SIGNED_IN, done=Done.ANSWERED, why="people get what viewers look at"),
    _row("GET", "/tools/now|now-local|generate-uid|dicom-conformance", rule=Rule.SIGNED_IN),
    _row("GET", "/app", "/app/{file}", "/plugins/explorer.js", rule=Rule.SIGNED_IN, why="files of Orthanc Explorer"),
    _row("GET", "/tools/metrics-prometheus", rule=Rule.FIGURES, arguments=_NONE),
    _row("GET", "/statistics", rule=Rule.SCOPED, done=Done.ANSWERED, arguments=_CACHE,
         why="people get the counts of what they see, from the study index"),
    _admin("/changes", "/exports",
           why="a log of all МО together; a tenant's client asks what is new by a search"),
    _refused("DELETE", "/changes", "/exports", why="the study index and the proxies' queues are read from the log"),
    _admin("/tools", "/tools/labels", "/tools/metrics",
           "/tools/accepted-sop-classes|accepted-transfer-syntaxes|unknown-sop-class-accepted|default-encoding",
           "/tools/log-level|log-level-dicom|log-level-generic|log-level-http|log-level-jobs|log-level-lua",
           "/tools/log-level-plugins|log-level-sqlite",
           "/plugins", "/plugins/{any}", "/storage", why="how the server is set up"),
    _refused("PUT", "/tools/metrics",
             "/tools/accepted-sop-classes|accepted-transfer-syntaxes|unknown-sop-class-accepted|default-encoding",
             "/tools/log-level|log-level-dicom|log-level-generic|log-level-http|log-level-jobs|log-level-lua",
             "/tools/log-level-plugins|log-level-sqlite",
             why="settings come from the configuration; the encoding would change Orthanc's identifiers"),
)  # fmt: skip

_SEARCHES = (
    _row("POST", "/tools/find|count-resources|lookup", rule=Rule.SCOPED, done=Done.ANSWERED, body=256 * KB),
    _row("GET", _ANY_LEVEL, rule=Rule.SCOPED, done=Done.ANSWERED, arguments=_PAGED),
    _row("GET", "/patients/{id}", "/patients/{id}/studies", rule=Rule.SCOPED, done=Done.ANSWERED, arguments=_PLAIN,
         why="put together from visible studies: Orthanc's patient mixes several МО"),
    _row("GET", f"{_WEB}/studies|series|instances", f"{_STUDY}/series|instances", f"{_SERIES}/instances",
         rule=Rule.SCOPED, done=Done.FILTERED, why="QIDO-RS, PS3.18 §10.6"),
    _row("GET", _STUDY, f"{_STUDY}/metadata|rendered|thumbnail",
         _SERIES, f"{_SERIES}/metadata|rendered|thumbnail",
         _INSTANCE, f"{_INSTANCE}/metadata|rendered|thumbnail", f"{_INSTANCE}/frames",
         f"{_INSTANCE}/frames/{{frames}}", f"{_INSTANCE}/frames/{{frames}}/rendered|thumbnail",
         f"{_INSTANCE}/bulk/{{tags}}", rule=Rule.SCOPED, done=Done.FILTERED, why="WADO-RS, PS3.18 §10.4"),
)  # fmt: skip

_READS = (
    _resource("/studies|series|instances/{id}", "/studies/{id}/series", "/series/{id}/instances",
              arguments=_PLAIN, done=Done.ANSWERED),
    _resource("/instances/{id}/metadata", arguments=_PLAIN, done=Done.ANSWERED),
    _resource("/instances/{id}/tags|header", arguments=_PLAIN | {"simplify"}),
    _resource("/instances/{id}/simplified-tags", arguments=_CACHE),
    _resource("/instances/{id}/frames", arguments=_CACHE),
    _resource("/instances/{id}/preview", "/instances/{id}/frames/{frame}/preview", arguments=_IMAGE),
    _resource("/instances/{id}/file|pdf", arguments=_CACHE, exports=True),
    _resource("/instances/{id}/attachments", arguments=_CACHE, done=Done.ANSWERED),
    _resource("/instances/{id}/attachments/dicom/data", arguments=_NONE, exports=True),
    _resource("/instances/{id}/attachments/dicom/size|md5", arguments=_NONE),
    _resource("/studies|series/{id}/archive|media", arguments=_NONE, exports=True),
    _admin(f"{_LEVEL}/{{id}}/patient|module|module-patient|statistics|shared-tags|instances-tags|study|series|instances",
           f"{_LEVEL}/{{id}}/metadata|labels|attachments", f"{_LEVEL}/{{id}}/metadata|labels/{{any}}",
           f"{_LEVEL}/{{id}}/attachments/{{any}}", f"{_LEVEL}/{{id}}/attachments/{{any}}/{{any}}",
           "/series/{id}/ordered-slices|numpy", "/instances/{id}/archive|media",
           why="no viewer needs them; they name other МО, other people or places on the disk"),
    _admin("/instances/{id}/content", "/instances/{id}/content/{rest}", "/instances/{id}/numpy|matlab|rendered",
           "/instances/{id}/image-int16|image-uint16|image-uint8", "/instances/{id}/frames/{frame}",
           "/instances/{id}/frames/{frame}/{any}",
           why="images again in other forms, decoded at the server's cost"),
    _admin("/patients/{id}/{any}", "/patients/{id}/{any}/{any}", "/patients/{id}/{any}/{any}/{any}",
           why="Orthanc's patient mixes several МО"),
)  # fmt: skip

_JOBS = (
    _row("GET", "/jobs", rule=Rule.SCOPED, done=Done.ANSWERED, arguments=_PLAIN, why="one's own"),
    _row("GET", "/jobs/{job}", rule=Rule.OWN_JOB, done=Done.ANSWERED, arguments=_CACHE),
    _row("GET", "/jobs/{job}/archive", rule=Rule.OWN_JOB, arguments=_NONE, exports=True),
    _row("POST", "/jobs/{job}/cancel", rule=Rule.OWN_JOB, body=4 * KB),
    _admin("/jobs/{any}", "/jobs/{any}/{any}", why="the output of somebody's job"),
    _refused("POST", "/jobs/{any}/cancel|pause|resubmit|resume", why="sends or stores again what somebody once might"),
    _refused("DELETE", "/jobs/{any}", "/jobs/{any}/{any}", why="others' work"),
)  # fmt: skip

_WRITES = (
    _row("POST", "/instances", rule=Rule.STORE, done=Done.ANSWERED, body=2 * GB, arguments=_NONE,
         why="owner and collisions are decided before Orthanc stores"),
    _row("POST", f"{_WEB}/studies", _STUDY, rule=Rule.STORE, done=Done.FILTERED, body=2 * GB,
         why="STOW-RS, PS3.18 §10.5: each part comes to `POST /instances` with the client's headers"),
    _refused("POST", f"{_ANY_LEVEL}/{{id}}/modify|anonymize|reconstruct|merge|split|export",
             why="an object never changes where it lies: a mistake is put right at its source"),
    _refused("POST", f"{_ANY_LEVEL}/{{id}}/archive|media",
             why="its job would have no owner: `POST /cami/api/archives` starts one that has"),
    _refused("POST", f"{_ANY_LEVEL}/{{id}}/attachments/{{any}}/compress|uncompress|verify-md5",
             why="the server's own work"),
    _refused("PUT DELETE", f"{_ANY_LEVEL}/{{id}}/attachments|metadata|labels/{{any}}",
             why="marks of ownership and our own are among them"),
    _refused("PUT", "/patients/{id}/protected", why="acts on other МО"),
    _refused("DELETE", f"{_ANY_LEVEL}/{{id}}",
             why="F-56: nobody deletes alone; `/cami/api/removals` is the way that two people go"),
    _refused("GET POST", "/tools/create-archive|create-media|create-media-extended",
             why="many resources at once, in folders that are named after a patient of several МО"),
    _refused("POST", "/tools/bulk-anonymize|bulk-content|bulk-delete|bulk-modify",
             "/tools/create-dicom|invalidate-tags|reconstruct",
             why="many resources in one body; writes into studies, or loads the server"),
)  # fmt: skip

_OTHERS = (
    _admin("/modalities", "/modalities/{any}", "/modalities/{any}/configuration",
           "/peers", "/peers/{any}", "/peers/{any}/configuration|system",
           "/queries", "/queries/{any}", "/queries/{any}/{any}", "/queries/{any}/answers/{any}",
           "/queries/{any}/answers/{any}/content", "/storage-commitment", "/storage-commitment/{any}",
           why="places to send to, and what they answered"),
    _refused("PUT DELETE", "/modalities|peers/{any}", why="destinations come from the registry"),
    _refused("POST", "/modalities/{any}/{any}", "/peers/{any}/store|store-straight", "/tools/dicom-echo",
             why="sends images, or calls machines, of somebody's choice; rules of routing are the way"),
    _refused("POST", "/queries/{any}/retrieve", "/queries/{any}/answers/{any}/{any}",
             "/storage-commitment/{any}/remove",
             why="fetches into the archive what belongs to nobody"),
    _refused("DELETE", "/queries/{any}", why="others' work"),
    _admin(_WEB, f"{_WEB}/info", f"{_WEB}/servers", f"{_WEB}/app/{{rest}}", "/wado",
           f"{_INSTANCE}/frames/{{frames}}/{{any}}",
           why="the DICOMweb plugin's own page; WADO-URI is switched off"),
    _admin(f"{_WEB}/servers/{{any}}", why="DICOMweb servers: none are configured"),
    _refused("GET POST PUT DELETE", f"{_WEB}/servers/{{any}}/{{any}}",
             why="calls, and sends to, servers of somebody's choice"),
    _refused("PUT DELETE", f"{_WEB}/servers/{{any}}", why="destinations come from the registry"),
    _refused("POST DELETE PUT", f"{_WEB}/studies/{{any}}/{{rest}}", "/wado", f"{_LEVEL}/{{id}}/update-dicomweb-cache",
             why="no such service, or the server's own work"),
)  # fmt: skip

#: Read from the top; the first row whose methods and path fit decides.
TABLE: tuple[Row, ...] = (*_OURS, *_SERVER, *_SEARCHES, *_READS, *_JOBS, *_WRITES, *_OTHERS)
