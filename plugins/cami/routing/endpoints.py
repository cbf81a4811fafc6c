"""The JSON face of routing at a proxy, ``/cami/api/routing`` (docs/architecture.md §4)."""

from cami.access import Authenticator, Identity
from cami.errors import Invalid
from cami.routing.door import Door, body_of, number_in, text_in
from cami.routing.dry_run import MOST_STUDIES
from cami.routing.service import RoutingService
from cami.routing.views import overview_json, run_json, version_json
from cami.web import Endpoint, Request, Response, answer_json

_DESTINATION = "/destinations/([a-z0-9][a-z0-9-]{0,31})"


def routing_endpoints(mo: str, authenticator: Authenticator, service: RoutingService) -> list[Endpoint]:
    """Return the endpoints of a proxy; `mo` is its МО."""
    answers = _Answers(service)
    door = Door("proxy", authenticator, mo, "Rules of routing, their versions and destinations")
    return [
        door.endpoint("", get=answers.overview, post=answers.apply),
        door.endpoint("/versions", get=answers.history),
        door.endpoint("/versions/([1-9][0-9]{0,8})", get=answers.version),
        door.endpoint("/versions/([1-9][0-9]{0,8})/restore", post=answers.restore),
        door.endpoint("/dry-run", post=answers.dry_run),
        door.endpoint(_DESTINATION + "/resend", post=answers.resend),
        door.endpoint(_DESTINATION + "/cancel", post=answers.cancel),
        door.endpoint(_DESTINATION + "/echo", post=answers.echo),
    ]


class _Answers:
    """What the endpoints answer to those who were let in."""

    def __init__(self, service: RoutingService) -> None:
        self._service = service

    def overview(self, _identity: Identity, _request: Request) -> Response:
        return answer_json(overview_json(self._service.overview()))

    def apply(self, identity: Identity, request: Request) -> Response:
        body = body_of(request)
        content, why, base = text_in(body, "content"), text_in(body, "why"), number_in(body, "base")
        return answer_json({"version": self._service.apply(content, base=base, why=why, who=identity.login)})

    def history(self, _identity: Identity, _request: Request) -> Response:
        return answer_json({"versions": [version_json(version) for version in self._service.history()]})

    def version(self, _identity: Identity, request: Request) -> Response:
        found, changes = self._service.version(int(request.groups[0]))
        return answer_json({**version_json(found), "content": found.content, "changes": changes})

    def restore(self, identity: Identity, request: Request) -> Response:
        body, number = body_of(request), int(request.groups[0])
        why, base = text_in(body, "why"), number_in(body, "base")
        return answer_json({"version": self._service.restore(number, base=base, why=why, who=identity.login)})

    def dry_run(self, _identity: Identity, request: Request) -> Response:
        body = body_of(request)
        content = text_in(body, "content") if "content" in body else None
        studies = number_in(body, "studies") if "studies" in body else 100
        if not 1 <= studies <= MOST_STUDIES:
            raise Invalid(f"studies must be 1 to {MOST_STUDIES}")
        return answer_json(run_json(self._service.try_out(content, studies)))

    def resend(self, identity: Identity, request: Request) -> Response:
        return answer_json({"resent": self._service.resend(request.groups[0], identity.login)})

    def cancel(self, identity: Identity, request: Request) -> Response:
        return answer_json({"cancelled": self._service.cancel(request.groups[0], identity.login)})

    def echo(self, _identity: Identity, request: Request) -> Response:
        greeting = self._service.greet(request.groups[0])
        return answer_json({"answers": greeting.answers, "reason": greeting.code, "detail": greeting.detail})
