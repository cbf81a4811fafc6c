"""What people see of many requests: their desks, with filters, the most urgent first, and what they have not read.

A desk reads rows; whose patient it is stands only in those that may see it (`parts.sees_patient`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from cami.access import Identity
from cami.clock import Clock
from cami.consultations import parts
from cami.consultations.request import Consultation, consultation_of
from cami.consultations.states import HELD, OPEN, QUEUED, State
from cami.consultations.terms import Kind, Part, Urgency
from cami.db import reading
from cami.db.tables import consultation, consultation_member, consultation_offer, consultation_seen
from cami.errors import Denied

PAGE_ROWS = 50
#: What is beyond is not counted, and found by its number or with filters.
MOST_COUNTED = 10_000
_NAMES = [state.value for state in State]


class View(StrEnum):
    """Which desk."""

    MINE = "mine"
    """«Мои заявки»: what the own МО asks."""
    INBOX = "inbox"
    """«Входящие»: what somebody has, or reads with others."""
    QUEUE = "queue"
    """«Общая очередь»: what waits at the own МО."""
    DISPATCH = "dispatch"
    """«Диспетчер»: all."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What of a desk is wanted."""

    state: str = "open"
    """open, ended, all, or one state."""
    urgency: str = ""
    profile: str = ""
    mo: str = ""
    """Asking МО."""
    to_mo: str = ""
    late: bool = False
    own: bool = False
    """Of «Мои заявки» those of which one is the author."""
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A request in a list."""

    request: Consultation
    unread: bool
    patient: bool
    """Whether its patient may be shown."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a desk."""

    lines: list[Line]
    total: int
    page: int
    last: int
    more: bool = False
    """Whether there are more than `total`, which are not counted."""


class Desk:
    """The lists."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def views(self, identity: Identity) -> list[View]:
        """Return the desks that somebody has."""
        found = [View.INBOX, View.QUEUE] if parts.answers(identity) else []
        found = [View.MINE, *found] if parts.asks(identity) else found
        return [*found, View.DISPATCH] if parts.dispatches(identity) else found

    def page(self, identity: Identity, view: View, wanted: Filter, page: int = 1) -> Page:
        """Return a part of a desk, the most urgent first, then by deadline; what has ended by its end, newest first.

        Raises
        ------
        cami.errors.Denied
            Somebody has no such desk.
        """
        if view not in self.views(identity):
            raise Denied("not for this role")
        condition = and_(self._of(identity, view), *_filters(identity, wanted))
        counted = select(consultation.c.number).where(condition).limit(MOST_COUNTED + 1).subquery()
        # Sorting moves keys alone; what is shown of fifty requests is read once it is known which they are.
        keys = select(consultation.c.number).where(condition).order_by(*_order(wanted)).limit(PAGE_ROWS)
        with self._reader.connect() as connection:
            total = connection.scalar(select(func.count()).select_from(counted)) or 0
            more, total = total > MOST_COUNTED, min(total, MOST_COUNTED)
            last = max(1, -(-total // PAGE_ROWS))
            current = min(max(page, 1), last)
            numbers = list(connection.scalars(keys.offset((current - 1) * PAGE_ROWS)))
            rows = connection.execute(_SHOWN, {"numbers": numbers, "login": identity.login}).all() if numbers else []
        patient = view is not View.DISPATCH
        found = {row.number: Line(consultation_of(row), row.last_event > (row.seen or 0), patient) for row in rows}
        return Page([found[number] for number in numbers if number in found], total, current, last, more)

    def counts(self, identity: Identity) -> dict[View, int]:
        """Return how many requests wait on each desk of somebody."""
        columns = consultation.c
        found = {}
        with self._reader.connect() as connection:
            for view in self.views(identity):
                waits = columns.ended_at.is_(None), columns.state.in_(_waiting(view))
                query = select(func.count()).select_from(consultation).where(*waits, self._of(identity, view))
                found[view] = connection.scalar(query) or 0
        return found

    def seen(self, identity: Identity, request: Consultation) -> None:
        """Note that somebody has read a request up to now."""
        columns = consultation_seen.c
        here = (columns.login == identity.login, columns.number == request.number)
        with self._reader.connect() as connection:
            known = connection.scalar(select(columns.event).where(*here))
        if known is not None and known >= request.last_event:
            return
        with self._engine.begin() as connection:
            changed = update(consultation_seen).where(*here).values(event=request.last_event)
            if not connection.execute(changed).rowcount:
                values = {"login": identity.login, "number": request.number, "event": request.last_event}
                connection.execute(insert(consultation_seen).values(**values))

    def _of(self, identity: Identity, view: View) -> ColumnElement[bool]:
        columns = consultation.c
        if view is View.MINE:
            others = and_(columns.state != State.DRAFT.value, columns.sent_at.is_not(None) | _approval())
            return and_(columns.mo == identity.mo, or_(columns.asker == identity.login, others))
        if view is View.INBOX:
            reads = select(consultation_member.c.number).where(consultation_member.c.login == identity.login)
            return or_(columns.consultant == identity.login, columns.number.in_(reads))
        if view is View.QUEUE:
            # What waits is little, what was ever offered to an МО is much: each of the former is looked up.
            offered = exists().where(
                consultation_offer.c.number == columns.number, consultation_offer.c.mo == identity.mo
            )  # fmt: skip
            # Who has read it once does not read it again (F-35).
            member = consultation_member.c
            read = exists().where(
                member.number == columns.number, member.login == identity.login, member.part == Part.READER.value
            )  # fmt: skip
            # Nor does anybody review themselves (F-36).
            other = consultation.alias()
            answered = exists().where(other.c.number == columns.based_on, other.c.consultant == identity.login)
            own = and_(columns.kind == Kind.SECOND_OPINION.value, answered)
            waits = and_(columns.ended_at.is_(None), columns.state.in_([state.value for state in QUEUED]))
            return and_(waits, offered, not_(read), not_(own))
        return columns.sent_at.is_not(None)


def _approval() -> ColumnElement[bool]:
    return consultation.c.state == State.APPROVAL.value


def _waiting(view: View) -> Sequence[str]:
    states = {
        View.MINE: (*OPEN, State.APPROVAL, State.DRAFT),
        View.INBOX: HELD,
        View.QUEUE: QUEUED,
        View.DISPATCH: QUEUED,
    }
    return [state.value for state in states[view]]


def _filters(identity: Identity, wanted: Filter) -> list[ColumnElement[bool]]:
    columns = consultation.c
    found: list[ColumnElement[bool]] = []
    if wanted.state == "open":
        found.append(columns.ended_at.is_(None))
    elif wanted.state == "ended":
        found.append(columns.ended_at.is_not(None))
    elif wanted.state in _NAMES:
        found.append(columns.state == wanted.state)
    for name in ("urgency", "profile", "mo", "to_mo"):
        value = getattr(wanted, name)
        if value:
            found.append(columns[name] == value)
    if wanted.late:
        found.append(columns.late.is_(True))
    if wanted.own:
        found.append(columns.asker == identity.login)
    if wanted.number is not None:
        found.append(columns.number == wanted.number)
    return found


def _order(wanted: Filter) -> list[ColumnElement[object]]:
    columns = consultation.c
    if wanted.state in ("ended", State.DONE, State.REJECTED, State.CANCELLED):
        return [columns.ended_at.desc(), columns.number.desc()]
    if wanted.state == "all":
        return [columns.number.desc()]
    by_urgency = case({Urgency.STAT.value: 0, Urgency.URGENT.value: 1}, value=columns.urgency, else_=2)
    due = func.coalesce(case((columns.accepted_at.is_(None), columns.accept_by), else_=columns.answer_by), _NEVER)
    return [by_urgency, due, columns.number.desc()]


_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
#: What is shown of requests, with how far somebody has read them; written out once.
_SHOWN: Select[Any] = (
    select(*consultation.c, consultation_seen.c.event.label("seen"))
    .join_from(
        consultation,
        consultation_seen,
        and_(consultation_seen.c.number == consultation.c.number, consultation_seen.c.login == bindparam("login")),
        isouter=True,
    )
    .where(consultation.c.number.in_(bindparam("numbers", expanding=True)))
)
