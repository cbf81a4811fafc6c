"""All parts of the face to the МИС, put together for one centre."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cami.audit import AuditTrail
from cami.clock import Clock
from cami.events import EventLog
from cami.mis.face import Face
from cami.mis.intake import Intake
from cami.mis.order_profile import OrderProfile
from cami.mis.reads import Reads
from cami.mis.repeats import Answers
from cami.mis.store import Resources
from cami.mis.studies import IssuedNumbers, Links, Studies
from cami.mis.tokens import Check, Tokens, token_endpoint
from cami.mis.transactions import Transactions
from cami.mis.writes import Writes
from cami.orders import Orders, Patients
from cami.region import Region
from cami.web import Endpoint


class MisService:
    """The face to the МИС, and what stands behind it."""

    def __init__(
        self, *, engine: Engine, clock: Clock, region: Region, events: EventLog, trail: AuditTrail, check: Check,
        base: str, links: Links | None = None,
    ) -> None:  # fmt: skip
        """Make it.

        Parameters
        ----------
        check
            Checks the login and password of a client.
        base
            Address under which the МИС knows the centre, without a slash at its end.
        links
            Which study belongs to which order.
        """
        zone = ZoneInfo(region.time_zone)
        self.engine = engine
        self.zone = zone
        self._oids: Mapping[str, str] = {each.code: each.oid for each in region.organizations}
        self.patients = Patients(engine, clock, events)
        self.orders = Orders(engine, clock, events, self.patients, zone)
        self.resources = Resources(engine, clock)
        self.studies = Studies(engine, links or IssuedNumbers())
        self.tokens = Tokens(engine, clock)
        self.answers = Answers(engine, clock)
        intake = Intake(
            profile=OrderProfile(region),
            patients=self.patients,
            orders=self.orders,
            resources=self.resources,
            events=events,
            oid_of=self.oid_of,
            zone=zone,
        )
        self.reads = Reads(
            engine=engine,
            orders=self.orders,
            patients=self.patients,
            resources=self.resources,
            studies=self.studies,
            oid_of=self.oid_of,
            base=base,
            zone=zone,
        )
        writes = Writes(
            engine=engine,
            intake=intake,
            transactions=Transactions(intake, zone),
            patients=self.patients,
            answers=self.answers,
            events=events,
            trail=trail,
        )
        self.face = Face(tokens=self.tokens, reads=self.reads, writes=writes, trail=trail, clock=clock, base=base)
        self._check = check

    def oid_of(self, mo: str) -> str:
        """Return the ОИД of an МО; its code if the registry does not know it (any more)."""
        return self._oids.get(mo, mo)

    def endpoints(self) -> list[Endpoint]:
        """Return what has to be registered."""
        return [token_endpoint(self.tokens, self._check), self.face.endpoint()]
