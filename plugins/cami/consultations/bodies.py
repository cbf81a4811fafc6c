"""What the JSON face reads out of requests, and how it hands out files and refusals."""

from collections.abc import Mapping
from typing import Any

from cami.consultations.drafts import Incomplete
from cami.consultations.workflow import Taken
from cami.errors import CamiError, Conflict, Denied, Invalid, NotFound, Transient
from cami.web import Request, Response, answer_json, answer_text

#: An INTEGER of PostgreSQL.
_LARGEST = 2**31 - 1


def refusal(error: CamiError) -> Response:
    """Return the answer to what cannot be done."""
    if isinstance(error, Taken):
        return answer_json({"error": "taken", "by": error.person}, 409)
    if isinstance(error, Incomplete):
        return answer_json({"error": "incomplete", "missing": list(error.codes)}, 400)
    if isinstance(error, NotFound):
        return answer_text(404, "no such request or study")
    statuses: dict[type[CamiError], int] = {Denied: 403, Conflict: 409, Transient: 503}
    return answer_text(next((statuses[kind] for kind in statuses if isinstance(error, kind)), 400), str(error))


def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body."""
    try:
        document = request.json() if request.body else {}
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Invalid("expected a JSON object")
    check_storable(document)
    return document


def check_storable(value: Any) -> None:
    """Refuse what no database keeps: halves of letters (JSON can write them), zero bytes, numbers beyond its columns.

    Raises
    ------
    cami.errors.Invalid
        There is such a thing in it, at any depth.
    """
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise Invalid("a text holds what is no letter")
    elif isinstance(value, int):
        if abs(value) > _LARGEST:
            raise Invalid("a number is too large")
    elif isinstance(value, Mapping):
        for name, each in value.items():
            check_storable(name)
            check_storable(each)
    elif isinstance(value, list):
        for each in value:
            check_storable(each)


def version_of(document: dict[str, Any]) -> int | None:
    """Return the version of a request that somebody decides on."""
    version = document.get("version")
    if version is not None and not isinstance(version, int):
        raise Invalid("version")
    return version


def digits(text: str) -> int:
    """Return a number; 0 of what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def download(content: bytes, kind: str, name: str) -> Response:
    """Return a file; a browser saves it, whatever it is."""
    headers = [
        ("Cache-Control", "no-store"),
        ("Content-Disposition", f'attachment; filename="{name}"'),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Response(200, content, kind, headers)
