"""The security headers of what we serve.

``Referrer-Policy`` is ``same-origin``, not ``no-referrer``: with the latter browsers send ``Origin: null`` with our
own forms (Fetch standard, "append a request Origin header"), and the check against forged forms would refuse them.
"""

from cami.web import Response

#: Pages: plain HTML, our own style sheet, no script at all.
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
#: Pages that keep themselves up to date by a script of ours, which asks this server only.
LIVE_POLICY = PAGE_POLICY + "; script-src 'self'; connect-src 'self'"

_COMMON = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
)


def secured(response: Response, policy: str) -> Response:
    """Put the security headers on a response, with its content security policy."""
    response.headers += [*_COMMON, ("Content-Security-Policy", policy)]
    return response
