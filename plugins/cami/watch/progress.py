"""How far each study has come, counted in the database in two queries a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Engine, Select, case, exists, func, select

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
    size: int = 0
    """Bytes as stored at the proxy."""
    arrived_size: int = 0
    """Bytes of what the centre has of it."""


View = Literal["all", "waiting", "failed", "done"]

_UNDER_WAY = (State.QUEUED, State.SENDING, State.STORED)
_FAILED = (State.QUARANTINED, State.LOST)
_ARRIVED = (State.STORED, State.CONFIRMED, State.EVICTED)


@dataclass(frozen=True, slots=True)
class Key:
    """The place of a study in the list: of the page that ends with it the next one begins after it."""

    began_at: float
    study_id: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Which studies of a proxy are wanted."""

    view: View = "all"
    """Those that are under way, those with a failure, those that the centre has confirmed."""
    priority: Priority | None = None
    since: datetime | None = None
    """Studies whose first image came in at this moment or later."""
    until: datetime | None = None
    """Studies whose first image came in before."""
    after: Key | None = None
    limit: int = 500


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of the list."""

    studies: list[DeliveryProgress]
    last: Key | None
    """Where the next page begins; None: this is the last one."""


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
    """By the proxy's last manifest, before it as announced with each image; None: the proxy does not say."""
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
    if study_ids is not None:
        return _delivery(engine, study_ids)
    return delivery_page(engine, Selection(limit=limit)).studies


def delivery_page(engine: Engine, selection: Selection) -> DeliveryPage:
    """List a page of the studies at this proxy, newest first. Costs what the page holds, not what the proxy holds."""
    with reading(engine).connect() as connection:
        keys = connection.execute(_keys(selection).limit(selection.limit + 1)).all()
    shown = keys[: selection.limit]
    known = {study.study_id: study for study in _delivery(engine, [key.study_id for key in shown])}
    last = Key(shown[-1].began_at, shown[-1].study_id) if len(keys) > selection.limit else None
    return DeliveryPage([known[key.study_id] for key in shown if key.study_id in known], last)


def _keys(selection: Selection) -> Select[tuple[float, str]]:
    began, study_id = delivery_study.c.began_at, delivery_study.c.study_id
    query = select(began, study_id).order_by(began.desc(), study_id.desc())
    if selection.after is not None:
        key = selection.after
        query = query.where((began < key.began_at) | ((began == key.began_at) & (study_id < key.study_id)))
    if selection.priority is not None:
        query = query.where(delivery_study.c.priority == selection.priority)
    if selection.since is not None:
        query = query.where(began >= selection.since.timestamp())
    if selection.until is not None:
        query = query.where(began < selection.until.timestamp())
    held = exists().where(delivery_item.c.study_id == study_id)
    if selection.view == "done":
        return query.where(held, ~held.where(delivery_item.c.state.in_([*_UNDER_WAY, *_FAILED])))
    states = {"waiting": _UNDER_WAY, "failed": _FAILED}.get(selection.view)
    return query.where(held if states is None else held.where(delivery_item.c.state.in_(states)))


def _delivery(engine: Engine, study_ids: Sequence[str]) -> list[DeliveryProgress]:
    item = delivery_item.c
    counts = [func.sum(case((item.state == state, 1), else_=0)).label(state.value) for state in State]
    query = (
        select(
            item.study_id,
            func.min(item.study_uid).label("study_uid"),
            func.min(item.modality).label("modality"),
            func.min(item.description).label("description"),
            func.count().label("instances"),
            *counts,
            func.min(item.received_at).label("first_received_at"),
            func.max(item.received_at).label("last_received_at"),
            func.min(item.stored_at).label("first_stored_at"),
            func.max(item.confirmed_at).label("confirmed_at"),
            func.coalesce(
                func.max(case((item.state.in_(_FAILED), item.reason))),
                func.max(case((item.state == State.QUEUED, item.reason))),
                "",
            ).label("reason"),
            func.coalesce(func.max(delivery_study.c.priority), Priority.PLANNED).label("priority"),
            func.sum(item.size).label("size"),
            func.sum(case((item.state.in_(_ARRIVED), item.size), else_=0)).label("arrived_size"),
        )
        .join_from(delivery_item, delivery_study, item.study_id == delivery_study.c.study_id, isouter=True)
        .where(item.study_id.in_(study_ids))
        .group_by(item.study_id)
    )
    with reading(engine).connect() as connection:
        rows = connection.execute(query).mappings().all()
    found = []
    for row in rows:
        values = {**row, "size": int(row["size"]), "arrived_size": int(row["arrived_size"])}
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
