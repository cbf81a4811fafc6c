"""What happens when a timer is due.

Whoever of several replicas marks a timer as fired first carries out its effect in the same transaction, so each fires
once; what was due while nothing ran fires at the next start.
"""

import logging
from datetime import datetime

from sqlalchemy import Connection, Engine, func, select, update

from cami.clock import Clock
from cami.consultations.notices import DISPATCHER, Target, Told, notify
from cami.consultations.request import SYSTEM, Case, load
from cami.consultations.routes import RouteTable
from cami.consultations.states import QUEUED, Command, State
from cami.consultations.timers import Timer, call_again
from cami.consultations.workflow import Change, Workflow, record
from cami.db import reading
from cami.db.tables import consultation, consultation_event, consultation_timer

log = logging.getLogger(__name__)

_AT_ONCE = 100
#: How often at most an МО is called about one critical finding.
MOST_CALLS = 8


class Deadlines:
    """Fires timers."""

    def __init__(self, engine: Engine, clock: Clock, workflow: Workflow, routes: RouteTable) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._workflow = workflow
        self._routes = routes

    def step(self) -> int:
        """Fire what is due; return how many fired here."""
        now = self._clock.now()
        due = (
            select(consultation_timer.c.number, consultation_timer.c.kind, consultation_timer.c.due_at)
            .where(consultation_timer.c.fired_at.is_(None), consultation_timer.c.due_at <= now)
            .order_by(consultation_timer.c.due_at)
            .limit(_AT_ONCE)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(due).all()
        return sum(self._fire(row.number, Timer(row.kind), row.due_at, now) for row in rows)

    def _fire(self, number: int, timer: Timer, due_at: datetime, now: datetime) -> bool:
        table = consultation_timer
        here = (table.c.number == number, table.c.kind == timer.value)
        unfired = (table.c.fired_at.is_(None), table.c.due_at == due_at)
        with self._engine.begin() as connection:
            if not connection.execute(update(table).where(*here, *unfired).values(fired_at=now)).rowcount:
                return False
            case = load(connection, number)
            if case is not None:
                self._effect(connection, case, timer, now)
        log.info("request %d: timer %s has fired", number, timer.value)
        self._workflow.changed()
        return True

    def _effect(self, connection: Connection, case: Case, timer: Timer, now: datetime) -> None:
        if timer is Timer.CRITICAL:
            self._call(connection, case, now)
            return
        if not case.request.open:
            return
        if timer is Timer.LEASE:
            if case.request.held and case.request.paused_at is None:
                self._workflow.move(connection, case, Change(Command.EXPIRE, SYSTEM, reason="silent"))
            return
        if timer is Timer.ESCALATE:
            if case.request.state in QUEUED:
                self._flag(connection, case, now, "escalated", Told.ESCALATED)
            return
        if timer is Timer.ANSWER or case.request.accepted_at is None:
            self._flag(connection, case, now, "late", Told.LATE)

    def _call(self, connection: Connection, case: Case, now: datetime) -> None:
        """Call who asked, their МО and the dispatcher: nobody has confirmed to know of a critical finding (F-37)."""
        request = case.request
        if request.state is not State.DONE or not request.critical or request.acknowledged_at is not None:
            return
        record(connection, case, SYSTEM, "unheard", at=now, before=request.state.value)
        targets = [Target(login=request.asker), Target(mo=request.mo), Target(role=DISPATCHER)]
        notify(connection, case, now, Told.UNHEARD, targets)
        events = consultation_event.c
        called = select(func.count()).where(events.number == request.number, events.command == "unheard")
        if (connection.scalar(called) or 0) < MOST_CALLS:
            call_again(connection, request.number, self._routes.acknowledge(request.route, request.urgency, now))

    def _flag(self, connection: Connection, case: Case, now: datetime, column: str, told: Told) -> None:
        """Raise a flag of a request. Its version stays: a flag is no reason to refuse a decision."""
        row = update(consultation).where(consultation.c.number == case.request.number)
        connection.execute(row.values({column: True}))
        record(connection, case, SYSTEM, column, at=now, before=case.request.state.value)
        targets = [Target(role=DISPATCHER)]
        if case.request.consultant:
            targets.append(Target(login=case.request.consultant))
        notify(connection, case, now, told, targets)
