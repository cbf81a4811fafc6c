"""The few files of the pages: a style sheet, a script and an icon, at addresses that change with their content."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from cami.errors import NotFound
from cami.portal.headers import PAGE_POLICY, secured
from cami.web import Endpoint, Request, Response, answer_text

_TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@cache
def _read(name: str) -> tuple[str, bytes]:
    """Return digest and content of a file of ``static/``."""
    body = files("cami.portal").joinpath("static", name).read_bytes()
    return hashlib.sha256(body).hexdigest()[:12], body


@cache
def _names() -> frozenset[str]:
    return frozenset(file.name for file in files("cami.portal").joinpath("static").iterdir())


def address(name: str) -> str:
    """Return where a file is served, for a template.

    Raises
    ------
    NotFound
        There is no such file: the template is wrong.
    """
    if name not in _names():
        raise NotFound(f"no static file {name}")
    stem, _, kind = name.partition(".")
    return f"/cami/static/{stem}-{_read(name)[0]}.{kind}"


def answer(request: Request) -> Response:
    """Answer a file by its address; one of an older release is not there."""
    stem, digest, kind = request.groups
    name = f"{stem}.{kind}"
    if request.method != "GET" or name not in _names() or _read(name)[0] != digest:
        return answer_text(404, "no such file")
    kept = [("Cache-Control", "public, max-age=31536000, immutable")]
    return secured(Response(200, _read(name)[1], _TYPES[kind], kept), PAGE_POLICY)


ENDPOINT = Endpoint(r"/cami/static/([a-z]+)-([0-9a-f]{12})\.(css|js|svg)", answer)
