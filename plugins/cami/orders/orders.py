"""Orders: placed, changed, cancelled, begun, completed; each with its event in the same transaction."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, select, update

from cami.clock import REGION_ZONE, Clock
from cami.db import reading
from cami.db.tables import imaging_order
from cami.errors import Conflict, Invalid, NotFound
from cami.events import EventLog, NewEvent
from cami.orders import statements
from cami.orders.order import CHANGEABLE, SOFT, NewOrder, OpenOrder, Order, new_order_of, order_of
from cami.orders.patients import Patients
from cami.orders.states import Command, State, after

_OPEN = (State.ACCEPTED, State.STARTED)
_ENDED = frozenset({State.COMPLETED, State.CANCELLED, State.ANNULLED, State.REPLACED})


class Orders:
    """The table ``imaging_order``. Thread-safe."""

    def __init__(
        self, engine: Engine, clock: Clock, events: EventLog, patients: Patients, zone: ZoneInfo = REGION_ZONE
    ) -> None:
        """Make the service; `zone` is the region's, whose day stands in accession numbers."""
        self._reader = reading(engine)
        self._clock = clock
        self._events = events
        self._patients = patients
        self._zone = zone

    def place(self, connection: Connection, new: NewOrder) -> tuple[Order, bool]:
        """Place an order in the caller's transaction; return it, and whether it is new.

        The placer's number is its natural key: the same number again is the order that is there, unchanged.
        """
        before = self.of_placer_in(connection, new.placer_system, new.placer_number)
        if before is not None:
            return before, False
        now = self._clock.now()
        values = asdict(new) | {
            "accession": new.accession or uuid4().hex[:16],  # replaced below, when the number is known
            "study_uid": new.study_uid or f"2.25.{uuid4().int}",  # PS3.5 B.2
            "state": State.ACCEPTED.value,
            "version": 1,
            "created_at": now,
            "changed_at": now,
        }
        made = connection.execute(statements.NEW_ORDER, values)
        number = int(made.inserted_primary_key[0]) if made.inserted_primary_key else 0
        if not new.accession:
            values["accession"] = issue_accession(number, now.astimezone(self._zone))
            connection.execute(statements.ACCESSION, {"of": number, "issued": values["accession"]})
        placed = new_order_of(number, values)
        self._tell(connection, "order.accepted", placed, [])
        return placed, True

    def change(
        self, connection: Connection, number: int, changes: Mapping[str, Any], *, by: str, version: int | None = None
    ) -> Order:
        """Change fields of `Wanted`; what stays the same is no change, and no change at all is no new version.

        Raises
        ------
        cami.errors.Conflict
            The study has begun or the order has ended, or it is not of that version (any more).
        """
        if unknown := set(changes) - CHANGEABLE:
            raise Invalid(f"an order has no {', '.join(sorted(unknown))}")
        before = self._of_version(connection, number, version)
        real = {name: value for name, value in changes.items() if getattr(before, name) != value}
        if not real:
            return before
        command = Command.ANNOTATE if real.keys() <= SOFT else Command.CHANGE
        state, event = after(before.state, command)
        begun = before.state is not State.ACCEPTED
        self._write(connection, before, state, **real, changed_after_start=before.changed_after_start or begun)
        changed = self.get_in(connection, number)
        self._tell(connection, event, changed, sorted(real), by)
        return changed

    def cancel(
        self, connection: Connection, number: int, reason: str, text: str, *, by: str, version: int | None = None
    ) -> Order:
        """Cancel an order that has not begun.

        Raises
        ------
        cami.errors.Conflict
            It has begun or ended.
        """
        values = {"state_reason": reason, "state_text": text}
        return self._go(connection, number, Command.CANCEL, by=by, version=version, **values)

    def annul(self, connection: Connection, number: int, reason: str, text: str, *, by: str) -> Order:
        """Withdraw an order that has begun: an administrator's act; the images stay."""
        return self._go(connection, number, Command.ANNUL, by=by, state_reason=reason, state_text=text)

    def started(self, connection: Connection, number: int, *, by: str, at: datetime | None = None) -> Order:
        """Note that the study has begun; told again it changes nothing."""
        return self._go(connection, number, Command.START, by=by, started_at=at or self._clock.now())

    def completed(self, connection: Connection, number: int, *, by: str, at: datetime | None = None) -> Order:
        """Note that all images are there; told again it changes nothing."""
        before = self.get_in(connection, number)
        moment = at or self._clock.now()
        started = before.started_at or moment
        return self._go(connection, number, Command.COMPLETE, by=by, started_at=started, ended_at=moment)

    def released(self, connection: Connection, number: int, *, by: str) -> Order:
        """Undo a match: the order waits for its images again."""
        return self._go(connection, number, Command.RELEASE, by=by, started_at=None, ended_at=None)

    def replaced(self, connection: Connection, number: int, by_number: int, *, by: str) -> Order:
        """Reconcile a manual order with the МИС's order for the same visit (F-30): `by_number` stands for it.

        What had begun under the manual order has begun under the other; accession number and Study Instance UID of
        the manual order lead to the other from now on.

        Raises
        ------
        cami.errors.Conflict
            It is no manual order, or the other is not open, or for another patient or МО.
        """
        manual, other = self.get_in(connection, number), self.get_in(connection, by_number)
        same_patient = self._patients.root_in(connection, manual.patient) == self._patients.root_in(
            connection, other.patient
        )
        if not manual.manual or number == by_number or other.state is not State.ACCEPTED or manual.mo != other.mo:
            raise Conflict("only a manual order gives way, to an order of the same МО that has not begun")
        if not same_patient:
            raise Conflict("the orders are for different patients")
        replaced = self._go(connection, number, Command.REPLACE, by=by, replaced_by=by_number)
        if manual.state is not State.ACCEPTED:
            self.started(connection, by_number, by=by, at=manual.started_at)
        if manual.state is State.COMPLETED:
            self.completed(connection, by_number, by=by, at=manual.ended_at)
        return replaced

    def get(self, number: int) -> Order:
        """Return an order.

        Raises
        ------
        cami.errors.NotFound
            There is none of that number.
        """
        with self._reader.connect() as connection:
            return self.get_in(connection, number)

    def get_in(self, connection: Connection, number: int) -> Order:
        """Return an order, in the caller's transaction."""
        row = connection.execute(statements.ORDER, {"of": number}).first()
        if row is None:
            raise NotFound("no such order")
        return order_of(row)

    def of_placer_in(self, connection: Connection, system: str, number: str) -> Order | None:
        """Return the order that has a placer's number, in the caller's transaction."""
        row = connection.execute(statements.ORDER_OF_PLACER, {"of": system, "its": number}).first()
        return order_of(row) if row else None

    def of_accession(self, mo: str | None, accession: str) -> Order | None:
        """Return the order of an МО (None: of any) with an accession number; for a replaced one the one instead."""
        with self._reader.connect() as connection:
            row = connection.execute(select(imaging_order).where(imaging_order.c.accession == accession)).first()
            return self._standing(connection, order_of(row)) if row and mo in (None, row.mo) else None

    def of_study_uid(self, study_uid: str) -> Order | None:
        """Return the order for which a Study Instance UID was issued; for a replaced one that which replaced it."""
        with self._reader.connect() as connection:
            row = connection.execute(select(imaging_order).where(imaging_order.c.study_uid == study_uid)).first()
            return self._standing(connection, order_of(row)) if row else None

    def open_for(self, mo: str) -> list[OpenOrder]:
        """Return what an МО has to make images for, oldest first, with the patients as known today."""
        query = (
            select(imaging_order)
            .where(imaging_order.c.mo == mo, imaging_order.c.state.in_([state.value for state in _OPEN]))
            .order_by(imaging_order.c.number)
        )
        with self._reader.connect() as connection:
            found = [order_of(row) for row in connection.execute(query)]
            return [self._open(connection, each) for each in found]

    def opened(self, number: int) -> OpenOrder:
        """Return an order in any state with its patient as known today."""
        with self._reader.connect() as connection:
            return self._open(connection, self.get_in(connection, number))

    def of_patients(self, keys: list[str]) -> list[Order]:
        """Return the orders for any of these patients, the newest first."""
        query = select(imaging_order).where(imaging_order.c.patient.in_(keys)).order_by(imaging_order.c.number.desc())
        with self._reader.connect() as connection:
            return [order_of(row) for row in connection.execute(query)]

    def _open(self, connection: Connection, order: Order) -> OpenOrder:
        root = self._patients.root_in(connection, order.patient)
        return OpenOrder(order, self._patients.get_in(connection, [root])[root])

    def _standing(self, connection: Connection, order: Order) -> Order:
        while order.replaced_by is not None:
            order = self.get_in(connection, order.replaced_by)
        return order

    def _of_version(self, connection: Connection, number: int, version: int | None) -> Order:
        order = self.get_in(connection, number)
        if version is not None and order.version != version:
            raise Conflict("the order has changed since")
        return order

    def _go(
        self,
        connection: Connection,
        number: int,
        command: Command,
        *,
        by: str,
        version: int | None = None,
        **values: Any,
    ) -> Order:
        before = self._of_version(connection, number, version)
        state, event = after(before.state, command)
        if not event:
            return before
        if state in _ENDED:
            values = {"ended_at": self._clock.now()} | values
        self._write(connection, before, state, **values)
        changed = self.get_in(connection, number)
        self._tell(connection, event, changed, ["state"], by)
        return changed

    def _write(self, connection: Connection, before: Order, state: State, **values: Any) -> None:
        written = connection.execute(
            update(imaging_order)
            .where(imaging_order.c.number == before.number, imaging_order.c.version == before.version)
            .values(**values, state=state.value, version=before.version + 1, changed_at=self._clock.now())
        )
        if not written.rowcount:  # another process was faster
            raise Conflict("the order has changed since")

    def _tell(self, connection: Connection, event: str, order: Order, changed: list[str], by: str = "") -> None:
        payload = {
            "order": order.number,
            "mo": order.mo,
            "state": order.state.value,
            "version": order.version,
            "changed": changed,
            "by": by or order.source,
        }
        key = self._patients.root_in(connection, order.patient)
        self._events.append(connection, NewEvent(event, key, payload))


def issue_accession(number: int, day: datetime) -> str:
    """Return an accession number: ``K`` + YYMMDD + 7 digits, 14 characters, as SH allows 16 (PS3.5 6.2)."""
    return f"K{day:%y%m%d}{number % 10_000_000:07}"
