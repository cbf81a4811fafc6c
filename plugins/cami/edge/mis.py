"""The face to the МИС at the centre, and its threads."""

from typing import TYPE_CHECKING

from cami.edge.background import Worker
from cami.events import EventLog
from cami.mis import MisService, warm_up
from cami.web import Endpoint

if TYPE_CHECKING:
    from cami.edge.server import Server

#: Seconds between two looks for what is to be forgotten.
TIDY_INTERVAL = 3600.0


def open_mis(server: "Server", events: EventLog) -> tuple[list[Endpoint], list[Worker]]:
    """Return the endpoints and workers."""
    service = MisService(
        engine=server.engine,
        clock=server.clock,
        region=server.region,
        events=events,
        trail=server.audit,
        check=server.accounts.check,
        base=server.settings.central_url,
    )

    def tidy() -> float:
        warm_up()  # half a second of imports that no request should pay
        service.answers.tidy()
        events.tidy()
        return TIDY_INTERVAL

    return service.endpoints(), [Worker("mis-tidy", tidy)]
