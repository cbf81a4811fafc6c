"""A proxy's routing: its rules, a sender for each destination, and their page."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from cami.delivery.items import Item
from cami.edge.background import WHILE_AWAY, Worker
from cami.edge.server import Services
from cami.errors import Misconfigured
from cami.region import CharacterSets, Destination, Device
from cami.routing import (
    AllRules,
    Announcer,
    DryRun,
    FactReader,
    Forwarder,
    Forwardings,
    Notices,
    Router,
    RoutingService,
    RulesFromCentre,
    RulesPulling,
    Text,
    Versions,
    Ways,
    known_to,
    routing_endpoints,
)

if TYPE_CHECKING:
    from cami.edge.proxy_server import ProxyServer

#: Seconds between looks at what waits, and at what the centre has to be told of.
_INTERVAL = 1.0
#: Seconds between two readings of the centre's rules when nothing tells of news.
_PULLS = 60.0
#: Seconds between looks at the change log, of which arrivals tell.
_LOOK_INTERVAL = 5.0
#: Seconds that arrivals are gathered before their rules are looked up, and while a device sends without a pause.
_GATHERS, _GATHERS_MOST = 0.25, 1.0


class ProxyRouting:
    """The part of a proxy that routes."""

    def __init__(self, server: "ProxyServer") -> None:
        self._server = server
        self._workers: list[Worker] = []
        engine, clock = server.engine, server.clock
        mo = server.settings.mo
        misread = [device.aet for device in server.region.organization(mo).devices if _misread(device)]
        text = Text(misread, server.coercing.put_right)
        uploaded = server.uploads.has
        facts = FactReader(server.archive, mo, server.region.time_zone, clock, text, uploaded=uploaded)
        self._destinations = server.own_proxy().destinations
        known = known_to(server.region, mo)
        versions = Versions(engine, clock, known)
        from_centre = RulesFromCentre(engine, clock, mo, known)
        dry_run = DryRun(server.archive, engine, facts)
        self.pulling = RulesPulling(server.link, from_centre, dry_run)
        self._forwardings = Forwardings(engine, clock)
        self._notices = Notices(engine, clock)
        self._ways = Ways(server.settings.secrets, server.own_proxy().aet, server.archive.transcoded, server.pace)
        self._router = Router(
            archive=server.archive,
            engine=engine,
            clock=clock,
            rules=AllRules(versions, from_centre),
            facts=facts,
            forwardings=self._forwardings,
            notices=self._notices,
            on_wanted=self.wake,
        )

        self.service = RoutingService(
            versions=versions,
            centre=from_centre,
            forwardings=self._forwardings,
            notices=self._notices,
            dry_run=dry_run,
            destinations=self._destinations,
            ways=self._ways,
        )

    def wake(self) -> None:
        """Let the workers look now."""
        for worker in self._workers:
            worker.wake()

    def services(self) -> Services:
        """Make the workers and the endpoints."""
        self._router.begin()
        self._forwardings.recover()
        announcer = Announcer(self._notices, self._server.link)
        looking = _repeated(self._router.advance, _LOOK_INTERVAL)
        self._workers += [Worker("routing", looking, gather=_GATHERS, gather_most=_GATHERS_MOST)]
        puller = Worker("rules", self._pull, rest_most=WHILE_AWAY)
        self.pulling.wake = puller.wake
        self._workers += [Worker("shares", _repeated(announcer.step))]
        self._workers += [self._sender(destination) for destination in self._destinations]
        mo, who = self._server.settings.mo, self._server.authenticator
        return routing_endpoints(mo, who, self.service), [*self._workers, puller]

    def _pull(self) -> float:
        """Read the centre's rules; of a centre whose release has none seldom."""
        return _PULLS if self.pulling.step() else 5 * _PULLS

    def _sender(self, destination: Destination) -> Worker:
        """Make the sender of one destination; a secret that is missing stops that one alone, and is tried again."""
        made: list[Forwarder] = []

        def send() -> float:
            if not made:
                made.append(self._forwarder(destination))
            return 0.0 if made[0].step() else _INTERVAL

        return Worker(f"forward-{destination.name}", send)

    def _forwarder(self, destination: Destination) -> Forwarder:
        try:
            way = self._ways.way(destination)
        except Misconfigured as error:
            raise Misconfigured(f"nothing is forwarded: {error}") from error
        return Forwarder(
            destination=destination.name,
            archive=self._server.archive,
            forwardings=self._forwardings,
            way=way,
            verify=destination.verify,
            prepare=self._prepare,
        )

    def _prepare(self, instance_id: str, dicom: bytes) -> bytes:
        """Make of a file what the centre gets, too: its text and origin put right (F-10), but not compressed."""
        return self._server.coercing.prepare(Item(instance_id, "", 0), dicom)


def _misread(device: Device) -> bool:
    """Say whether Orthanc may take this device's text for something else than it is."""
    return device.character_set != CharacterSets()


def _repeated(step: Callable[[], bool], interval: float = _INTERVAL) -> Callable[[], float]:
    def repeat() -> float:
        return 0.0 if step() else interval

    return repeat
