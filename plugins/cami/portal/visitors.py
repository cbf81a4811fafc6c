"""Where somebody sits: the address and the browser, as the pages and the services of people want it."""

import re

from cami.people import Client
from cami.web import Request, source_of

#: From the most to the least special: Edge says that it is Chrome, and Chrome that it is Safari.
_BROWSERS = (
    (re.compile(r"YaBrowser/(\d+)"), "Яндекс Браузер"),
    (re.compile(r"Edg/(\d+)"), "Edge"),
    (re.compile(r"OPR/(\d+)"), "Opera"),
    (re.compile(r"Firefox/(\d+)"), "Firefox"),
    (re.compile(r"(?:Headless)?Chrom(?:e|ium)/(\d+)"), "Chrome"),
    (re.compile(r"Version/(\d+).*Safari"), "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def client_of(request: Request) -> Client:
    """Return where the sender of a request sits."""
    return Client(source_of(request.headers), browser_of(request.headers.get("user-agent", "")))


def browser_of(agent: str) -> str:
    """Return what people call a browser: ``Firefox 132, Linux``; nothing if it is none that we know."""
    named = ""
    for pattern, name in _BROWSERS:
        if (found := pattern.search(agent)) is not None:
            named = f"{name} {found.group(1)}"
            break
    system = next((name for sign, name in _SYSTEMS if sign in agent), "")
    return ", ".join(filter(None, [named, system]))
