"""Errands on the wire: the long poll by which a proxy gets them, and its answers (docs/architecture.md §4)."""

import re
from collections.abc import Callable, Mapping

from cami.delivery import WIRE_ROOT, TokenVerifier, for_proxies
from cami.errands.bell import Bell
from cami.errands.book import ErrandBook
from cami.errands.errand import Outcome, Report
from cami.errors import Invalid
from cami.web import Endpoint, Request, Response, answer_json

#: Seconds that a call may wait: less than any box between proxy and centre keeps a silent connection.
LONGEST_WAIT = 25.0
#: Seconds after which a proxy asks again for which there was no place to wait.
NO_PLACE = 2.0
_NUMBERS = re.compile(r"[0-9]{1,18}(,[0-9]{1,18}){0,99}|")
_REASON = re.compile(r"[a-z0-9-]{0,64}")
_PLACES = re.compile(r"([a-z]{1,16}:[0-9]{1,18}(,[a-z]{1,16}:[0-9]{1,18}){0,9})?")

#: How far something is that proxies read by places, by МО.
Last = Callable[[str], int]


def errand_endpoints(
    tokens: TokenVerifier, book: ErrandBook, bell: Bell, feeds: Mapping[str, Last] | None = None
) -> list[Endpoint]:
    """Return the endpoints that proxies call; `feeds` is what else they are told of as they wait, by name."""
    known = feeds or {}

    def news(mo: str, places: Mapping[str, int]) -> dict[str, int]:
        lasts = {name: known[name](mo) for name in places if name in known}
        return {name: last for name, last in lasts.items() if last > places[name]}

    def hand_over(mo: str, request: Request) -> Response:
        put_off = _numbers(request.query.get("except", ""))
        seconds = _seconds(request.query.get("wait", "0"))
        places = _places(request.query.get("feeds", ""))
        ticket = bell.ticket(mo)
        errands, told = book.hand_over(mo, put_off), news(mo, places)
        again = 0.0
        if not errands and not told and seconds:
            if bell.wait(mo, ticket, seconds):
                errands, told = book.hand_over(mo, put_off), news(mo, places)
            else:
                again = NO_PLACE
        answer = {"errands": [errand.to_json() for errand in errands], "again_after": again}
        return answer_json(answer | ({"feeds": told} if told else {}))

    def settle(mo: str, request: Request) -> Response:
        book.settle(mo, int(request.path.rpartition("/")[2]), _report(request))
        return answer_json({})

    return [
        Endpoint(WIRE_ROOT + "/errands", for_proxies(tokens, {"GET": hand_over})),
        Endpoint(WIRE_ROOT + "/errands/[0-9]{1,18}", for_proxies(tokens, {"POST": settle})),
    ]


def _report(request: Request) -> Report:
    try:
        document = request.json()
        outcome, reason = Outcome(document["outcome"]), str(document.get("reason", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid('expected JSON {"outcome": text, "reason": text}') from None
    if not _REASON.fullmatch(reason):
        raise Invalid("reason must be a code of small letters, digits and hyphens")
    return Report(outcome, reason)


def _numbers(text: str) -> list[int]:
    if not _NUMBERS.fullmatch(text):
        raise Invalid("except must be a list of up to 100 numbers")
    return [int(number) for number in text.split(",") if number]


def _places(text: str) -> dict[str, int]:
    if not _PLACES.fullmatch(text):
        raise Invalid("feeds must be up to 10 names with places, as name:1,name:2")
    return {name: int(place) for name, _, place in (each.partition(":") for each in text.split(",") if each)}


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise Invalid("wait must be a number of seconds")
    return min(float(text), LONGEST_WAIT)
