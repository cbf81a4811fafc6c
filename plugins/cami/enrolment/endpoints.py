"""The HTTP faces for proxies: where one joins, and what it asks of the line afterwards for its own sake."""

import logging
import os

from cami.access.limits import Bucket
from cami.clock import Clock, iso
from cami.delivery import WIRE_ROOT, TokenVerifier, for_proxies
from cami.enrolment.membership import Membership
from cami.enrolment.trials import Trials
from cami.errors import Denied, Invalid, Misconfigured
from cami.web import Endpoint, Request, Response, answer_json, answer_text, source_of

log = logging.getLogger(__name__)

JOIN = "/cami/join/v1"
#: Tries to join: by address, and in all. Guessing 79 bits needs no more in its way; it is for the load.
TRIES, TRIES_BURST = 0.1, 10.0
ALL_TRIES, ALL_TRIES_BURST = 2.0, 60.0
#: Bytes that a test of the line may ask for, or send, in one call.
MOST_BYTES = 4 * 1024 * 1024


def join_endpoint(members: Membership, clock: Clock) -> Endpoint:
    """Return where a proxy joins that the centre does not know yet; the code is all that it has."""
    by_address = Bucket(TRIES, TRIES_BURST)
    of_all = Bucket(ALL_TRIES, ALL_TRIES_BURST)

    def answer(request: Request) -> Response:
        document = request.json()
        mo, code, wanted = (str(document[name]) for name in ("mo", "code", "request"))
        issued = members.join(mo, code, wanted, source_of(request.headers))
        return answer_json({"mo": mo, "certificate": issued.pem, "time": iso(clock.now())})

    def join(request: Request) -> Response:
        if request.method != "POST":
            return answer_text(405, "this address answers POST only")
        if not by_address.take(source_of(request.headers)) or not of_all.take(""):
            return answer_text(429, "too many tries: wait a minute")
        try:
            return answer(request)
        except (ValueError, KeyError, TypeError):
            return answer_text(400, 'expected JSON {"mo", "code", "request"}')
        except (Invalid, Denied) as error:
            return answer_text(403 if isinstance(error, Denied) else 400, str(error))
        except Misconfigured as error:
            log.error("a proxy cannot join: %s", error)  # noqa: TRY400 - it says what is wrong
            return answer_text(500, "the centre is not ready to let a proxy join: the operator has to run ca init")

    return Endpoint(JOIN, join, ("POST",), "A proxy joins with a one-time code")


def line_endpoints(tokens: TokenVerifier, members: Membership, trials: Trials, clock: Clock) -> list[Endpoint]:
    """Return what a proxy asks for its own sake: a certificate, the time, the speed of the line, tests."""

    def certificate(mo: str, request: Request) -> Response:
        try:
            return answer_json({"certificate": members.renew(mo, str(request.json()["request"])).pem})
        except (ValueError, KeyError, TypeError):
            return answer_text(400, 'expected JSON {"request": PEM}')
        except Denied as error:
            return answer_text(403, str(error))
        except Misconfigured:
            return answer_text(503, "the centre has no authority")

    def now(mo: str, _request: Request) -> Response:
        return answer_json({"mo": mo, "time": iso(clock.now())})

    def trial(mo: str, request: Request) -> Response:
        try:
            document = request.json()
            study_id, over = str(document["study_id"])[:64], bool(document.get("over", False))
        except (ValueError, KeyError, TypeError, AttributeError):
            return answer_text(400, 'expected JSON {"study_id", "over"}')
        if over:
            return answer_json({"removed": trials.end(mo, study_id)})
        trials.begin(mo, study_id)
        return answer_json({})

    return [
        Endpoint(f"{WIRE_ROOT}/certificate", for_proxies(tokens, {"POST": certificate})),
        Endpoint(f"{WIRE_ROOT}/time", for_proxies(tokens, {"GET": now})),
        Endpoint(f"{WIRE_ROOT}/speed", for_proxies(tokens, {"GET": _down, "POST": _up})),
        Endpoint(f"{WIRE_ROOT}/trials", for_proxies(tokens, {"POST": trial})),
    ]


def _down(_mo: str, request: Request) -> Response:
    wanted = request.query.get("bytes", "")
    if not wanted.isdecimal() or len(wanted) > 8:
        return answer_text(400, "bytes= says how many")
    # Random: a gateway or a VPN that compresses would make the line seem faster.
    return Response(200, os.urandom(min(int(wanted), MOST_BYTES)), "application/octet-stream")


def _up(_mo: str, request: Request) -> Response:
    return answer_json({"received": len(request.body)})
