"""An order makes an МО responsible for a patient: it sees the patient's earlier studies of other МО for a set time.

Who gives the order (МО that makes the images, and МО that sends the patient) gets grants for studies that are linked to
orders of the same person, and for those that nobody ordered but whose Patient ID is a number of this person alone
(reference/domain.md §3.2): the number in the МИС of the very МО that made the images, or a СНИЛС, with the date of
birth; the number in a МИС of several МО, where a card of one of them may have the same, with the family name as well.
Nothing is concluded from a name alone. An order that is withdrawn ends them. Orders entered by hand give nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta

from sqlalchemy import Connection, Engine, or_, select

from cami.access import Cause, GrantBook, NewGrant
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import imaging_order, indexed_name, indexed_study, patient, patient_identifier, study, study_match
from cami.errors import NotFound
from cami.events import Event, EventLog, Reader
from cami.index.folding import fold_name, latin
from cami.mis.studies import linked
from cami.orders import Order, Orders, Patients
from cami.orders.identifiers import ENP, SNILS, Kind, canonical, snils_ok

#: How long after the order the earlier studies stay visible.
LASTS = timedelta(days=30)
BATCH = 50
_ENDS = frozenset({"order.cancelled", "order.annulled"})


class CareRelations:
    """The consumer ``care-relations`` of events. Thread-safe by its cursor."""

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock,
        events: EventLog,
        orders: Orders,
        patients: Patients,
        grants: GrantBook,
        organizations: Mapping[str, str],
    ) -> None:
        """Make it; `organizations` are the codes of the МО by their ОИД."""
        self._organizations = dict(organizations)
        self._engine = engine
        self._read = reading(engine)
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
        """Yield Study Instance UID and owner of the studies that are a patient's for sure (`PatientStudies`)."""
        keys = self._patients.everybody(patient)
        numbers = list(connection.scalars(select(imaging_order.c.number).where(imaging_order.c.patient.in_(keys))))
        links = linked(connection, study_match.c.order_number.in_(numbers))
        query = select(study.c.study_uid, study.c.owner).where(study.c.study_id.in_(sorted(links))).distinct()
        for row in connection.execute(query):
            yield row.study_uid, row.owner
        yield from self._unordered(connection, keys)

    def known_by(self, number: str, birth_date: date) -> Collection[tuple[str, str]]:
        """Return the same of everybody who has a СНИЛС, an ЕНП or a number in a МИС and was born on that day."""
        spellings = {number.strip(), *(canonical(system, number).value for system in (SNILS, ENP))}
        query = (
            select(patient_identifier.c.patient)
            .join_from(patient_identifier, patient, patient.c.key == patient_identifier.c.patient)
            .where(patient_identifier.c.value.in_(sorted(spellings)), patient.c.birth_date == birth_date.isoformat())
        )
        with self._read.connect() as connection:
            people = sorted(set(connection.scalars(query)))
            return sorted({each for key in people for each in self.studies_of(connection, key)})

    def _unordered(self, connection: Connection, keys: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yield the studies whose Patient ID is a number of this person alone."""
        columns = (patient_identifier.c.system, patient_identifier.c.value, patient.c.birth_date, patient.c.family)
        query = select(*columns).join_from(patient_identifier, patient, patient.c.key == patient_identifier.c.patient)
        query = query.where(
            patient.c.key.in_(keys), or_(patient_identifier.c.kind == Kind.MIS, patient_identifier.c.system == SNILS)
        )
        for known in connection.execute(query).all():
            born = known.birth_date.replace("-", "")
            if len(born) != 8:
                continue
            owners = [code for oid, code in self._organizations.items() if known.system.startswith(f"urn:oid:{oid}.")]
            found = (
                select(indexed_study.c.study_uid, indexed_study.c.owner)
                .join_from(indexed_study, indexed_name, indexed_name.c.name_id == indexed_study.c.name_id)
                .where(
                    indexed_study.c.owner.in_(owners or self._organizations.values()),
                    indexed_study.c.patient_id.in_(_written(known.system, known.value)),
                    indexed_study.c.birth_date == born,
                )
            )
            if not owners and known.system != SNILS:
                family = fold_name(known.family)
                same = (indexed_name.c.folded.startswith(family), indexed_name.c.latin.startswith(latin(family)))
                found = found.where(or_(*same))
            yield from ((row.study_uid, row.owner) for row in connection.execute(found))

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


def _written(system: str, value: str) -> list[str]:
    """Return how a number may stand in the Patient ID, as the study index folds it."""
    if system != SNILS:
        return [value.lower()]
    if not snils_ok(value):
        return []
    parts = value[:3], value[3:6], value[6:9]
    return [value, f"{'-'.join(parts)} {value[9:]}", f"{'-'.join(parts)}-{value[9:]}"]
