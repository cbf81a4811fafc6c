"""``/cami/fhir/openapi.json``: the FHIR face as OpenAPI 3.1, made from what each type can (`docs/mis-openapi.json`)."""

from collections.abc import Mapping
from typing import Any

from cami.mis.capability import RESOURCES, VERSION
from cami.mis.fhir import Json

_MEDIA = "application/fhir+json"
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"}}
_KEY = {"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string", "maxLength": 64}}
_IF_MATCH = {"name": "If-Match", "in": "header", "schema": {"type": "string"}}
_PAGING = ("_count", "_sort", "_page")
#: Operations beside those of FHIR's REST: type, name, method, what they do.
_OPERATIONS = (
    ("Patient", "merge", "post", "Merge two cards of a patient", False),
    ("Patient", "unmerge", "post", "Undo a merging", False),
    ("ImagingStudy", "viewer-launch", "post", "One click to the images", False),
    ("Subscription", "events", "get", "Messages for one who asks by himself", True),
)
_ANSWERS = {
    "200": "the resource, or the Bundle",
    "201": "created",
    "204": "ended",
    "304": "not changed (If-None-Match)",
    "400": "not understood",
    "401": "no valid token",
    "404": "not found, or not for this client",
    "412": "changed since (If-Match), or several match",
    "413": "more than 20 MB",
    "415": "no JSON",
    "422": "refused; the OperationOutcome says why and where",
    "503": "busy, or too many requests: Retry-After",
}


def description(base: str) -> Json:
    """Return the document; `base` is the address of the centre."""
    paths: dict[str, Any] = {
        "/metadata": {"get": _operation("What this server can", open_=True)},
        "/openapi.json": {"get": _operation("This description", open_=True)},
        "/": {"post": _operation("A transaction Bundle: all of it or nothing", body=True, parameters=[_KEY])},
    }
    for type_, (interactions, searched, _) in RESOURCES.items():
        paths |= _paths(type_, interactions, searched)
    for type_, name, method, told, of_one in _OPERATIONS:
        address = f"/{type_}/{{id}}/${name}" if of_one else f"/{type_}/${name}"
        parameters = [_ID] if of_one else [_KEY]
        paths[address] = {method: _operation(told, body=method == "post", parameters=parameters)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "ЦАМИ–МИС, FHIR R4", "version": VERSION},
        "servers": [{"url": f"{base}/cami/fhir"}],
        "paths": dict(sorted(paths.items())),
        "security": [{"token": []}],
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": f"{base}/cami/oauth/token",
                            "scopes": {"system/*.cruds": "everything that this face does"},
                        }
                    },
                }
            },
            "schemas": {
                "Resource": {
                    "type": "object",
                    "required": ["resourceType"],
                    "properties": {"resourceType": {"type": "string"}},
                    "externalDocs": {"url": "https://hl7.org/fhir/R4/resourcelist.html"},
                },
                "OperationOutcome": {
                    "type": "object",
                    "required": ["resourceType", "issue"],
                    "properties": {
                        "resourceType": {"const": "OperationOutcome"},
                        "issue": {"type": "array", "items": {"type": "object"}, "minItems": 1},
                    },
                },
            },
        },
    }


def _paths(type_: str, interactions: tuple[str, ...], searched: tuple[str, ...]) -> dict[str, Any]:
    of_all: dict[str, Any] = {}
    of_one: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    if "search-type" in interactions:
        given = [_query(name) for name in (*searched, *_PAGING)]
        of_all["get"] = _operation(f"Search {type_}", parameters=given)
        form = {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}
        paths[f"/{type_}/_search"] = {"post": _operation(f"Search {type_}", body=form)}
    if "create" in interactions:
        of_all["post"] = _operation(f"Create {type_}", body=True, parameters=[_KEY])
    if "read" in interactions:
        of_one["get"] = _operation(f"Read {type_}", parameters=[_ID])
    if "update" in interactions:
        of_one["put"] = _operation(f"Change {type_}", body=True, parameters=[_ID, _IF_MATCH])
    if "delete" in interactions:
        of_one["delete"] = _operation(f"End {type_}", parameters=[_ID])
    return paths | {address: found for address, found in ((f"/{type_}", of_all), (f"/{type_}/{{id}}", of_one)) if found}


def _operation(
    told: str, *, body: bool | Mapping[str, Any] = False, parameters: list[Json] | None = None, open_: bool = False
) -> Json:
    found: Json = {"summary": told, "responses": {status: _answer(status) for status in _ANSWERS}}
    if parameters:
        found["parameters"] = parameters
    if body:
        content = {_MEDIA: {"schema": {"$ref": "#/components/schemas/Resource"}}} if body is True else body
        found["requestBody"] = {"required": True, "content": content}
    if open_:
        found["security"] = []
    return found


def _answer(status: str) -> Json:
    if status in ("204", "304"):
        return {"description": _ANSWERS[status]}
    schema = "Resource" if status < "300" else "OperationOutcome"
    # What is not 200 leaves Orthanc as text/plain (`docs/adr/0020`); the body is FHIR JSON all the same.
    media = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    kinds = {_MEDIA: media} if status == "200" else {_MEDIA: media, "text/plain": media}
    return {"description": _ANSWERS[status], "content": kinds}


def _query(name: str) -> Json:
    return {"name": name, "in": "query", "schema": {"type": "string"}}
