"""``/cami/api/removals``: the interface of removals, at the centre."""

from collections.abc import Callable, Mapping
from typing import Any

from cami.access import Authenticator, Identity
from cami.errors import Conflict, Denied, Invalid, NotFound
from cami.removal.removals import Removals
from cami.web import Endpoint, Handler, Request, Response, answer_json, answer_text

ROOT = "/cami/api/removals"
_Answer = Callable[[Identity, Request], Response]


def removal_endpoints(authenticator: Authenticator, removals: Removals) -> list[Endpoint]:
    """Return the endpoints."""

    def listing(identity: Identity, _request: Request) -> Response:
        return answer_json({"removals": [each.to_json() for each in removals.listing(identity)]})

    def mark(identity: Identity, request: Request) -> Response:
        body = _body(request)
        return answer_json({"number": removals.mark(identity, _text(body, "study_id"), _text(body, "reason"))})

    def confirm(identity: Identity, request: Request) -> Response:
        return answer_json({"state": removals.confirm(identity, int(request.groups[0]))})

    def withdraw(identity: Identity, request: Request) -> Response:
        removals.withdraw(identity, int(request.groups[0]))
        return answer_json({"state": "withdrawn"})

    def by_method(**answers: _Answer) -> Handler:
        def handle(request: Request) -> Response:
            identity = authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            answer = answers.get(request.method.lower())
            if answer is None:
                return answer_text(405, f"this address answers {' and '.join(map(str.upper, answers))} only")
            return _answered(answer, identity, request)

        return handle

    number = f"{ROOT}/([0-9]{{1,9}})"
    return [
        Endpoint(
            ROOT, by_method(get=listing, post=mark), ("GET", "POST"), "Studies that are to be deleted; mark one (F-56)"
        ),
        Endpoint(f"{number}/confirm", by_method(post=confirm), ("POST",), "Confirm that a study is deleted"),
        Endpoint(f"{number}/withdraw", by_method(post=withdraw), ("POST",), "Take a removal back"),
    ]


def _answered(answer: _Answer, identity: Identity, request: Request) -> Response:
    try:
        return answer(identity, request)
    except Denied as error:
        return answer_text(403, str(error))
    except NotFound as error:
        return answer_text(404, str(error))
    except (Invalid, Conflict) as error:
        return answer_text(400, str(error))


def _body(request: Request) -> Mapping[str, Any]:
    try:
        document = request.json()
    except ValueError:
        raise Invalid('expected JSON {"study_id": id, "reason": text}') from None
    if not isinstance(document, Mapping):
        raise Invalid('expected JSON {"study_id": id, "reason": text}')
    return document


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise Invalid(f'"{name}" must be a text')
    return value
