"""Orders by what others know of them: numbers, patients, states, when they changed; page by page."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, and_, or_, select

from cami.db import reading
from cami.db.tables import imaging_order
from cami.orders.order import Order, order_of
from cami.orders.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderQuery:
    """What is looked for; what is None does not matter."""

    sources: tuple[str, ...] | None = None
    """Who placed them; ``manual:`` stands for all that were entered by hand."""
    numbers: tuple[int, ...] | None = None
    identifier: tuple[str, str] | None = None
    """System (None known: empty) and value of the placer's number."""
    accession: str | None = None
    study_uid: str | None = None
    patients: tuple[str, ...] | None = None
    mo: str | None = None
    states: tuple[State, ...] | None = None
    changed_from: datetime | None = None
    changed_until: datetime | None = None
    newest_first: bool = False
    after: tuple[datetime, int] | None = None
    """When the last order of the page before changed, and its number."""
    limit: int = 50


def find_orders(engine: Engine, query: OrderQuery) -> list[Order]:
    """Return a page of orders, by when they changed last."""
    table = imaging_order.c
    wanted = [condition for condition in _conditions(query) if condition is not None]
    if query.after is not None:
        moment, number = query.after
        earlier = table.changed_at < moment if query.newest_first else table.changed_at > moment
        same = table.number < number if query.newest_first else table.number > number
        wanted.append(or_(earlier, and_(table.changed_at == moment, same)))
    place = (table.changed_at, table.number)
    columns = [each.desc() if query.newest_first else each.asc() for each in place]
    statement = select(imaging_order).where(*wanted).order_by(*columns).limit(query.limit)
    with reading(engine).connect() as connection:
        return [order_of(row) for row in connection.execute(statement)]


def next_page(query: OrderQuery, page: list[Order]) -> OrderQuery | None:
    """Return the query for what comes after a full page; None if it was the last."""
    if len(page) < query.limit:
        return None
    return replace(query, after=(page[-1].changed_at, page[-1].number))


def _conditions(query: OrderQuery) -> list[ColumnElement[bool] | None]:
    table = imaging_order.c
    system, value = query.identifier or ("", "")
    return [
        None if query.sources is None else or_(*map(_placed_by, query.sources)),
        None if query.numbers is None else table.number.in_(query.numbers),
        table.placer_system == system if system else None,
        table.placer_number == value if query.identifier else None,
        None if query.accession is None else table.accession == query.accession,
        None if query.study_uid is None else table.study_uid == query.study_uid,
        None if query.patients is None else table.patient.in_(query.patients),
        None if query.mo is None else table.mo == query.mo,
        None if query.states is None else table.state.in_([state.value for state in query.states]),
        None if query.changed_from is None else table.changed_at >= query.changed_from,
        None if query.changed_until is None else table.changed_at < query.changed_until,
    ]


def _placed_by(source: str) -> ColumnElement[bool]:
    column = imaging_order.c.source
    return column.startswith(source) if source.endswith(":") else column == source
