"""Addresses within this server that a page may send a browser on to."""

from urllib.parse import urlencode, urlsplit

from cami.web import Request

HOME = "/cami/"
LOGIN = "/cami/login"
STEP = "/cami/login/step"

#: Only pages: nobody is sent to a route that does something.
_PAGES = ("/cami/", "/ohif/", "/app/")


def safe(value: str) -> str:
    """Return `value` if it is the path of a page of this server, else the home page.

    Anything that a browser could read as another host (two slashes, a backslash, a scheme, control characters) is not.
    """
    if any(character <= " " or character in "\\\x7f" for character in value) or len(value) > 2000:
        return HOME
    parts = urlsplit(value)
    within = not parts.scheme and not parts.netloc and parts.path.startswith(_PAGES) and "/../" not in parts.path + "/"
    return value if within and not parts.path.startswith((LOGIN, "/cami/logout")) else HOME


def here(request: Request) -> str:
    """Return the address that a GET was sent to, with its arguments: again."""
    query = {name: value for name, value in request.query.items() if name != "language"}
    return request.path + ("?" + urlencode(query, safe=",") if query else "")


def sign_in_then(address: str) -> str:
    """Return the address of the login page that leads on to `address`."""
    return LOGIN if safe(address) == HOME else f"{LOGIN}?{urlencode({'next': address})}"


def step_then(address: str) -> str:
    """Return the address of the next step of signing in, which leads on to `address`."""
    return STEP if safe(address) == HOME else f"{STEP}?{urlencode({'next': address})}"
