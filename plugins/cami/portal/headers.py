"""The security headers of what we serve.

``Referrer-Policy`` is ``same-origin``, not ``no-referrer``: with the latter browsers send ``Origin: null`` with our
own forms (Fetch standard, "append a request Origin header"), and the check against forged forms would refuse them.
"""

from collections.abc import Mapping

from cami.web import Request, Response

#: Pages: plain HTML, our own style sheet, no script at all.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)

_COMMON = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
)


def secured(response: Response, policy: str) -> Response:
    """Put the security headers on a response, with its content security policy."""
    response.headers += [*_COMMON, ("Content-Security-Policy", policy)]
    return response


def came_from_us(request: Request) -> bool:
    """Return whether a form was sent by one of our own pages, as far as the browser tells.

    Browsers tell with ``Sec-Fetch-Site`` (on HTTPS and on the machine itself) or ``Origin`` (always with POST); a
    client that sends neither is no browser, so nobody else's cookie can be abused through it.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == _host(request.headers)


def _host(headers: Mapping[str, str]) -> str:
    return headers.get("host", "")
