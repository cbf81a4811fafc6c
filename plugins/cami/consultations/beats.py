"""What has changed for somebody: a number that every open page asks for, every second or two, all day long.

Two hundred pages ask a hundred times a second, and nearly always nothing has happened. So a process asks the database
only how far the history and the notices of all have come, for everybody at once; whose they are is looked up when they
have come further, and only among what is new.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, exists, func, or_, select

from cami.access import Identity
from cami.consultations.notices import addressed
from cami.consultations.parts import answers, asks, dispatches
from cami.db import Quick, reading
from cami.db.tables import (
    consultation,
    consultation_event,
    consultation_member,
    consultation_notice,
    consultation_offer,
)

#: For so many seconds a process answers from what it knows. A notice is on the screen within 2 s (issue 6): the page
#: asks each second, and this is the least of what is left.
HOLD = 0.2
#: How far back somebody's history is looked through when this process sees them for the first time.
_BACK = 2000
_REMEMBERED = 5000


@dataclass(frozen=True, slots=True)
class Beat:
    """How far things have come for one person."""

    desk: int
    """Newest entry of the history of what is on their desks."""
    notice: int
    """Newest notice to them."""

    def as_json(self) -> dict[str, int]:
        """Return it as pages and programs are answered."""
        return {"desk": self.desk, "notice": self.notice}


@dataclass(frozen=True, slots=True)
class _Known:
    top: Beat
    own: Beat


class Beats:
    """Answers the pulse. Thread-safe."""

    def __init__(self, engine: Engine, hold: float = HOLD, now: Callable[[], float] = time.monotonic) -> None:
        self._reader = reading(engine)
        self._event = Quick(self._reader, select(func.max(consultation_event.c.id)))
        self._notice = Quick(self._reader, select(func.max(consultation_notice.c.id)))
        self._hold, self._now = hold, now
        self._lock = threading.Lock()
        self._asked: float | None = None
        self._top = Beat(0, 0)
        self._known: OrderedDict[tuple[str, str, str], _Known] = OrderedDict()

    def of(self, identity: Identity) -> Beat:
        """Return how far things have come for somebody: other numbers than before mean that something has changed."""
        top = self._tops()
        key = (identity.login, identity.mo, identity.role.value)
        with self._lock:
            known = self._known.get(key)
        if known is not None and known.top == top:
            return known.own
        with self._reader.connect() as connection:
            own = Beat(
                _desk(connection, identity, known, top.desk), _notice(connection, identity, known, top.notice)
            )  # fmt: skip
        with self._lock:
            self._known[key] = _Known(top, own)
            self._known.move_to_end(key)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return own

    def _tops(self) -> Beat:
        with self._lock:
            now = self._now()
            if self._asked is None or now - self._asked >= self._hold:
                self._top = Beat(self._event.value({}) or 0, self._notice.value({}) or 0)
                self._asked = now
            return self._top


def _desk(connection: Connection, identity: Identity, known: _Known | None, top: int) -> int:
    whose = _concerns(identity)
    if not whose:
        return 0
    after = known.top.desk if known else max(0, top - _BACK)
    query = (
        select(func.max(consultation_event.c.id))
        .join(consultation, consultation.c.number == consultation_event.c.number)
        .where(consultation_event.c.id > after, or_(*whose))
    )
    return connection.scalar(query) or (known.own.desk if known else 0)


def _notice(connection: Connection, identity: Identity, known: _Known | None, top: int) -> int:
    columns = consultation_notice.c
    if known is not None:
        if known.top.notice == top:
            return known.own.notice
        newer = select(func.max(columns.id)).where(columns.id > known.top.notice, or_(*addressed(identity)))
        return connection.scalar(newer) or known.own.notice
    # One look into an index for each way of being addressed; together they would be a walk through all of them.
    return max(connection.scalar(select(func.max(columns.id)).where(way)) or 0 for way in addressed(identity))


def _concerns(identity: Identity) -> list[ColumnElement[bool]]:
    """Return whose history somebody follows: more than is on the desk now, since what leaves it changes it, too."""
    columns = consultation.c
    found: list[ColumnElement[bool]] = []
    if asks(identity):
        found.append(columns.mo == identity.mo)
    if answers(identity):
        found += [
            columns.consultant == identity.login,
            _has(consultation_offer, consultation_offer.c.mo == identity.mo),
            _has(consultation_member, consultation_member.c.login == identity.login),
        ]
    if dispatches(identity):
        found.append(columns.sent_at.is_not(None))
    return found


def _has(table: Any, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(and_(table.c.number == consultation.c.number, condition))
