"""The worklists of the centre: from orders to the feeds of the МО; its services, put together."""

from typing import TYPE_CHECKING

from cami.edge.background import Worker
from cami.edge.server import Services
from cami.worklist import Feed, Following, Incoming, worklist_endpoints

if TYPE_CHECKING:
    from cami.edge.central_server import CentralServer

#: Seconds between two looks for events when nothing in this process tells of one: another replica may have made it.
FOLLOW_INTERVAL = 0.5
TIDY_INTERVAL = 3600.0


class CentralWorklist:
    """The part of the centre that keeps the worklists of the МО."""

    def __init__(self, server: "CentralServer") -> None:
        self._server = server
        self.feed = Feed(server.engine, server.clock)

    def services(self) -> Services:
        """Make the workers and what proxies call."""
        server = self._server
        following = Following(
            engine=server.engine,
            clock=server.clock,
            events=server.events,
            orders=server.orders,
            patients=server.patients,
            feed=self.feed,
            region=server.region,
            ring=server.bell.ring,
        )
        incoming = Incoming(
            engine=server.engine,
            events=server.events,
            orders=server.orders,
            patients=server.patients,
            region=server.region,
        )

        def follow() -> float:
            return 0.0 if following.step() else FOLLOW_INTERVAL

        def tidy() -> float:
            for mo in sorted(self.feed.tidy()):
                server.bell.ring(mo)
            return TIDY_INTERVAL

        follower = Worker("worklists", follow)
        server.events.listen(follower.wake)
        return worklist_endpoints(server.tokens, self.feed, incoming), [follower, Worker("worklists-tidy", tidy)]
