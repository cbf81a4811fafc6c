"""What a request must look like before anybody asks who sent it.

Orthanc shows a plugin the path decoded and normalised, but with its trailing slash, and perhaps with control
characters, and the method after its "method faking" (reference/orthanc.md §1.5).
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cami.people.authenticator import session_token

#: Whatever our own pages, OHIF, Orthanc Explorer and DICOMweb ask for is made of these; no ``;``, ``%``, ``\``.
#: ``$`` begins the name of an operation of FHIR.
_PATH = re.compile(r"/|(/[A-Za-z0-9._,~@:+=$-]+)+")
_LONGEST_PATH = 2048
#: A script of ours sends it with every change; another site's script cannot without asking first (CORS), and nobody
#: answers OPTIONS here.
CSRF_HEADER = "x-cami-csrf"


def clean_path(path: str) -> str | None:
    """Return the path without its trailing slash, or None if no honest client would send it."""
    if len(path) > _LONGEST_PATH:
        return None
    stripped = path[:-1] if len(path) > 1 and path.endswith("/") else path
    if _PATH.fullmatch(stripped) is None:
        return None
    if any(segment in {".", ".."} for segment in stripped.split("/")):
        return None
    return stripped


def acceptable_headers(headers: Mapping[str, str]) -> bool:
    """Refuse what would reach a handler as something else than the gate has seen.

    * No headers at all: Orthanc's own calls look like that to our handlers, so no client may.
    * ``multipart/form-data``: Orthanc hands each part to the handler as a request with the *part's* headers.
    * ``X-HTTP-Method-Override``: nothing of ours sends it.
    """
    if not headers or "x-http-method-override" in headers:
        return False
    return not headers.get("content-type", "").strip().lower().startswith("multipart/form-data")


def acceptable_body(method: str, headers: Mapping[str, str], largest: int) -> bool:
    """Refuse a body that is larger than its route may have, or whose length nobody says beforehand.

    Orthanc reads a body whole, into memory, before any handler sees it; the gate is asked earlier.
    """
    if method == "GET":
        return "transfer-encoding" not in headers
    if "transfer-encoding" in headers:
        return False
    length = headers.get("content-length", "0").strip()
    return length.isascii() and length.isdecimal() and int(length) <= largest


def forged(method: str, headers: Mapping[str, str]) -> bool:
    """Say whether a change may come from another site's page in the browser of somebody who is signed in (CSRF).

    A browser says where a request comes from (``Sec-Fetch-Site`` on HTTPS and localhost, else ``Origin``); it must be
    us. A program that says nothing of that kind is let through unless it carries a session cookie.
    """
    if method == "GET" or CSRF_HEADER in headers:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site.strip().lower() != "same-origin"
    origin = headers.get("origin")
    if origin is not None:
        return not _same_host(origin, headers.get("host", ""))
    return session_token(headers) is not None


def _same_host(origin: str, host: str) -> bool:
    try:
        return bool(host) and urlsplit(origin.strip()).netloc.lower() == host.strip().lower()
    except ValueError:
        return False
