"""An order makes an МО responsible for a patient: it sees the patient's earlier studies of other МО for a set time.

Who gives the order (МО that makes the images, and МО that sends the patient) gets grants for studies that are linked to
orders of the same person; nothing is concluded from a card number that another МО may use too. An order that is
withdrawn ends them. Orders that somebody entered by hand give nothing.
"""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection, Engine, select

from cami.access import Cause, GrantBook, NewGrant
from cami.clock import Clock
from cami.db.tables import imaging_order, study, study_match
from cami.errors import NotFound
from cami.events import Event, EventLog, Reader
from cami.mis.studies import linked
from cami.orders import Order, Orders, Patients

#: How long after the order the earlier studies stay visible.
LASTS = timedelta(days=30)
BATCH = 50
_ENDS = frozenset({"order.cancelled", "order.annulled"})


class CareRelations:
    """The consumer ``care-relations`` of events. Thread-safe by its cursor."""

    def __init__(
        self, *, engine: Engine, clock: Clock, events: EventLog, orders: Orders, patients: Patients, grants: GrantBook
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._orders = orders
        self._patients = patients
        self._grants = grants
        self._reader = Reader(engine, clock, events, "care-relations", {"order.accepted", *_ENDS})

    def step(self) -> bool:
        """Give and end what some events ask for; say whether there may be more."""
        before, events = self._reader.read(BATCH)
        if not events:
            return False
        with self._engine.begin() as connection:
            if not self._reader.moved_to(connection, before, events[-1].number):
                return True  # another replica was faster
            for event in events:
                self._follow(connection, event)
        return len(events) == BATCH

    def studies_of(self, connection: Connection, patient: str) -> Iterable[tuple[str, str]]:
        """Yield Study Instance UID and owner of the studies that were ordered for a patient (`PatientStudies`)."""
        keys = self._patients.everybody(patient)
        numbers = list(connection.scalars(select(imaging_order.c.number).where(imaging_order.c.patient.in_(keys))))
        links = linked(connection, study_match.c.order_number.in_(numbers))
        query = select(study.c.study_uid, study.c.owner).where(study.c.study_id.in_(sorted(links))).distinct()
        for row in connection.execute(query):
            yield row.study_uid, row.owner

    def _follow(self, connection: Connection, event: Event) -> None:
        try:
            order = self._orders.get_in(connection, int(event.payload["order"]))
        except NotFound:
            return
        if order.manual:
            return
        if event.kind in _ENDS:
            self._grants.end(
                connection, cause=Cause.ORDER, reference=order.accession, by=order.source, why=order.state.value
            )
        else:
            self._give(connection, order)

    def _give(self, connection: Connection, order: Order) -> None:
        until = self._clock.now() + LASTS
        for mo in sorted({order.mo, order.requesting_mo} - {""}):
            grant = NewGrant(
                study_uid="",
                owner="",
                mo=mo,
                cause=Cause.ORDER,
                reference=order.accession,
                by=order.source,
                until=until,
            )
            self._grants.give_patient(connection, self, order.patient, grant)
