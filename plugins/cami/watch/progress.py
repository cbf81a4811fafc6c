"""How far each study has come, counted in the database in one query a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Select, case, func, select

from cami.db import reading
from cami.db.tables import delivery_item, delivery_study, received_instance, study
from cami.delivery.order import Priority
from cami.delivery.states import State


@dataclass(frozen=True, slots=True)
class DeliveryProgress:
    """A study at a proxy, on its way to the centre; counts are instances."""

    study_id: str
    study_uid: str
    modality: str
    description: str
    instances: int
    queued: int
    sending: int
    stored: int
    confirmed: int
    quarantined: int
    first_received_at: datetime
    last_received_at: datetime
    first_stored_at: datetime | None
    confirmed_at: datetime | None
    """When the last instance was confirmed; None while any is not."""
    reason: str
    """Code of a failure or quarantine among the instances; empty when there is none."""
    priority: int = Priority.PLANNED
    """Class in the queue (`cami.delivery.order.Priority`)."""
    evicted: int = 0
    """Confirmed and let go of at the proxy."""
    lost: int = 0
    """Evicted, and not found at the centre any more."""
    rejected: int = 0
    """Decided at the quarantine desk not to be sent."""


@dataclass(frozen=True, slots=True)
class CentralProgress:
    """A study at the centre; counts are instances."""

    study_id: str
    study_uid: str
    owner: str
    modality: str
    description: str
    instances: int
    expected: int | None
    """By the proxy's last manifest; None before the first."""
    first_stored_at: datetime | None
    last_stored_at: datetime | None
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """The whole queue of a proxy, in instances."""

    queued: int
    sending: int
    stored: int
    confirmed: int
    quarantined: int
    evicted: int
    lost: int
    rejected: int


def delivery_progress(
    engine: Engine, *, study_ids: Sequence[str] | None = None, limit: int = 500
) -> list[DeliveryProgress]:
    """List studies at this proxy, newest first, or those of `study_ids`."""
    counts = [func.sum(case((delivery_item.c.state == state, 1), else_=0)).label(state.value) for state in State]
    query = (
        select(
            delivery_item.c.study_id,
            func.min(delivery_item.c.study_uid).label("study_uid"),
            func.min(delivery_item.c.modality).label("modality"),
            func.min(delivery_item.c.description).label("description"),
            func.count().label("instances"),
            *counts,
            func.min(delivery_item.c.received_at).label("first_received_at"),
            func.max(delivery_item.c.received_at).label("last_received_at"),
            func.min(delivery_item.c.stored_at).label("first_stored_at"),
            func.max(delivery_item.c.confirmed_at).label("confirmed_at"),
            func.coalesce(func.max(delivery_item.c.reason), "").label("reason"),
            func.coalesce(func.max(delivery_study.c.priority), Priority.PLANNED).label("priority"),
        )
        .join_from(delivery_item, delivery_study, delivery_item.c.study_id == delivery_study.c.study_id, isouter=True)
        .group_by(delivery_item.c.study_id)
        .order_by(func.max(delivery_item.c.seq).desc())
        .limit(limit)
    )
    if study_ids is not None:
        query = query.where(delivery_item.c.study_id.in_(study_ids))
    with reading(engine).connect() as connection:
        rows = connection.execute(query).mappings().all()
    found = []
    for row in rows:
        values = dict(row)
        if values["queued"] or values["sending"] or values["stored"]:
            values["confirmed_at"] = None
        found.append(DeliveryProgress(**values))
    return found


def queue_totals(engine: Engine) -> QueueTotals:
    """Count the queue of this proxy."""
    with reading(engine).connect() as connection:
        rows = connection.execute(
            select(delivery_item.c.state, func.count().label("number")).group_by(delivery_item.c.state)
        ).all()
    counts: dict[str, int] = {row.state: row.number for row in rows}
    return QueueTotals(**{state.value: counts.get(state.value, 0) for state in State})


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one class of a proxy's queue."""

    priority: int
    instances: int
    size: int
    """Bytes as stored at the proxy."""
    oldest: datetime
    """When the one that waits longest came in."""


def waiting_by_class(engine: Engine) -> list[Waiting]:
    """Return what waits to be sent, by class; a class with nothing is left out."""
    query = (
        select(
            delivery_study.c.priority,
            func.count().label("instances"),
            func.sum(delivery_item.c.size).label("size"),
            func.min(delivery_item.c.received_at).label("oldest"),
        )
        .join_from(delivery_item, delivery_study, delivery_item.c.study_id == delivery_study.c.study_id)
        .where(delivery_item.c.state.in_([State.QUEUED, State.SENDING]))
        .group_by(delivery_study.c.priority)
    )
    with reading(engine).connect() as connection:
        return [Waiting(**row) for row in connection.execute(query).mappings()]


def central_progress(
    engine: Engine, *, owner: str | None = None, study_ids: Sequence[str] | None = None, limit: int = 500
) -> list[CentralProgress]:
    """List studies at the centre, newest first: of one `owner` (None: of all), or those of `study_ids`."""
    with reading(engine).connect() as connection:
        rows = connection.execute(_central(owner, study_ids).limit(limit)).mappings().all()
    return [CentralProgress(**row) for row in rows]


def _central(owner: str | None, study_ids: Sequence[str] | None) -> Select[tuple[object, ...]]:
    stored = (
        select(func.count())
        .where(received_instance.c.study_id == study.c.study_id, received_instance.c.stored_at.is_not(None))
        .scalar_subquery()
    )
    query = select(
        study.c.study_id,
        study.c.study_uid,
        study.c.owner,
        study.c.modality,
        study.c.description,
        stored.label("instances"),
        study.c.expected,
        study.c.first_stored_at,
        study.c.last_stored_at,
        study.c.confirmed_at,
    ).order_by(study.c.claimed_at.desc())
    if owner is not None:
        query = query.where(study.c.owner == owner)
    if study_ids is not None:
        query = query.where(study.c.study_id.in_(study_ids))
    return query
