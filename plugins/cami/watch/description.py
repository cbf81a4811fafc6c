"""``/cami/api/openapi.json``: what our interfaces are, made from the endpoints that this server has (OpenAPI 3.1)."""

import re
from collections.abc import Iterable
from typing import Any

from cami import __version__
from cami.access import Authenticator
from cami.settings import Role as ServerRole
from cami.web import Endpoint, Request, Response, answer_json, answer_text

ROOT = "/cami/api/"
ADDRESS = ROOT + "openapi.json"
#: What an endpoint answers that does not say.
_UNSAID = ("GET", "POST")
_ANSWERS = {
    "200": "the answer",
    "400": "the request is not understood",
    "401": "sign in first",
    "403": "not for this role",
    "404": "no such thing, or none that the caller may know of",
    "405": "not with this method",
    "503": "try again later",
}


def description(endpoints: Iterable[Endpoint], authenticator: Authenticator, server: ServerRole) -> Endpoint:
    """Return the endpoint that describes `endpoints` to whoever has signed in."""
    document = described(endpoints, server)

    def show(request: Request) -> Response:
        if authenticator.identify(request.headers) is None:
            return answer_text(401, "sign in first")
        if request.method != "GET":
            return answer_text(405, "this address answers GET only")
        return answer_json(document)

    return Endpoint(re.escape(ADDRESS), show, ("GET",), "This description")


def described(endpoints: Iterable[Endpoint], server: ServerRole) -> dict[str, Any]:
    """Return the description of those of `endpoints` that are interfaces for programs."""
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        if not endpoint.pattern.startswith(ROOT):
            continue
        path, parameters = _template(endpoint.pattern)
        operations = paths.setdefault(path, {"parameters": parameters} if parameters else {})
        for method in endpoint.methods or _UNSAID:
            operations[method.lower()] = _operation(endpoint, method)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"ЦАМИ, {server}", "version": __version__},
        "paths": dict(sorted(paths.items())),
        "security": [{"basic": []}, {"session": []}],
        "components": {
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "session": {"type": "apiKey", "in": "cookie", "name": "cami_session"},
            }
        },
    }


def _operation(endpoint: Endpoint, method: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary or endpoint.pattern,
        "responses": {status: {"description": told} for status, told in _ANSWERS.items()},
    }
    said = endpoint.spoken().get(method) if endpoint.spoken else None
    if method in ("POST", "PUT"):
        kind = said.bytes_of if said and said.bytes_of else "application/json"
        schema = {"type": "string", "format": "binary"} if said and said.bytes_of else {"type": "object"}
        operation["requestBody"] = {"content": {kind: {"schema": (said.takes if said else None) or schema}}}
    if said is not None and said.gives is not None:
        operation["responses"]["200"]["content"] = {"application/json": {"schema": said.gives}}
    if said is not None and said.query:
        operation["parameters"] = [{"name": name, "in": "query", "schema": one} for name, one in said.query.items()]
    return operation


#: A group (of one depth inside), or a class with its repetition: what a path of ours leaves open.
_OPEN = re.compile(r"\((?:\?:)?(?:[^()]|\([^()]*\))*\)|\[[^]]*\](?:\{[0-9,]+\}|[*+?])?")


def _template(pattern: str) -> tuple[str, list[dict[str, Any]]]:
    """Return a pattern as OpenAPI writes paths, and the parameters that its open parts are."""
    parameters: list[dict[str, Any]] = []

    def place(found: re.Match[str]) -> str:
        name = f"part{len(parameters) + 1}"
        schema = {"type": "string", "pattern": f"^{found.group()}$"}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
        return f"{{{name}}}"

    return _OPEN.sub(place, pattern).replace("\\", ""), parameters
