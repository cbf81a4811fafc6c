"""How the study index stands, and making it anew: ``/cami/api/index``, ``/cami/api/index/rebuild``."""

import logging
from collections.abc import Callable

from cami.access import Action, Authenticator, Identity, allowed
from cami.index import IndexFollower
from cami.web import Endpoint, Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)


def index_endpoints(authenticator: Authenticator, follower: IndexFollower, wake: Callable[[], None]) -> list[Endpoint]:
    """Return the endpoints of the centre; `wake` lets the follower look now."""

    def status(_identity: Identity) -> Response:
        return answer_json({"state": follower.state, **follower.counts()})

    def rebuild(identity: Identity) -> Response:
        log.warning("the study index is to be built anew, by %s", identity.login)
        follower.rebuild()
        wake()
        return answer_json({"state": follower.state})

    def for_admin(method: str, handler: Callable[[Identity], Response]) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            identity = authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            if not allowed(identity.role, Action.ARCHIVE_INSPECT, "central"):
                return answer_text(403, "not for this role")
            if request.method != method:
                return answer_text(405, f"this address answers {method} only")
            return handler(identity)

        return handle

    return [
        Endpoint("/cami/api/index", for_admin("GET", status), ("GET",), "How the study index stands"),
        Endpoint("/cami/api/index/rebuild", for_admin("POST", rebuild), ("POST",), "Make the study index anew"),
    ]
