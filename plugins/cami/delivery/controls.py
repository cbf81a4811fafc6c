"""What people of an МО may do with their proxy's queue: ``POST /cami/api/delivery/priority`` and ``…/resend``."""

import logging
from collections.abc import Callable
from dataclasses import asdict

from cami.access import Action, Authenticator, Identity, allowed
from cami.delivery.order import Priority
from cami.delivery.queue import DeliveryQueue
from cami.delivery.repeat import Repeated, Repeats
from cami.web import Endpoint, Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)


class Controls:
    """The two things that can be done with a study in the queue; the pages do them too (`cami.portal`)."""

    def __init__(self, mo: str, queue: DeliveryQueue, repeats: Repeats) -> None:
        self._mo = mo
        self._queue = queue
        self._repeats = repeats

    def may(self, identity: Identity, action: Action) -> bool:
        """Say whether somebody may do it at this proxy."""
        return identity.mo == self._mo and allowed(identity.role, action, "proxy")

    def prioritize(self, identity: Identity, study_id: str, priority: Priority) -> bool:
        """Put a study into another class; return whether it is known."""
        if not self._queue.set_priority(study_id, priority):
            return False
        log.info("study %s is now P%d, by %s", study_id, priority, identity.login)
        return True

    def resend(self, identity: Identity, study_id: str) -> Repeated:
        """Try a study again."""
        repeated = self._repeats.ask(study_id)
        if repeated.known:
            log.info("study %s is sent again, by %s: %s", study_id, identity.login, repeated)
        return repeated


_Handler = Callable[[Controls, Identity, Request], Response]


def control_endpoints(authenticator: Authenticator, controls: Controls) -> list[Endpoint]:
    """Return the endpoints of a proxy."""

    def guarded(action: Action, handler: _Handler) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            identity = authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            if not controls.may(identity, action):
                return answer_text(403, "not for this role")
            if request.method != "POST":
                return answer_text(405, "this address answers POST only")
            return handler(controls, identity, request)

        return handle

    return [
        Endpoint(
            "/cami/api/delivery/priority",
            guarded(Action.DELIVERY_PRIORITIZE, _set_priority),
            ("POST",),
            "Put a study into another class",
        ),
        Endpoint(
            "/cami/api/delivery/resend",
            guarded(Action.DELIVERY_RESEND, _resend),
            ("POST",),
            "Have a study tried again",
        ),
    ]


def _set_priority(controls: Controls, identity: Identity, request: Request) -> Response:
    try:
        document = request.json()
        study_id, priority = str(document["study_id"]), Priority(document["priority"])
    except (ValueError, KeyError, TypeError):
        return answer_text(400, 'expected JSON {"study_id": Orthanc id, "priority": 0 to 4}')
    if not controls.prioritize(identity, study_id, priority):
        return answer_text(404, "no such study in the queue")
    return answer_json({"study_id": study_id, "priority": priority})


def _resend(controls: Controls, identity: Identity, request: Request) -> Response:
    try:
        study_id = str(request.json()["study_id"])
    except (ValueError, KeyError, TypeError):
        return answer_text(400, 'expected JSON {"study_id": Orthanc id}')
    repeated = controls.resend(identity, study_id)
    if not repeated.known:
        return answer_text(404, "no such study in the queue")
    return answer_json({"study_id": study_id, **asdict(repeated)})
