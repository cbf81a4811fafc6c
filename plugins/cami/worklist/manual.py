"""Orders that a technologist writes by hand (F-30): on the worklist at once, at the centre when the line is there."""

import logging
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cami.clock import Clock
from cami.errands import Asking
from cami.errors import Denied, Invalid, NotFound, Transient
from cami.worklist.entries import Entries, own_number
from cami.worklist.entry import Entry, Priority

log = logging.getLogger(__name__)

#: Orders in one call.
BATCH = 20
_ACCESSION = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What somebody has written."""

    family: str
    given: str = ""
    middle: str = ""
    birth_date: str
    """YYYYMMDD."""
    sex: str
    patient_id: str
    issuer: str = ""
    """Whose number it is; empty: the МО's own."""
    modality: str
    device: str = ""
    procedure: str
    body_part: str = ""
    priority: Priority = Priority.ROUTINE
    referrer: str = ""
    diagnosis: str = ""
    note: str = ""
    scheduled_at: datetime | None = None


class ManualOrders:
    """Writes orders by hand, and brings them to the centre."""

    def __init__(self, mo: str, entries: Entries, link: Asking, clock: Clock, zone: ZoneInfo) -> None:
        self._mo = mo
        self._entries = entries
        self._link = link
        self._clock = clock
        self._zone = zone
        self.wake: Callable[[], None] = lambda: None

    def write(self, written: Written, login: str) -> Entry:
        """Put an order on the worklist; the centre is told as soon as the line allows."""
        name = "^".join([written.family.strip(), written.given.strip(), written.middle.strip()]).rstrip("^")
        entry = Entry(
            number=own_number(self._mo),
            accession=self._accession(),
            study_uid=f"2.25.{uuid.uuid4().int}",
            modality=written.modality,
            patient_id=written.patient_id.strip(),
            patient_name=name,
            priority=written.priority,
            device=written.device,
            scheduled_at=written.scheduled_at,
            issuer=written.issuer or f"urn:cami:local:{self._mo}",
            birth_date=written.birth_date,
            sex=written.sex,
            procedure_text=written.procedure.strip(),
            body_part=written.body_part,
            referrer="^".join(written.referrer.split()[:3]),
            diagnosis=written.diagnosis.strip(),
            note=written.note.strip(),
            manual=True,
        )
        self._entries.add(entry, login)
        log.info("an order was written by hand")
        self.wake()
        return entry

    def send(self) -> bool:
        """Bring orders to the centre; say whether there may be more.

        Raises
        ------
        cami.errors.Transient
            The line is down.
        """
        waiting = self._entries.untold(BATCH)
        if not waiting:
            return False
        orders = [{"entry": each.entry.to_json(), "made_by": each.made_by} for each in waiting]
        try:
            answers = self._link.ask("POST", "/orders", {"orders": orders})["orders"]
        except (NotFound, Denied, KeyError) as error:
            raise Transient(f"the centre takes no orders: {error}") from error
        for answer in answers:
            number = str(answer["number"])
            if "refused" in answer:
                log.error("the centre does not take an order that was written by hand: %s", answer["refused"])
                self._entries.refused(number, str(answer["refused"])[:64])
                continue
            try:
                self._entries.taken(number, Entry.parse(answer["entry"]))
            except Invalid as error:
                raise Transient(str(error)) from error
        return len(waiting) == BATCH

    def _accession(self) -> str:
        """Issue an accession number that no other МО issues: its code, the day, and four digits."""
        day = self._clock.now().astimezone(self._zone).strftime("%y%m%d")
        head = f"M{self._mo}{day}".upper()
        digits = _ACCESSION - len(head)
        if digits < 4:
            head, digits = f"M{day}", _ACCESSION - 7
        for _ in range(100):
            number = head + "".join(secrets.choice("0123456789") for _ in range(digits))
            if not self._entries.has_accession(number):
                return number
        raise Transient("no accession number is free today")
