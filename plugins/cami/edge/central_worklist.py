"""Worklists and matching at the centre: from orders to the МО, and from studies to orders; put together."""

from typing import TYPE_CHECKING

from cami.edge.background import Worker
from cami.edge.server import Services
from cami.matching import Decisions, Matcher, MatchingDesk, OrdersNear
from cami.worklist import Feed, Following, Incoming, worklist_endpoints

if TYPE_CHECKING:
    from cami.edge.central_server import CentralServer

#: Seconds between two looks for events when nothing in this process tells of one: another replica may have made it.
FOLLOW_INTERVAL = 0.5
#: Seconds between two looks for studies that nobody has judged.
MATCH_INTERVAL = 1.0
#: Seconds that announcements are gathered before they are judged.
MATCH_GATHERS = 0.25
TIDY_INTERVAL = 3600.0


class CentralWorklist:
    """The part of the centre that keeps the worklists of the МО and knows which study belongs to which order."""

    def __init__(self, server: "CentralServer") -> None:
        self._server = server
        self.feed = Feed(server.engine, server.clock)
        near = OrdersNear(server.engine, server.orders, server.patients, server.region)
        decisions = Decisions(server.engine, server.clock, server.events, server.orders, server.audit)
        self.desk = MatchingDesk(
            engine=server.engine,
            clock=server.clock,
            events=server.events,
            orders=server.orders,
            patients=server.patients,
            near=near,
            decisions=decisions,
        )
        self._matcher = Matcher(
            engine=server.engine,
            clock=server.clock,
            events=server.events,
            near=near,
            decisions=decisions,
            region=server.region,
        )

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

        def match() -> float:
            return 0.0 if self._matcher.step() else MATCH_INTERVAL

        follower, matcher = Worker("worklists", follow), Worker("matching", match, gather=MATCH_GATHERS)
        server.events.listen(follower.wake)
        server.announcements.listen(matcher.wake)
        endpoints = worklist_endpoints(server.tokens, self.feed, incoming)
        return endpoints, [follower, matcher, Worker("worklists-tidy", tidy)]
