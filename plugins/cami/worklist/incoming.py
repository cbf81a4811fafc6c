"""Orders that an МО has written by hand (F-30), placed at the centre when its proxy brings them.

An order comes at least once: its number at the proxy is its placer's number, so it is placed once. It keeps the
accession number and the Study Instance UID that the proxy has given it, since the device may have used them already.
"""

from dataclasses import replace

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from cami.errors import Conflict, Invalid
from cami.events import EventLog
from cami.orders import Identifier, NewOrder, Orders, Patients, Person
from cami.region import Region
from cami.worklist.entry import Entry
from cami.worklist.following import entry_of


class Incoming:
    """Places orders that proxies bring."""

    def __init__(self, *, engine: Engine, events: EventLog, orders: Orders, patients: Patients, region: Region) -> None:
        self._engine = engine
        self._events = events
        self._orders = orders
        self._patients = patients
        self._organizations = {each.code: each for each in region.with_proxy}

    def place(self, mo: str, entry: Entry, made_by: str) -> Entry:
        """Place an order that the МО `mo` has written; return it as its worklist will have it.

        Raises
        ------
        cami.errors.Invalid
            It is no order of that МО.
        cami.errors.Conflict
            Its accession number or UID is another order's, or its patient's numbers are different people's.
        """
        if not entry.manual or not entry.number.startswith(f"{mo}:") or not entry.patient_name:
            raise Invalid("the order is none that was written by hand at this МО")
        system = entry.issuer or f"urn:cami:local:{mo}"
        if not system.startswith(("urn:cami:local:" + mo, "urn:oid:")):
            raise Invalid("the patient's number is none of this МО")
        try:
            with self._engine.begin() as connection:
                patient = self._patient(connection, mo, entry, system)
                order, new = self._orders.place(connection, self._order(mo, entry, patient, made_by))
        except IntegrityError as error:
            raise Conflict("the accession number or the UID is another order's") from error
        if new:
            self._events.announce()
        return entry_of(self._orders.opened(order.number), self._organizations[mo], "")

    def _patient(self, connection: Connection, mo: str, entry: Entry, system: str) -> str:
        """Return whose the order is: who has that number, if birth date and sex agree, as the МИС knows them.

        What a technologist types changes nothing about somebody who is known. A number that somebody else has makes a
        patient of its own: a person will find that out in reconciliation.
        """
        person = _person(entry, system)
        for system_ in (system, f"urn:cami:local:{mo}:{entry.number}"):
            wanted = replace(person, identifiers=(Identifier(system_, entry.patient_id),))
            known = self._patients.of_identifier(wanted.identifiers[0])
            if not known:
                return self._patients.put(connection, wanted, f"proxy-{mo}").patient.key
            root = self._patients.root_in(connection, known[0].key)
            if _agree(person, self._patients.get_in(connection, [root])[root].person):
                return root
        raise Conflict("the patient's number is somebody else's")

    def _order(self, mo: str, entry: Entry, patient: str, made_by: str) -> NewOrder:
        return NewOrder(
            placer_system=f"urn:cami:manual:{mo}",
            placer_number=entry.number,
            source=f"manual:{made_by or mo}"[:64],
            accession=entry.accession,
            study_uid=entry.study_uid,
            patient=patient,
            mo=mo,
            requesting_mo=mo,
            device_aet=entry.device,
            modality=entry.modality,
            procedure_text=entry.procedure_text,
            procedure_system=entry.procedure_system,
            procedure_code=entry.procedure_code,
            body_part=entry.body_part,
            priority=entry.priority.value,
            scheduled_at=entry.scheduled_at,
            requester=entry.referrer.replace("^", " "),
            diagnosis_code=entry.diagnosis,
            note=entry.note,
        )


def _agree(one: Person, other: Person) -> bool:
    pairs = ((one.birth_date, other.birth_date), (one.sex, other.sex))
    return all(not mine or not theirs or mine == theirs for mine, theirs in pairs)


def _person(entry: Entry, system: str) -> Person:
    family, given, middle = (*entry.patient_name.split("^"), "", "")[:3]
    day = entry.birth_date
    return Person(
        family=family,
        given=given,
        middle=middle,
        birth_date=f"{day[:4]}-{day[4:6]}-{day[6:]}" if len(day) == 8 else "",
        sex=entry.sex if entry.sex in ("M", "F", "O") else "",
        identifiers=(Identifier(system, entry.patient_id),),
    )
