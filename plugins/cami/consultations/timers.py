"""What is to happen to a request by itself, as rows of ``consultation_timer``, written with each change of state."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, update

from cami.consultations.request import Consultation
from cami.consultations.routes import Due
from cami.consultations.states import QUEUED, State
from cami.db.tables import consultation_timer


class Timer(StrEnum):
    """What a timer is for."""

    ESCALATE = "escalate"
    """Nobody has taken it: the dispatcher is called."""
    ACCEPT = "accept"
    """The deadline of acceptance."""
    ANSWER = "answer"
    """The deadline of the answer."""
    LEASE = "lease"
    """Nothing was heard of the consultant."""
    CRITICAL = "critical"
    """The asking МО has not confirmed that it knows of a critical finding."""


def set_timers(connection: Connection, request: Consultation, due: Due | None) -> None:
    """Make a request's timers those of its new state; `due` is given when it has just been sent."""
    waits = request.state in QUEUED and request.accepted_at is None
    unheard = request.state is State.DONE and request.critical and request.acknowledged_at is None
    wanted: dict[Timer, datetime | None] = {
        Timer.ESCALATE: due.escalate_at if due else None,
        Timer.ACCEPT: request.accept_by,
        Timer.ANSWER: request.answer_by if request.paused_at is None else None,
        Timer.LEASE: request.lease_until if request.held else None,
        Timer.CRITICAL: request.acknowledge_by,
    }
    # The next reader of a double reading is called for as the first was.
    next_reader = request.state in QUEUED and request.reading > 1
    counting = {Timer.ESCALATE: waits or next_reader, Timer.ACCEPT: waits, Timer.CRITICAL: unheard}
    for timer, moment in wanted.items():
        counts = counting.get(timer, request.open)
        if timer is Timer.ESCALATE and counts and moment is None:
            continue  # it goes on as it was set when the request was sent
        _set(connection, request.number, timer, moment if counts else None)


def call_again(connection: Connection, number: int, at: datetime) -> None:
    """Let the asking МО be called once more about a critical finding."""
    _set(connection, number, Timer.CRITICAL, at)


def set_lease(connection: Connection, number: int, until: datetime) -> None:
    """Let a consultant keep a request for longer."""
    _set(connection, number, Timer.LEASE, until)


def _set(connection: Connection, number: int, timer: Timer, moment: datetime | None) -> None:
    here = (consultation_timer.c.number == number, consultation_timer.c.kind == timer.value)
    if moment is None:
        connection.execute(delete(consultation_timer).where(*here, consultation_timer.c.fired_at.is_(None)))
        return
    moved = update(consultation_timer).where(*here, consultation_timer.c.due_at != moment)
    if connection.execute(moved.values(due_at=moment, fired_at=None)).rowcount:
        return
    same = update(consultation_timer).where(*here).values(due_at=moment)
    if not connection.execute(same).rowcount:
        connection.execute(insert(consultation_timer).values(number=number, kind=timer.value, due_at=moment))
