"""The worklist on the wire (docs/architecture.md §4): the feed that proxies read, and orders that they bring."""

import re
from typing import Any

from cami.delivery import WIRE_ROOT, TokenVerifier, for_proxies
from cami.delivery.squeeze import squeezed
from cami.errors import Conflict, Invalid
from cami.web import Endpoint, Request, Response, answer_json
from cami.worklist.entry import Entry
from cami.worklist.feed import Feed
from cami.worklist.incoming import Incoming

#: Orders in one call.
MOST_ORDERS = 50
_EPOCH = re.compile(r"[0-9a-f-]{0,36}")


def worklist_endpoints(tokens: TokenVerifier, feed: Feed, incoming: Incoming) -> list[Endpoint]:
    """Return the endpoints that proxies call."""

    def read(mo: str, request: Request) -> Response:
        after, epoch = request.query.get("after", "0"), request.query.get("epoch", "")
        if not (after.isascii() and after.isdigit() and len(after) < 19) or not _EPOCH.fullmatch(epoch):
            raise Invalid("after must be a number and epoch what the last answer said")
        return _squeezed(answer_json(feed.read(mo, epoch, int(after)).to_json()), request)

    def bring(mo: str, request: Request) -> Response:
        return answer_json({"orders": [_placed(incoming, mo, document) for document in _orders(request)]})

    return [
        Endpoint(WIRE_ROOT + "/worklist", for_proxies(tokens, {"GET": read})),
        Endpoint(WIRE_ROOT + "/orders", for_proxies(tokens, {"POST": bring})),
    ]


def _orders(request: Request) -> list[Any]:
    try:
        found = request.json()["orders"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, list) or len(found) > MOST_ORDERS:
        raise Invalid(f'expected JSON {{"orders": […]}}, at most {MOST_ORDERS}')
    return found


def _placed(incoming: Incoming, mo: str, document: Any) -> dict[str, Any]:
    """Place one order; what is wrong with it is its own answer and keeps nobody else's back."""
    number = str(document.get("entry", {}).get("number", "")) if isinstance(document, dict) else ""
    if not number:
        raise Invalid("an order lacks its number")
    try:
        entry = incoming.place(mo, Entry.parse(document["entry"]), str(document.get("made_by", "")))
    except Conflict:
        return {"number": number, "refused": "conflict"}
    except Invalid:
        return {"number": number, "refused": "invalid"}
    return {"number": number, "entry": entry.to_json()}


def _squeezed(response: Response, request: Request) -> Response:
    """Return the answer as gzip to who takes it: of a thin line, a tenth."""
    if "gzip" in request.headers.get("accept-encoding", "") and (small := squeezed(response.body)) is not None:
        response.body = small
        response.headers.append(("Content-Encoding", "gzip"))
    return response
