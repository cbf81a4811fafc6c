"""Archives that are made in the background: starting one, one's own jobs, and how they stand.

Orthanc itself hands out a finished archive (``/jobs/…/archive``) and cancels a job, once the gate has seen whose it is.
It is started by an address of ours, since a handler of ``/studies/…/archive`` would have to answer GET too, which
Orthanc streams and we would hold in memory.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from cami.access.jobs import OwnJobs
from cami.access.owners import Reach
from cami.access.visibility import Visibility
from cami.archive import Archive, Level
from cami.errors import Invalid, NotFound
from cami.people.identity import Identity
from cami.web import Endpoint, Handler, Request, Response, answer_json, answer_text

ARCHIVES = "/cami/api/archives"
_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{8}){4}")
_JOB = "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_NAMED: Mapping[str, Level] = {"study_id": "studies", "series_id": "series"}
_EXPECTED = 'expected JSON {"study_id" or "series_id": id, "kind": "archive" or "media"}'

Guard = Callable[[str, Callable[[Request, Identity], Response]], Handler]


def job_overrides(guarded: Guard, jobs: OwnJobs, visibility: Visibility, archive: Archive) -> list[Endpoint]:
    """Return the endpoints; `guarded` lets only who has signed in through, and only with a method."""

    def start(request: Request, identity: Identity) -> Response:
        level, resource, kind = _wanted(request)
        if not visibility.sees(identity, level, resource):
            raise NotFound
        return answer_json(jobs.start(identity, level, resource, kind))

    def listing(request: Request, identity: Identity) -> Response:
        reach = visibility.reach(identity)
        if reach is Reach.NOTHING:
            return answer_text(403, "")
        if reach is Reach.TECHNICAL:
            return answer_json(archive.get("/jobs?expand" if "expand" in request.query else "/jobs"))
        mine = jobs.listing(identity)
        return answer_json(_described(jobs, mine) if "expand" in request.query else mine)

    def describe(request: Request, identity: Identity) -> Response:
        job = request.groups[0]
        if visibility.reach(identity) is Reach.TECHNICAL:
            return answer_json(archive.get(f"/jobs/{job}"))
        if not jobs.mine(identity, job):
            raise NotFound
        return answer_json(jobs.describe(job))

    return [
        Endpoint(ARCHIVES, guarded("POST", start), ("POST",), "Start an archive of a study or series as a job"),
        Endpoint("/jobs", guarded("GET", listing)),
        Endpoint(f"/jobs/{_JOB}", guarded("GET", describe)),
    ]


def _wanted(request: Request) -> tuple[Level, str, str]:
    try:
        document = request.json()
        (name,) = _NAMED.keys() & document.keys()
        resource, kind = str(document[name]), document.get("kind", "archive")
    except (ValueError, AttributeError, TypeError):
        raise Invalid(_EXPECTED) from None
    if kind not in ("archive", "media") or not _ID.fullmatch(resource):
        raise Invalid(_EXPECTED)
    return _NAMED[name], resource, kind


def _described(jobs: OwnJobs, mine: list[str]) -> list[dict[str, Any]]:
    found = []
    for job in mine:
        try:
            found.append(jobs.describe(job))
        except NotFound:
            continue
    return found
