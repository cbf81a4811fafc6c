"""What people of an МО may do with their proxy's queue: ``POST /cami/api/delivery/priority``."""

import logging

from cami.access import Action, Authenticator, allowed
from cami.delivery.order import Priority
from cami.delivery.queue import DeliveryQueue
from cami.web import Endpoint, Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)


def control_endpoints(mo: str, authenticator: Authenticator, queue: DeliveryQueue) -> list[Endpoint]:
    """Return the endpoints of a proxy; `mo` is its МО."""

    def set_priority(request: Request) -> Response:
        identity = authenticator.identify(request.headers)
        if identity is None:
            return answer_text(401, "sign in first")
        if identity.mo != mo or not allowed(identity.role, Action.DELIVERY_PRIORITIZE, "proxy"):
            return answer_text(403, "not for this role")
        if request.method != "POST":
            return answer_text(405, "this address answers POST only")
        try:
            document = request.json()
            study_id, priority = str(document["study_id"]), Priority(document["priority"])
        except (ValueError, KeyError, TypeError):
            return answer_text(400, 'expected JSON {"study_id": Orthanc id, "priority": 0 to 4}')
        if not queue.set_priority(study_id, priority):
            return answer_text(404, "no such study in the queue")
        log.info("study %s is now P%d, by %s", study_id, priority, identity.login)
        return answer_json({"study_id": study_id, "priority": priority})

    return [Endpoint("/cami/api/delivery/priority", set_priority)]
