"""What happens when a timer is due.

Whoever of several replicas marks a timer as fired first carries out its effect in the same transaction, so each fires
once; what was due while nothing ran fires at the next start.
"""

import logging
from datetime import datetime

from sqlalchemy import Connection, Engine, select, update

from cami.clock import Clock
from cami.consultations.notices import DISPATCHER, Target, Told, notify
from cami.consultations.request import SYSTEM, Case, load
from cami.consultations.states import QUEUED, Command
from cami.consultations.timers import Timer
from cami.consultations.workflow import Change, Workflow, record
from cami.db import reading
from cami.db.tables import consultation, consultation_timer

log = logging.getLogger(__name__)

_AT_ONCE = 100


class Deadlines:
    """Fires timers."""

    def __init__(self, engine: Engine, clock: Clock, workflow: Workflow) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._workflow = workflow

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
            if case is not None and case.request.open:
                self._effect(connection, case, timer, now)
        log.info("request %d: timer %s has fired", number, timer.value)
        self._workflow.changed()
        return True

    def _effect(self, connection: Connection, case: Case, timer: Timer, now: datetime) -> None:
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

    def _flag(self, connection: Connection, case: Case, now: datetime, column: str, told: Told) -> None:
        """Raise a flag of a request. Its version stays: a flag is no reason to refuse a decision."""
        row = update(consultation).where(consultation.c.number == case.request.number)
        connection.execute(row.values({column: True}))
        record(connection, case, SYSTEM, column, at=now, before=case.request.state.value)
        targets = [Target(role=DISPATCHER)]
        if case.request.consultant:
            targets.append(Target(login=case.request.consultant))
        notify(connection, case, now, told, targets)
