"""From orders to worklists, at the centre: follows the events of orders and patients into the feed."""

from collections.abc import Callable, Collection
from typing import Literal

from sqlalchemy import Engine, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import study_match
from cami.errors import NotFound
from cami.events import Event, EventLog, Reader
from cami.orders import OpenOrder, Orders, Patient, Patients
from cami.orders.identifiers import Kind
from cami.region import Organization, Region
from cami.worklist.entry import Entry, Priority, State
from cami.worklist.feed import Feed

CONSUMER = "worklist"
KINDS = (
    "order.accepted",
    "order.annulled",
    "order.cancelled",
    "order.changed",
    "order.completed",
    "order.released",
    "order.replaced",
    "order.started",
    "patient.changed",
    "patient.merged",
    "patient.unmerged",
    "study.matched",
    "study.parted",
)
BATCH = 500


class FollowedElsewhereError(Exception):
    """Another process has dealt with these events; nothing was written."""

    @classmethod
    def unless(cls, moved: bool) -> None:
        """Raise unless the cursor was moved."""
        if not moved:
            raise cls


class Following:
    """Writes what has changed about orders into the feed of their МО."""

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock,
        events: EventLog,
        orders: Orders,
        patients: Patients,
        feed: Feed,
        region: Region,
        ring: Callable[[str], None],
    ) -> None:
        """Make it; `ring` is called with each МО whose proxy has something to read."""
        self._engine = engine
        self._reader = reading(engine)
        self._orders = orders
        self._patients = patients
        self._feed = feed
        self._organizations = {each.code: each for each in region.organizations}
        self._names = {each.code: each.short_name for each in region.organizations}
        self._ring = ring
        self._events = Reader(engine, clock, events, CONSUMER, KINDS)

    def step(self) -> bool:
        """Follow the next events; say whether there may be more."""
        before, events = self._events.read(BATCH)
        if not events:
            return False
        wanted = [
            (mo, number, entry)
            for order in self._touched(events)
            if (found := self._entry(order)) is not None
            for mo, number, entry in [found]
        ]
        try:
            with self._engine.begin() as connection:
                grown = self._feed.put(connection, wanted)
                FollowedElsewhereError.unless(self._events.moved_to(connection, before, events[-1].number))
        except FollowedElsewhereError:
            return True
        for mo in sorted(grown):
            self._ring(mo)
        return len(events) == BATCH

    def _touched(self, events: Collection[Event]) -> list[int]:
        """Return the numbers of the orders that events are about, each once, also of those that a patient has."""
        found: dict[int, None] = {}
        for event in events:
            if "order" in event.payload:
                found[int(event.payload["order"])] = None
                continue
            keys = {str(event.payload[name]) for name in ("patient", "source", "target") if name in event.payload}
            everybody = [one for key in sorted(keys) for one in self._patients.everybody(key)]
            numbers = [str(order.number) for order in self._orders.of_patients(everybody)]
            for number in sorted(self._feed.on_lists(numbers), key=int):
                found[int(number)] = None
        return list(found)

    def _entry(self, number: int) -> tuple[str, str, Entry | None] | None:
        try:
            opened = self._orders.opened(number)
        except NotFound:
            return None
        organization = self._organizations.get(opened.order.mo)
        if organization is None or organization.proxy is None:
            return opened.order.mo, str(number), None
        requester = self._names.get(opened.order.requesting_mo, "")
        return opened.order.mo, str(number), entry_of(opened, organization, requester, self._linked(number))

    def _linked(self, number: int) -> tuple[str, ...]:
        query = (
            select(study_match.c.study_uid)
            .where(study_match.c.order_number == number, study_match.c.state == "linked")
            .where(study_match.c.decided_by != "system")
            .order_by(study_match.c.study_uid)
        )
        with self._reader.connect() as connection:
            return tuple(connection.scalars(query))


def entry_of(opened: OpenOrder, organization: Organization, requester: str, studies: tuple[str, ...] = ()) -> Entry:
    """Return an order as the worklist of its МО has it."""
    order, patient = opened.order, opened.patient
    person = patient.person
    system, value = patient_number(patient, organization)
    birth_date = person.birth_date.replace("-", "")
    return Entry(
        number=str(order.number),
        accession=order.accession,
        study_uid=order.study_uid,
        modality=order.modality,
        patient_id=value,
        patient_name="^".join([person.family, person.given, person.middle]).rstrip("^"),
        state=State(order.state.value),
        priority=Priority(order.priority),
        device=order.device_aet,
        scheduled_at=order.scheduled_at,
        issuer=system,
        patient=patient.key,
        birth_date=birth_date if len(birth_date) == 8 else "",
        sex=person.sex,
        snils=_number(patient, organization, "snils"),
        enp=_number(patient, organization, "enp"),
        procedure_system=order.procedure_system,
        procedure_code=order.procedure_code,
        procedure_text=order.procedure_text,
        body_part=order.body_part,
        referrer="^".join(order.requester.split()[:3]),
        requester=requester,
        diagnosis=order.diagnosis_code,
        note=order.note,
        placer=order.placer_number,
        manual=order.manual,
        studies=studies,
    )


def _number(patient: Patient, organization: Organization, name: Literal["snils", "enp"]) -> str:
    """Return a patient's СНИЛС or ЕНП if the МО wants its devices to know it."""
    if organization.proxy is None or name not in organization.proxy.worklist.other_patient_ids:
        return ""
    found = patient.identifier(Kind(name))
    return found.value if found else ""


def patient_number(patient: Patient, organization: Organization) -> tuple[str, str]:
    """Return whose number and which a patient has at an МО: of its own МИС, of another, its own, the index's key."""
    of_mis = [each for each in patient.person.identifiers if each.kind is Kind.MIS]
    of_mis.sort(key=lambda each: not each.system.startswith(f"urn:oid:{organization.oid}."))
    local = [each for each in patient.person.identifiers if each.kind is Kind.LOCAL]
    for each in [*of_mis, *local]:
        return each.system, each.value
    return "", patient.key
