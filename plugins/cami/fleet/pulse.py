"""The proxy's side: what it knows of itself is put together and told, each minute; devices are called now and then."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Engine, func, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import audit_record
from cami.delivery.order import Priority
from cami.dimse import Peer, echo
from cami.errors import Permanent, Transient
from cami.fleet.vitals import DeviceState, Vitals
from cami.region import Device
from cami.watch.transfer import Transfer

#: Seconds between two heartbeats, and after one that nobody heard.
INTERVAL, AGAIN = 60.0, 15.0
#: Seconds between two calls of the same device.
ECHO_INTERVAL = 300.0


class Line(Protocol):
    """The line; `cami.delivery.CentralLink` is one."""

    def ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Make a small call."""
        ...


class Devices:
    """What a proxy knows of its devices."""

    def __init__(self, engine: Engine, devices: Sequence[Device], calling: str) -> None:
        self._reader = reading(engine)
        self._devices = tuple(devices)
        self._calling = calling
        self._answers: dict[str, bool] = {}

    def call(self) -> None:
        """Say hello to each that listens (C-ECHO); one after the other, each has seconds to answer."""
        for device in self._devices:
            if device.port is None:
                continue
            try:
                answered = echo(Peer(device.address, device.port, device.aet, self._calling)) == 0
            except (Transient, Permanent, OSError):
                answered = False
            self._answers[device.aet] = answered

    def states(self) -> list[DeviceState]:
        """Return how each is; when its last study began to come, the journal knows (`cami.delivery.journal`)."""
        found = []
        with self._reader.connect() as connection:
            for device in self._devices:
                last = connection.scalar(
                    select(func.max(audit_record.c.at)).where(audit_record.c.actor == f"device:{device.aet}")
                )
                found.append(DeviceState(device.aet, last, self._answers.get(device.aet)))
        return found


class Pulse:
    """Tells."""

    def __init__(
        self,
        link: Line,
        transfer: Transfer,
        devices: Devices,
        *,
        clock: Clock,
        version: str,
        certificate_until: Callable[[], datetime | None],
    ) -> None:
        self._link = link
        self._transfer = transfer
        self._devices = devices
        self._clock = clock
        self._version = version
        self._certificate_until = certificate_until
        self._round_trip: float | None = None

    def step(self) -> float:
        """Tell, and return how long to wait."""
        began = time.monotonic()
        document = self.vitals().to_json()
        sent = time.monotonic()
        try:
            self._link.ask("POST", "/heartbeat", document)
        except Transient:
            return AGAIN
        self._round_trip = time.monotonic() - sent
        return max(1.0, INTERVAL - (time.monotonic() - began))

    def vitals(self) -> Vitals:
        """Return how this proxy is."""
        queue, disk = self._transfer.queue(), self._transfer.disk
        pressing = [each.oldest for each in queue.by_class.values() if each.priority <= Priority.PLANNED]
        return Vitals(
            version=self._version,
            at=self._clock.now(),
            round_trip=self._round_trip,
            waiting=queue.instances,
            waiting_bytes=queue.size,
            oldest_urgent=min(pressing, default=None),
            troubled=queue.totals.rejected + queue.totals.lost + queue.totals.quarantined,
            disk_state=str(disk.state),
            disk_free=disk.room.free,
            disk_total=disk.room.total,
            certificate_until=self._certificate_until(),
            devices=self._devices.states(),
        )
