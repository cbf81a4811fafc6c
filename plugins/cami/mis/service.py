"""All parts of the face to the МИС, put together for one centre."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from cami.access import GrantBook
from cami.audit import AuditTrail
from cami.clock import Clock
from cami.events import EventLog
from cami.mis import tidings
from cami.mis.announcer import Announcer
from cami.mis.asked import AskedConsultations
from cami.mis.care import CareRelations
from cami.mis.consultation_intake import ConsultationIntake
from cami.mis.directories import Directories
from cami.mis.face import Face
from cami.mis.guests import Guests
from cami.mis.intake import Intake
from cami.mis.launch import Launches
from cami.mis.limits import Limits
from cami.mis.messages import Messages
from cami.mis.order_profile import OrderProfile
from cami.mis.ports import ConsultationDesk, NoConsultations, NoReports, SignedReports
from cami.mis.reads import Reads
from cami.mis.repeats import Answers
from cami.mis.sender import Post, Sender
from cami.mis.signed import ClientKeys, Signed
from cami.mis.store import Resources
from cami.mis.studies import Studies
from cami.mis.subscribing import add_subscribing
from cami.mis.subscriptions import Subscriptions
from cami.mis.tidings import OrderTidings, StudyWatch
from cami.mis.tokens import TOKEN_PATH, Check, Tokens, token_endpoint
from cami.mis.transactions import Transactions
from cami.mis.writes import Writes
from cami.orders import Orders, Patients
from cami.region import Region
from cami.web import Endpoint

#: An assertion may be good for so long (SMART Backend Services).
ASSERTION_LIFE = timedelta(minutes=5)


class MisService:
    """The face to the МИС, and what stands behind it."""

    def __init__(
        self, *, engine: Engine, clock: Clock, region: Region, events: EventLog, trail: AuditTrail, check: Check,
        base: str, patients: Patients, orders: Orders, reports: SignedReports | None = None, post: Post | None = None,
        grants: GrantBook | None = None, allow_plain_http: bool = False, desk: ConsultationDesk | None = None,
        keys: Path | None = None, limits: Limits | None = None,
    ) -> None:  # fmt: skip
        """Make it.

        Parameters
        ----------
        check
            Checks the login and password of a client.
        base
            Address under which the МИС knows the centre, without a slash at its end.
        reports
            Where signed reports are found.
        post
            Sends a message; tests have their own.
        grants
            Gives and ends grants.
        keys
            Folder with the public keys of clients.
        limits
            How much a client may ask.
        desk
            Takes consultations that the МИС asks for.
        allow_plain_http
            Whether messages may go to an address without TLS that is not this machine: where a tunnel encrypts.
        """
        zone = ZoneInfo(region.time_zone)
        self._oids: Mapping[str, str] = {each.code: each.oid for each in region.organizations}
        self._check = check
        self.resources = Resources(engine, clock)
        self.studies = Studies(engine)
        self.tokens = Tokens(engine, clock)
        self.signed = Signed(engine, clock, ClientKeys(keys))
        self._engine = engine
        self._token_url = f"{base}{TOKEN_PATH}"
        self.answers = Answers(engine, clock)
        codes = {oid: code for code, oid in self._oids.items()}
        asked = AskedConsultations(engine, desk or NoConsultations(), codes.get)
        self.intake = intake = Intake(
            asked=ConsultationIntake(asked, events, oid_of=self.oid_of, zone=zone),
            profile=OrderProfile(region),
            patients=patients,
            orders=orders,
            resources=self.resources,
            events=events,
            oid_of=self.oid_of,
            zone=zone,
        )
        self.reads = Reads(
            directories=Directories(region),
            trail=trail,
            asked=asked,
            engine=engine,
            orders=orders,
            patients=patients,
            resources=self.resources,
            studies=self.studies,
            oid_of=self.oid_of,
            base=base,
            zone=zone,
        )
        self.transactions = Transactions(intake, zone)
        self.writes = Writes(
            engine=engine,
            intake=intake,
            transactions=self.transactions,
            patients=patients,
            answers=self.answers,
            events=events,
            trail=trail,
        )
        self.face = Face(
            tokens=self.tokens, reads=self.reads, writes=self.writes, trail=trail, clock=clock, base=base, limits=limits
        )
        book = grants or GrantBook(clock, trail)
        self.care = CareRelations(
            engine=engine,
            clock=clock,
            events=events,
            orders=orders,
            patients=patients,
            grants=book,
            organizations=codes,
        )
        self.guests = Guests(engine, clock)
        self.launches = Launches(
            engine=engine,
            clock=clock,
            orders=orders,
            patients=patients,
            guests=self.guests,
            trail=trail,
            grants=book,
            code_of=codes.get,
            base=base,
            signed=self.signed,
        )
        self.launches.add_to(self.face)
        self.subscriptions = Subscriptions(engine, clock, codes.get, plain_http=allow_plain_http)
        self.messages = Messages(engine, clock)
        add_subscribing(self.face, self.writes, self.subscriptions, self.messages)
        telling = OrderTidings(
            asked=asked,
            engine=engine,
            clock=clock,
            orders=orders,
            patients=patients,
            studies=self.studies,
            reads=self.reads,
            reports=reports or NoReports(),
            oid_of=self.oid_of,
            zone=zone,
        )
        self.announcer = Announcer(
            engine=engine,
            clock=clock,
            events=events,
            subscriptions=self.subscriptions,
            messages=self.messages,
            tidings=telling.of,
            kinds=tidings.KINDS,
        )
        self.watch = StudyWatch(engine, clock, events)
        self.sender = Sender(engine, clock, self.subscriptions, self.messages, post)

    def oid_of(self, mo: str) -> str:
        """Return the ОИД of an МО; its code if the registry does not know it (any more)."""
        return self._oids.get(mo, mo)

    def _alive(self, client: str) -> None:
        """Try a МИС at once that was silent and now asks for a token."""
        self.subscriptions.wake(client=client)

    def _asserted(self, assertion: str) -> str | None:
        """Return the client that has signed an assertion, used once (RFC 7523 §3, SMART Backend Services)."""
        claims = self.signed.claims(assertion, self._token_url, ASSERTION_LIFE)
        if claims is None or claims.get("sub") != claims["iss"]:
            return None
        try:
            with self._engine.begin() as connection:
                self.signed.use(connection, claims)
        except IntegrityError:
            return None
        return str(claims["iss"])

    def endpoints(self) -> list[Endpoint]:
        """Return what has to be registered."""
        return [token_endpoint(self.tokens, self._check, self._alive, self._asserted), self.face.endpoint()]
