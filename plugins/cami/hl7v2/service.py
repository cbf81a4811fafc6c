"""All parts of HL7 v2, put together for one centre."""

from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from cami.clock import Clock
from cami.errors import NotFound
from cami.events import EventLog, NewEvent
from cami.hl7v2.deeds import Deeds
from cami.hl7v2.intake import Hl7Intake, refused_without_reading
from cami.hl7v2.kept import KeptMessages
from cami.hl7v2.listener import Listener
from cami.hl7v2.peers import Peers
from cami.hl7v2.rendering import Rendering
from cami.hl7v2.sending import Hl7Sender
from cami.mis import Hook, Hooks, MisService, OutMessage, Sent, Subscription
from cami.orders import Order, Orders, Patients
from cami.region import Region

#: How an address of the queue says that it is told by HL7 v2.
SCHEME = "mllp://"


class Hl7Service:
    """HL7 v2 of the centre: the listener, what was refused, and sending."""

    def __init__(
        self, *, engine: Engine, clock: Clock, region: Region, mis: MisService, orders: Orders, patients: Patients,
        events: EventLog, base: str, secrets: Path,
    ) -> None:  # fmt: skip
        """Make it; `secrets` is the folder with certificates, `base` the address of the centre."""
        self._mis = mis
        zone = ZoneInfo(region.time_zone)
        self.peers = Peers(region)
        self.kept = KeptMessages(engine, clock)

        def tell(connection: Connection, order: Order, by: str) -> None:
            payload = {"order": order.number, "mo": order.mo, "state": order.state.value, "changed": [], "by": by}
            key = patients.root_in(connection, order.patient)
            events.append(connection, NewEvent("order.changed", key, payload))

        deeds = Deeds(self.peers, mis, orders, patients)
        self.intake = Hl7Intake(
            peers=self.peers, mis=mis, kept=self.kept, deeds=deeds.all(), tell=tell, clock=clock, zone=zone,
        )  # fmt: skip
        self.sender = Hl7Sender(self.peers, Rendering(region, orders, base), clock, secrets)
        self.listener: Listener | None = None
        if region.hl7.listen is not None:
            self.listener = Listener(
                region.hl7.listen,
                self.intake.take,
                self.peers.may_connect,
                lambda: refused_without_reading("CAMI-0074", clock.now().astimezone(zone)),
                secrets,
            )

    def subscribe(self) -> None:
        """Bring the queue in line with the registry: who is told by HL7 v2, and where."""
        told = [each for each in self.peers.rules.systems if each.send is not None]
        self._mis.subscriptions.configure(
            SCHEME,
            [
                Hook(f"hl7-{each.name}", each.name, f"{SCHEME}{each.send.host}:{each.send.port}")
                for each in told
                if each.send is not None
            ],
        )

    def repeat(self, number: int | None, by: str) -> tuple[int, int]:
        """Carry out what was refused again, one or all; return how many went well, and how many did not."""
        well = badly = 0
        for each in [number] if number is not None else self.kept.open_numbers():
            try:
                done = self.intake.again(each, by)
            except NotFound:
                continue
            well, badly = well + done, badly + (not done)
        return well, badly


class Posting:
    """Sends a message by the way that its address names."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self.sender: Hl7Sender | None = None
        """Set when HL7 v2 is there."""

    def post(self, subscription: Subscription, message: OutMessage) -> Sent:
        """Send one message; never raises."""
        if not subscription.endpoint.startswith(SCHEME):
            return self._hooks.post(subscription, message)
        return Sent(0, "no-answer") if self.sender is None else self.sender.post(subscription, message)
