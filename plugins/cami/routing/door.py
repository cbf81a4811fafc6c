"""Who comes in to the JSON faces of routing, and how mistakes are told there."""

from collections.abc import Callable, Mapping
from typing import Any

from cami.access import Action, Authenticator, Identity, allowed
from cami.errors import Conflict, Invalid, NotFound
from cami.routing.reading import InvalidRules
from cami.routing.views import problems_json
from cami.settings import Role as ServerRole
from cami.web import Endpoint, Request, Response, answer_json, answer_text

ROOT = "/cami/api/routing"

Answer = Callable[[Identity, Request], Response]


class Door:
    """Lets in who may: readers to GET, who may change the rules to POST."""

    def __init__(self, server: ServerRole, authenticator: Authenticator, mo: str, summary: str) -> None:
        """Make the door of a server; at a proxy only people of its МО `mo` come in."""
        self._server = server
        self._mo = mo
        self._authenticator = authenticator
        self._summary = summary

    def endpoint(self, path: str, *, get: Answer | None = None, post: Answer | None = None) -> Endpoint:
        """Return an endpoint under `ROOT`."""
        methods = {"GET": (Action.ROUTING_READ, get), "POST": (Action.ROUTING_CHANGE, post)}

        def handle(request: Request) -> Response:
            identity = self._authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            action, answer = methods.get(request.method, (Action.ROUTING_READ, None))
            if (self._mo and identity.mo != self._mo) or not allowed(identity.role, action, self._server):
                return answer_text(403, "not for this role")
            if answer is None:
                wanted = " and ".join(method for method, (_, known) in methods.items() if known)
                return answer_text(405, f"this address answers {wanted} only")
            return _answered(answer, identity, request)

        known = tuple(method for method, (_, answer) in methods.items() if answer)
        return Endpoint(ROOT + path, handle, known, self._summary)


def _answered(answer: Answer, identity: Identity, request: Request) -> Response:
    try:
        return answer(identity, request)
    except InvalidRules as error:
        return answer_json(problems_json(error), 400)
    except (Invalid, Conflict) as error:
        return answer_text(400, str(error))
    except NotFound as error:
        return answer_text(404, str(error))


def body_of(request: Request) -> Mapping[str, Any]:
    """Return the JSON object that a request brings; raises `cami.errors.Invalid`."""
    try:
        document = request.json() if request.body else {}
    except ValueError as error:
        raise Invalid("the body must be JSON") from error
    if not isinstance(document, dict):
        raise Invalid("the body must be a JSON object")
    return document


def text_in(body: Mapping[str, Any], name: str) -> str:
    """Return a text of it; raises `cami.errors.Invalid`."""
    value = body.get(name)
    if not isinstance(value, str):
        raise Invalid(f'"{name}" must be a text')
    return value


def number_in(body: Mapping[str, Any], name: str) -> int:
    """Return a whole number of it; raises `cami.errors.Invalid`."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(f'"{name}" must be a whole number')
    return value
