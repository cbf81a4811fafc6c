"""``POST /cami/wire/v1/heartbeat``: a proxy tells how it is; the answer is the centre's time."""

from cami.clock import Clock, iso
from cami.delivery import WIRE_ROOT, TokenVerifier, for_proxies
from cami.fleet.register import LARGEST, Fleet
from cami.fleet.vitals import Vitals
from cami.web import Endpoint, Request, Response, answer_json, answer_text


def heartbeat_endpoint(tokens: TokenVerifier, fleet: Fleet, clock: Clock) -> Endpoint:
    """Return the endpoint."""

    def beat(mo: str, request: Request) -> Response:
        if len(request.body) > LARGEST:
            return answer_text(413, "a heartbeat is small")
        try:
            vitals = Vitals.parse(request.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            return answer_text(400, "this is no heartbeat")
        fleet.hear(mo, vitals)
        return answer_json({"time": iso(clock.now())})

    return Endpoint(f"{WIRE_ROOT}/heartbeat", for_proxies(tokens, {"POST": beat}))
