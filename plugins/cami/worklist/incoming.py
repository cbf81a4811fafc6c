"""Orders that an МО has written by hand (F-30), placed at the centre when its proxy brings them.

An order comes at least once: its number at the proxy is its placer's number, so it is placed once. It keeps the
accession number and the Study Instance UID that the proxy has given it, since the device may have used them already.
"""

from sqlalchemy import Engine
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
                known = self._patients.put(connection, _person(entry, system), f"proxy-{mo}")
                order, new = self._orders.place(connection, self._order(mo, entry, known.patient.key, made_by))
        except IntegrityError as error:
            raise Conflict("the accession number or the UID is another order's") from error
        if new:
            self._events.announce()
        return entry_of(self._orders.opened(order.number), self._organizations[mo], "")

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
