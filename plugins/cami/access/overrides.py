"""Our answers instead of Orthanc's, where Orthanc's would mix several МО or tell too much.

Each asks for itself who sends the request: the DICOMweb plugin forwards the client's headers into ``POST /tools/find``
without passing the HTTP filter, and a request without headers (Orthanc's own) is nobody's.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from cami.access.job_overrides import job_overrides
from cami.access.jobs import OwnJobs
from cami.access.listing import formats, paging
from cami.access.owners import Reach
from cami.access.patients import Patients
from cami.access.redaction import redact, redact_metadata
from cami.access.visibility import Visibility
from cami.archive import Archive, Level
from cami.errors import Invalid, NotFound, Transient
from cami.people.authenticator import Authenticator
from cami.people.identity import Identity
from cami.web import Endpoint, Handler, Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)

_ID = "([0-9a-f]{8}(?:-[0-9a-f]{8}){4})"
_LEVELS: Mapping[str, Level] = {"studies": "studies", "series": "series", "instances": "instances"}
_LOOKUPS: tuple[tuple[str, str, str], ...] = (
    ("Study", "StudyInstanceUID", "studies"),
    ("Series", "SeriesInstanceUID", "series"),
    ("Instance", "SOPInstanceUID", "instances"),
)
#: Of ``/system``, what viewers look at. ``HasLabels`` false makes Orthanc Explorer hide what nobody may change.
_SYSTEM = ("ApiVersion", "IsHttpServerSecure", "Name", "Version")

_Answerer = Callable[[Request, Identity], Response]


def overrides(
    authenticator: Authenticator,
    visibility: Visibility,
    archive: Archive,
    *,
    jobs: OwnJobs | None = None,
    store: Handler | None = None,
) -> list[Endpoint]:
    """Return the endpoints that are to be registered over Orthanc's own.

    Parameters
    ----------
    jobs
        Background archives of people; without them there are none.
    store
        Answers ``POST /instances``; without it nobody stores by HTTP.
    """
    routes = _Overrides(authenticator, visibility, archive, store)
    working = [] if jobs is None else job_overrides(routes.guarded, jobs, visibility, archive)
    return [
        *working,
        Endpoint("/statistics", routes.guarded("GET", routes.statistics)),
        Endpoint("/instances", routes.instances),
        Endpoint(f"/(instances)/{_ID}/attachments", routes.guarded("GET", routes.attachments)),
        Endpoint("/tools/find", routes.find),
        Endpoint("/tools/count-resources", routes.guarded("POST", routes.count)),
        Endpoint("/tools/lookup", routes.guarded("POST", routes.lookup)),
        Endpoint("/system", routes.guarded("GET", routes.system)),
        Endpoint("/patients", routes.guarded("GET", routes.patients)),
        Endpoint(f"/patients/{_ID}", routes.guarded("GET", routes.patient)),
        Endpoint(f"/patients/{_ID}/studies", routes.guarded("GET", routes.studies_of_patient)),
        Endpoint("/(studies|series)", routes.guarded("GET", routes.listing)),
        Endpoint(f"/(studies|series|instances)/{_ID}", routes.guarded("GET", routes.resource)),
        Endpoint(f"/(studies)/{_ID}/series", routes.guarded("GET", routes.resource)),
        Endpoint(f"/(series)/{_ID}/instances", routes.guarded("GET", routes.resource)),
        Endpoint(f"/(instances)/{_ID}/metadata", routes.guarded("GET", routes.metadata)),
    ]


class _Overrides:
    def __init__(
        self, authenticator: Authenticator, visibility: Visibility, archive: Archive, store: Handler | None
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._visibility = visibility
        self._archive = archive
        self._patients = Patients(visibility)

    def guarded(self, method: str, answerer: _Answerer) -> Handler:
        """Let only people who see anything at all through to `answerer`, and only with `method`."""

        def handler(request: Request) -> Response:
            identity = self._authenticator.identify(request.headers)
            if identity is None or request.method != method:
                return answer_text(401 if identity is None and request.path.startswith("/cami/") else 403, "")
            try:
                return answerer(request, identity)
            except NotFound:
                return answer_text(404, "")
            except Invalid as error:
                return answer_text(400, str(error))
            except Transient:
                return answer_text(503, "try again later")

        return handler

    def instances(self, request: Request) -> Response:
        """Answer ``/instances``: the list, or an object that is sent."""
        if request.method == "POST" and self._store is not None:
            return self._store(request)
        return self.guarded("GET", self.listing)(replace(request, groups=("instances",)))

    def statistics(self, _request: Request, identity: Identity) -> Response:
        """Answer how much there is, of what somebody sees; sizes on the disk are not for people."""
        totals = self._visibility.totals(identity)
        if totals is not None:
            counts = (totals.patients, totals.studies, totals.series, totals.instances)
            names = ("CountPatients", "CountStudies", "CountSeries", "CountInstances")
            return answer_json(dict(zip(names, counts, strict=True)))
        blind = self._blind(identity)
        if blind is not None:
            return blind
        told = self._archive.get("/statistics")
        if self._visibility.reach(identity) is not Reach.TECHNICAL:
            told = {name: value for name, value in told.items() if name.startswith("Count")}
        return answer_json(told)

    def attachments(self, request: Request, identity: Identity) -> Response:
        """Answer which attachments of an instance people may have: the file itself."""
        self._check(request, identity)
        return self._technical(request, identity) or answer_json(["dicom"])

    def find(self, request: Request) -> Response:
        """Answer ``/tools/find``; DICOMweb makes a 500 of any other status, so a stranger gets an empty list."""
        identity = self._authenticator.identify(request.headers)
        if request.method != "POST":
            return answer_text(403, "")
        if identity is None:
            return answer_json([])
        try:
            return answer_json(self._visibility.find(identity, _body(request)))
        except Invalid as error:
            return answer_text(400, str(error))

    def count(self, request: Request, identity: Identity) -> Response:
        return answer_json({"Count": self._visibility.count(identity, _body(request))})

    def lookup(self, request: Request, identity: Identity) -> Response:
        """Answer which visible resources have a DICOM identifier; patients are left out."""
        uid = request.body.decode("utf-8", "replace").strip()
        found: list[dict[str, str]] = []
        if uid.replace(".", "").isdigit():  # no wildcard, no list
            for kind, keyword, level in _LOOKUPS:
                query = {"Level": kind, "Query": {keyword: uid}, "Expand": False}
                found.extend(
                    {"ID": resource, "Path": f"/{level}/{resource}", "Type": kind}
                    for resource in self._visibility.find(identity, query)
                )
        return answer_json(found)

    def system(self, _request: Request, identity: Identity) -> Response:
        system = self._archive.get("/system")
        if self._visibility.reach(identity) is not Reach.TECHNICAL:
            system = {name: system[name] for name in _SYSTEM if name in system} | {"HasLabels": False}
        return answer_json(system)

    # Patients are put together from studies for the region administrator too: the core's own are switched off
    # ("PatientLevelEnabled"), and Orthanc Explorer cannot show a study without its patient.

    def patients(self, request: Request, identity: Identity) -> Response:
        return self._blind(identity) or answer_json(self._patients.listing(identity, request.query))

    def patient(self, request: Request, identity: Identity) -> Response:
        blind = self._blind(identity)
        return blind or answer_json(self._patients.patient(identity, request.groups[0], request.query))

    def studies_of_patient(self, request: Request, identity: Identity) -> Response:
        blind = self._blind(identity)
        return blind or answer_json(self._patients.studies(identity, request.groups[0], request.query))

    def listing(self, request: Request, identity: Identity) -> Response:
        """Answer ``GET /studies`` and its like from a search."""
        found = self._technical(request, identity)
        if found is not None:
            return found
        kind = {"studies": "Study", "series": "Series", "instances": "Instance"}[request.groups[0]]
        query = {"Level": kind, "Query": {}, **paging(request.query), **formats(request.query)}
        return answer_json(self._visibility.find(identity, query))

    def resource(self, request: Request, identity: Identity) -> Response:
        """Answer one resource, or the list of its children, without labels."""
        self._check(request, identity)
        found = self._technical(request, identity)
        if found is not None:
            return found
        answer = self._archive.get(_uri(request, ("expand", "full", "short")))
        return answer_json([redact(child) for child in answer] if isinstance(answer, list) else redact(answer))

    def metadata(self, request: Request, identity: Identity) -> Response:
        """Answer the metadata that describe an instance; without ``?expand`` their names."""
        self._check(request, identity)
        found = self._technical(request, identity)
        if found is not None:
            return found
        shown = redact_metadata(self._archive.get(f"{request.path}?expand"))
        return answer_json(shown if "expand" in request.query else sorted(shown))

    def _check(self, request: Request, identity: Identity) -> None:
        level, resource = request.groups[:2]
        if not self._visibility.sees(identity, _LEVELS[level], resource):
            raise NotFound

    def _technical(self, request: Request, identity: Identity) -> Response | None:
        """Refuse who sees nothing; answer what the core answers to the region administrator; None: somebody else."""
        if self._visibility.reach(identity) is not Reach.TECHNICAL:
            return self._blind(identity)
        return answer_json(self._archive.get(_uri(request, tuple(request.query))))

    def _blind(self, identity: Identity) -> Response | None:
        return answer_text(403, "") if self._visibility.reach(identity) is Reach.NOTHING else None


def _uri(request: Request, arguments: tuple[str, ...]) -> str:
    given = {name: request.query[name] for name in arguments if name in request.query}
    return request.path + ("?" + urlencode(given) if given else "")


def _body(request: Request) -> Mapping[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Invalid("the body is not JSON") from None
    if not isinstance(body, Mapping):
        raise Invalid("the body is not an object")
    return body
