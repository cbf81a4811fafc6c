"""The JSON face of routing at a proxy, ``/cami/api/routing`` (docs/architecture.md §4)."""

from collections.abc import Callable, Mapping
from typing import Any

from cami.access import Action, Authenticator, Identity, allowed
from cami.errors import Conflict, Invalid, NotFound
from cami.routing.dry_run import MOST_STUDIES
from cami.routing.reading import InvalidRules
from cami.routing.service import RoutingService
from cami.routing.views import overview_json, problems_json, run_json, version_json
from cami.web import Endpoint, Request, Response, answer_json, answer_text

ROOT = "/cami/api/routing"
_DESTINATION = "/destinations/([a-z0-9][a-z0-9-]{0,31})"

_Answer = Callable[[Identity, Request], Response]


def routing_endpoints(mo: str, authenticator: Authenticator, service: RoutingService) -> list[Endpoint]:
    """Return the endpoints of a proxy; `mo` is its МО."""
    answers = _Answers(service)
    door = _Door(mo, authenticator)
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


class _Door:
    """Lets in who may: readers to GET, who may change the rules to POST."""

    def __init__(self, mo: str, authenticator: Authenticator) -> None:
        self._mo = mo
        self._authenticator = authenticator

    def endpoint(self, path: str, *, get: _Answer | None = None, post: _Answer | None = None) -> Endpoint:
        """Return an endpoint under `ROOT`."""
        methods = {"GET": (Action.ROUTING_READ, get), "POST": (Action.ROUTING_CHANGE, post)}

        def handle(request: Request) -> Response:
            identity = self._authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            action, answer = methods.get(request.method, (Action.ROUTING_READ, None))
            if identity.mo != self._mo or not allowed(identity.role, action, "proxy"):
                return answer_text(403, "not for this role")
            if answer is None:
                wanted = " and ".join(method for method, (_, known) in methods.items() if known)
                return answer_text(405, f"this address answers {wanted} only")
            return _answered(answer, identity, request)

        known = tuple(method for method, (_, answer) in methods.items() if answer)
        return Endpoint(ROOT + path, handle, known, "Rules of routing, their versions and destinations")


class _Answers:
    """What the endpoints answer to those who were let in."""

    def __init__(self, service: RoutingService) -> None:
        self._service = service

    def overview(self, _identity: Identity, _request: Request) -> Response:
        return answer_json(overview_json(self._service.overview()))

    def apply(self, identity: Identity, request: Request) -> Response:
        body = _body(request)
        content, why, base = _text(body, "content"), _text(body, "why"), _number(body, "base")
        return answer_json({"version": self._service.apply(content, base=base, why=why, who=identity.login)})

    def history(self, _identity: Identity, _request: Request) -> Response:
        return answer_json({"versions": [version_json(version) for version in self._service.history()]})

    def version(self, _identity: Identity, request: Request) -> Response:
        found, changes = self._service.version(int(request.groups[0]))
        return answer_json({**version_json(found), "content": found.content, "changes": changes})

    def restore(self, identity: Identity, request: Request) -> Response:
        body, number = _body(request), int(request.groups[0])
        why, base = _text(body, "why"), _number(body, "base")
        return answer_json({"version": self._service.restore(number, base=base, why=why, who=identity.login)})

    def dry_run(self, _identity: Identity, request: Request) -> Response:
        body = _body(request)
        content = _text(body, "content") if "content" in body else None
        studies = _number(body, "studies") if "studies" in body else 100
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


def _answered(answer: _Answer, identity: Identity, request: Request) -> Response:
    try:
        return answer(identity, request)
    except InvalidRules as error:
        return answer_json(problems_json(error), 400)
    except (Invalid, Conflict) as error:
        return answer_text(400, str(error))
    except NotFound as error:
        return answer_text(404, str(error))


def _body(request: Request) -> Mapping[str, Any]:
    try:
        document = request.json() if request.body else {}
    except ValueError as error:
        raise Invalid("the body must be JSON") from error
    if not isinstance(document, dict):
        raise Invalid("the body must be a JSON object")
    return document


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise Invalid(f'"{name}" must be a text')
    return value


def _number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(f'"{name}" must be a whole number')
    return value
