"""What a proxy brings to where it is needed: its services, put together."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cami.access import Authenticator
from cami.access.guests import Guests
from cami.archive import Archive, orthanc_id
from cami.clock import Clock
from cami.delivery import CentralLink, ChangeFeed, DeliveryQueue, DiskWatch, Holdings, Pace, Timetable
from cami.delivery.adoption import Adoption
from cami.delivery.disk import GB
from cami.edge.background import WHILE_AWAY, Worker
from cami.errands import Errand, Handler, Kind, Report
from cami.region import Region
from cami.retrieval import (
    Announcer,
    Catalogue,
    Documents,
    Downloads,
    Fetcher,
    Fetches,
    Handlers,
    Opening,
    Openings,
    Prefetcher,
    Raising,
    Returns,
    Schedule,
    part_bytes,
    proxy_endpoints,
)
from cami.retrieval.columns import Described
from cami.sharing import GuestRoom
from cami.web import Endpoint

#: How many files come at the same time: with one, a long round trip leaves the line half empty.
STREAMS = 2
#: Seconds between two looks for new studies when nothing tells of one.
ARRIVALS_INTERVAL = 2.0
#: Seconds that arrivals are gathered before they are read.
ARRIVALS_GATHER = 0.5
#: Seconds between two looks for what is to be told, and for whom to look.
ANNOUNCE_INTERVAL = 2.0
PREFETCH_INTERVAL = 30.0
OPENINGS_INTERVAL = 30.0
_BYTES_IN_MEGABIT = 125_000


class ProxyRetrieval:
    """The parts of `cami.retrieval` at a proxy, wired."""

    def __init__(
        self,
        mo: str,
        *,
        region: Region,
        archive: Archive,
        engine: Engine,
        clock: Clock,
        queue: DeliveryQueue,
        holdings: Holdings,
        feed: ChangeFeed,
        link: CentralLink,
        disk: DiskWatch,
        downloads: Path,
        authenticator: Authenticator,
        wake_senders: Callable[[], None],
    ) -> None:
        self._mo = mo
        self._region = region
        self._archive = archive
        self._disk = disk
        self._authenticator = authenticator
        proxy = region.organization(mo).proxy
        if proxy is None:
            raise ValueError(mo)
        self._proxy = proxy
        self.catalogue = Catalogue(archive, engine, clock, guests=Guests(engine, clock).studies)
        self.fetches = Fetches(engine, clock, holdings)
        adoption = Adoption(engine, clock)
        self._documents = Documents(
            archive=archive,
            adoption=adoption,
            downloads=self._make_downloads(downloads / "documents", link, clock),
            link=link,
        )
        self._fetcher = Fetcher(
            archive=archive,
            fetches=self.fetches,
            holdings=holdings,
            adoption=adoption,
            catalogue=self.catalogue,
            downloads=self._make_downloads(downloads, link, clock),
            link=link,
            disk=disk,
        )
        self._room = GuestRoom(
            engine,
            clock,
            archive=archive,
            link=link,
            downloads=self._make_downloads(downloads / "guests", link, clock),
            disk=disk,
        )
        self._guests = Worker("guests", self._room.step, rest_most=WHILE_AWAY)
        self.returns = Returns(
            mo, catalogue=self.catalogue, fetches=self.fetches, fetcher=self._fetcher, link=link, wake=self.wake
        )
        self._handlers = Handlers(
            archive=archive,
            feed=feed,
            queue=queue,
            holdings=holdings,
            raising=Raising(engine, clock, queue),
            link=link,
            wake_senders=wake_senders,
        )
        self._schedule = Schedule(engine, clock, ZoneInfo(region.time_zone), proxy.prefetch)
        self._announcer = Announcer(self.catalogue, link, clock)
        self._prefetcher = Prefetcher(
            schedule=self._schedule,
            fetches=self.fetches,
            link=link,
            rules=proxy.prefetch,
            room_for=self._has_room_for,
            clock=clock,
        )
        self._hear: Callable[[Sequence[Described]], None] = lambda _new: None
        self.openings = Openings(authenticator.identify, self._opened, clock)
        self._arrivals = Worker("arrivals", self._arrive, gather=ARRIVALS_GATHER)
        self._announcing = Worker("announcer", self._announce, rest_most=WHILE_AWAY)
        self._prefetching = Worker("prefetch", self._prefetch, rest_most=WHILE_AWAY)
        self._opening = Worker("openings", self._open)
        self._fetching = [Worker(f"fetcher-{number}", self._fetcher.step) for number in range(1, STREAMS + 1)]
        self.openings.wake = self._opening.wake

    def on_arrival(self, hear: Callable[[Sequence[Described]], None]) -> None:
        """Have `hear` called with the studies that have begun to come in."""
        self._hear = hear

    def expect(self, patient_id: str, day: date, *, modality: str, body_part: str) -> None:
        """Fetch earlier studies of somebody who is on the worklist, the evening before or now."""
        if self._proxy.prefetch.count:
            patient = orthanc_id(patient_id)
            self._schedule.expect(patient, day, asked_by="worklist", modality=modality, body_part=body_part[:64])
            self._prefetching.wake()

    def errands(self) -> dict[Kind, Handler]:
        """Return the handlers of errands about studies."""
        return {**self._handlers.by_kind(), **self._documents.by_kind(), Kind.GUESTS: self._called}

    def _called(self, errand: Errand) -> Report:
        report = self._room.called(errand)
        self._guests.wake()
        return report

    def endpoints(self) -> list[Endpoint]:
        """Return what people and programs of the МО call."""
        return proxy_endpoints(self._mo, self._authenticator, self.returns, self._schedule, wake=self._prefetching.wake)

    def workers(self) -> list[Worker]:
        """Return the threads; what a crash left over is tidied first."""
        self._fetcher.recover()
        own = [self._arrivals, self._announcing, self._prefetching, self._opening, self._guests]
        return [*own, *self._fetching]

    def _make_downloads(self, folder: Path, link: CentralLink, clock: Clock) -> Downloads:
        line = self._proxy.link
        timetable = Timetable(line, self._region.time_zone, clock)

        def limit() -> float | None:
            return timetable.limit() if line.down_mbit_s is None else line.down_mbit_s * _BYTES_IN_MEGABIT

        capped = line.capped or line.down_mbit_s is not None
        rate = line.down_mbit_s or line.mbit_s
        pace = Pace(limit, urgent_exempt=line.urgent_exempt)
        return Downloads(folder, link, pace, part_bytes(rate, capped=capped))

    def _has_room_for(self, size: int) -> bool:
        """Say whether what is prefetched has room: never into the reserve, nor more than half of a quota."""
        quota = self._proxy.retention.quota_gb
        if quota is not None and size > quota * GB / 2:
            return False
        return self._disk.room.free - size > self._disk.thresholds.stop

    def wake(self) -> None:
        """Let those who fetch look now."""
        for fetching in self._fetching:
            fetching.wake()

    def _arrive(self) -> float:
        new, more = self.catalogue.advance()
        if new:
            self._announcing.wake()
            self._hear(new)
        if new and self._proxy.prefetch.count:
            self._schedule.arrived(new)
            self._prefetching.wake()
        return 0.0 if more else ARRIVALS_INTERVAL

    def _announce(self) -> float:
        return 0.0 if self._announcer.step() else ANNOUNCE_INTERVAL

    def _prefetch(self) -> float:
        more = self._prefetcher.step()
        self.wake()
        return 0.0 if more else PREFETCH_INTERVAL

    def _open(self) -> float:
        self.openings.act()
        return OPENINGS_INTERVAL

    def _opened(self, opening: Opening) -> None:
        self.returns.opened(opening.identity, opening.study_uid)
