"""OHIF under ``/ohif/``: its files, its configuration, and its index page for whoever is signed in.

The files are public (they are OHIF's, the same everywhere) and stand in the folder that ``scripts/cami runtime``
prepared (`cami_cli.ohif`). Orthanc itself would compress a script anew with each request, and one that is compressed
already a second time; it recognises what it compresses by the content type, case and all, so ``Text/javascript``
passes it by, and browsers do not mind (RFC 9110 §8.3.1: media types are case-insensitive).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from cami.access import Identity
from cami.access.hygiene import forged
from cami.portal import local_path, static_files
from cami.portal.bringing import Bringing, Coming
from cami.portal.headers import secured
from cami.portal.pages import Pages, Reader
from cami.portal.ports import Identifier
from cami.portal.texts import language_of
from cami.web import Endpoint, Request, Response, answer_json, answer_text, redirect

_TYPES: Mapping[str, str] = {
    ".css": "Text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "Text/javascript; charset=utf-8",
    ".json": "Application/json",
    ".png": "image/png",
    ".svg": "Image/svg+xml",
    ".txt": "Text/plain; charset=utf-8",
    ".wasm": "Application/wasm",
    ".woff2": "font/woff2",
}

_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))

#: OHIF sets styles from its scripts and decodes images in workers, with wasm; it needs nothing of another host.
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)

#: The decoders of JPEG-LS and JPEG 2000 (CharLS and OpenJPEG, built with Emscripten's embind) make functions out of
#: texts, and die without ``unsafe-eval``. They run in workers, which have a policy of their own: no page, no cookie is
#: within their reach, and the page itself does without.
WORKER_POLICY = "default-src 'none'; script-src 'self' 'unsafe-eval'; connect-src 'self'"

#: Studies that one address opens, and how one is named.
_MOST_STUDIES = 20
#: Seconds after which the page that waits is asked for again.
_LOOK_AGAIN = 3
#: Seconds after which a viewer tells again that it is open: of what is still to come, and of what is whole.
_BEATS = 20
_BEATS_OF_WHOLE = 60
#: Where it does.
VIEWING = "/cami/viewing"
_UID = re.compile(r"[0-9.]{1,64}")

_FOREVER = "public, max-age=31536000, immutable"
_ASK_EACH_TIME = "no-cache"


@dataclass(frozen=True, slots=True)
class _Build:
    """What was prepared, read once: only what stood there at the start is ever served."""

    recipe: str
    base: str
    index: bytes
    workers: frozenset[str]
    """Names of the assets that are started as web workers."""
    assets: Mapping[str, Path]


class Viewer:
    """Answers everything under ``/ohif``."""

    def __init__(self, folder: Path, who: Identifier, pages: Pages, bringing: Bringing) -> None:
        self._who = who
        self._bringing = bringing
        self._pages = pages
        self._build = _read_build(folder)
        self._index = b"" if self._build is None else _with_beat(self._build.index)
        self._config = files("cami.portal").joinpath("app-config.js").read_bytes()

    def endpoints(self) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(r"/ohif(?:/(.*))?", self.answer), Endpoint(VIEWING, self.viewing)]

    def answer(self, request: Request) -> Response:
        """Answer a GET for a file, the configuration, or an address within OHIF."""
        if request.method != "GET":
            return answer_text(405, "GET only")
        if self._build is None:
            return self._pages.page("no_viewer.html", Reader(language_of(request)))
        name = request.path.removeprefix("/ohif").strip("/")
        if name == "app-config.js":
            return _revalidated(request, self._config, _TYPES[".js"])
        if name.startswith("build-"):
            build, _, asset = name.partition("/")
            return self._asset(request, self._build, asset, current=f"/ohif/{build}/" == self._build.base)
        if "." in name.rpartition("/")[2]:
            return answer_text(404, "no such file")
        return self._page(request, name)

    def viewing(self, request: Request) -> Response:
        """Hear from a viewer of ours (``beat.js``) that studies are open in it, or are being closed."""
        identity = self._who.identify(request.headers)
        if identity is None:
            return answer_text(401, "sign in first")
        if request.method != "POST":
            return answer_text(405, "POST only")
        if forged(request.method, request.headers):
            return answer_text(403, "this comes from another site")
        state, uids = _said(request)
        if state == "closing":
            for uid in uids:
                self._bringing.closing(identity, uid)
            return answer_json({"again": 0})
        waited = [uid for uid in uids if self._bringing.viewing(identity, uid)]
        return answer_json({"again": _BEATS if waited else _BEATS_OF_WHOLE})

    def _page(self, request: Request, name: str) -> Response:
        """Answer OHIF's one page, which finds its way by the address; OHIF's own study list is ours."""
        identity = self._who.identify(request.headers)
        if identity is None:
            return redirect(local_path.sign_in_then(local_path.here(request)))
        if not name:
            return redirect(local_path.HOME)
        coming = self._coming(request, identity)
        if coming:
            return self._waiting(request, identity, coming)
        page = Response(200, self._index, "text/html; charset=utf-8", [("Cache-Control", "no-store")])
        return secured(page, POLICY)

    def _coming(self, request: Request, identity: Identity) -> list[Coming]:
        """Have what is opened brought if it is not here; return what there is to wait for.

        Only when somebody goes there: not for a picture that another site's page shows from this address.
        """
        if "part" in request.query or request.headers.get("sec-fetch-dest", "document") not in ("document", "iframe"):
            return []
        uids = request.query.get("StudyInstanceUIDs", "").split(",")[:_MOST_STUDIES]
        return [each for uid in uids if _UID.fullmatch(uid) for each in self._bringing.opening(identity, uid)]

    def _waiting(self, request: Request, identity: Identity, coming: Sequence[Coming]) -> Response:
        """Answer the page that waits: it asks again by itself, and is OHIF when the images are there."""
        here = local_path.here(request)
        received, expected = sum(each.received for each in coming), sum(each.expected or 0 for each in coming)
        states = {each.state for each in coming}
        page = self._pages.page(
            "coming.html",
            Reader(language_of(request), identity, here),
            here=here,
            part=f"{here}&part=1" if received else "",
            received=received,
            expected=expected,
            minutes=max(each.minutes for each in coming),
            stuck="not_returned" in states,
        )
        page.headers.append(("Refresh", str(_LOOK_AGAIN)))
        return page

    def _asset(self, request: Request, build: _Build, name: str, *, current: bool) -> Response:
        """Answer a file. A tab that was open while we were updated asks at its old address: it gets today's file."""
        file = build.assets.get(name)
        if file is None:
            return answer_text(404, "no such file")
        caching = _FOREVER if current else _ASK_EACH_TIME
        encoding, source = _variant(request, build.assets, name)
        tag = f'"{build.recipe}{encoding and "-" + encoding}"'
        headers = [("Cache-Control", caching), ("ETag", tag), ("Vary", "Accept-Encoding")]
        if _same(request, tag):
            return Response(304, headers=headers)
        if encoding:
            headers.append(("Content-Encoding", encoding))
        kind = _TYPES.get(file.suffix, "application/octet-stream")
        policy = WORKER_POLICY if name in build.workers else POLICY
        return secured(Response(200, source.read_bytes(), kind, headers), policy)


def _with_beat(index: bytes) -> bytes:
    """Let OHIF's page load ``beat.js``, for which nothing waits, and which does not wait for OHIF's 17 MB."""
    script = f'<script src="{static_files.address("beat.js")}" async></script></head>'
    return index.replace(b"</head>", script.encode(), 1)


def _said(request: Request) -> tuple[str, list[str]]:
    try:
        said = request.json()
        state, uids = said["state"], said["studies"]
    except (ValueError, KeyError, TypeError):
        return "", []
    known = uids if isinstance(uids, list) else []
    return str(state), [uid for uid in known[:_MOST_STUDIES] if isinstance(uid, str) and _UID.fullmatch(uid)]


def _read_build(folder: Path) -> _Build | None:
    """Read the index of a prepared folder; None where nothing was prepared."""
    about = folder / "build.json"
    if not about.is_file():
        return None
    build = json.loads(about.read_text("utf-8"))
    root = folder / "assets"
    assets = {
        file.relative_to(root).as_posix(): file
        for file in root.rglob("*")
        if file.is_file() and not file.is_symlink()
    }  # fmt: skip
    return _Build(
        build["recipe"], build["base"], (folder / "index.html").read_bytes(), frozenset(build["workers"]), assets
    )


def _variant(request: Request, assets: Mapping[str, Path], name: str) -> tuple[str, Path]:
    """Choose the best of the prepared encodings that the browser takes; no encoding at all if there is none."""
    accepted = _accepted(request.headers.get("accept-encoding", ""))
    for encoding, suffix in _ENCODINGS:
        if encoding in accepted and name + suffix in assets:
            return encoding, assets[name + suffix]
    return "", assets[name]


def _accepted(header: str) -> set[str]:
    """Return the codings of ``Accept-Encoding`` that are not refused by ``q=0`` (RFC 9110 §12.5.3)."""
    accepted = set()
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(coding.strip())
    return accepted


def _revalidated(request: Request, body: bytes, kind: str) -> Response:
    """Answer something whose address does not change with its content."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = [("Cache-Control", _ASK_EACH_TIME), ("ETag", tag)]
    if _same(request, tag):
        return Response(304, headers=headers)
    return secured(Response(200, body, kind, headers), POLICY)


def _same(request: Request, tag: str) -> bool:
    """Return whether the browser has this very content (RFC 9110 §13.1.2, weak comparison)."""
    known = {entry.strip().removeprefix("W/") for entry in request.headers.get("if-none-match", "").split(",")}
    return tag in known or "*" in known
