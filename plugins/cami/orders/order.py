"""An order as values: what the МИС asks for, and what we keep of it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from cami.orders.patients import Patient
from cami.orders.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What may be changed about an order until it has begun (reference/domain.md §4.4)."""

    patient: str
    """Key of the patient."""
    mo: str
    """Code of the МО that is to make the images."""
    modality: str
    procedure_text: str
    procedure_system: str = ""
    procedure_code: str = ""
    requesting_mo: str = ""
    requesting_oid: str = ""
    device_aet: str = ""
    """Empty: any device of that modality."""
    body_part: str = ""
    priority: str = "routine"
    """``stat`` экстренная, ``urgent`` неотложная, ``routine`` плановая."""
    scheduled_at: datetime | None = None
    """Empty: today, whenever the patient comes."""
    scheduled_until: datetime | None = None
    due_at: datetime | None = None
    authored_at: datetime | None = None
    requester: str = ""
    requester_snils: str = ""
    reason: str = ""
    diagnosis_code: str = ""
    diagnosis_text: str = ""
    note: str = ""
    encounter: str = ""
    payment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder(Wanted):
    """An order to be placed."""

    placer_system: str
    """URI of whose number it is; ``urn:cami:manual:<mo>`` for one that an МО entered without the МИС."""
    placer_number: str
    source: str
    """``mis:<client>``, or ``manual:<who>``."""
    accession: str = ""
    """Empty: we issue one. A proxy without the line issues its own."""
    study_uid: str = ""
    """Empty: we issue one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(NewOrder):
    """An order of the table."""

    number: int
    state: State
    state_reason: str
    state_text: str
    replaced_by: int | None
    version: int
    changed_after_start: bool
    created_at: datetime
    changed_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def manual(self) -> bool:
        """Whether an МО entered it without the МИС."""
        return self.source.startswith("manual:")


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that waits for its images, with the patient as known today (merges followed)."""

    order: Order
    patient: Patient


#: Names of what may be changed.
CHANGEABLE = frozenset(each.name for each in fields(Wanted))
#: What may still change when the study has begun: nothing that touches the images.
SOFT = frozenset({"priority", "note", "due_at"})


_NAMES = tuple(each.name for each in fields(Order))
#: What the columns of an order hold that nothing has happened to.
_UNTOUCHED: Mapping[str, Any] = {
    "state_reason": "", "state_text": "", "replaced_by": None, "changed_after_start": False, "started_at": None,
    "ended_at": None,
}  # fmt: skip


def order_of(row: Row[Any]) -> Order:
    """Return the order of a row."""
    values = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name
    return _order({name: values[name] for name in _NAMES})


def new_order_of(number: int, values: Mapping[str, Any]) -> Order:
    """Return the order that was just written with these values."""
    return _order({"number": number, **_UNTOUCHED, **values})


def _order(values: dict[str, Any]) -> Order:
    return Order(**{**values, "state": State(values["state"])})
