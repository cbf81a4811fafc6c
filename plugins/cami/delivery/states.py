"""The life of an instance at a proxy, as a table: (state, command) → state.

Design §4: an instance is *stored* when the centre answered with the digest of what it stored, and *confirmed* when the
manifest of its study agreed on both sides. The table is the rule; `cami.delivery.queue` may change a state in no other
way, and the table of ``docs/architecture.md`` is made from it.
"""

from enum import StrEnum

from cami.errors import Conflict


class State(StrEnum):
    """Where an instance is on its way to the centre."""

    QUEUED = "queued"
    SENDING = "sending"
    STORED = "stored"
    CONFIRMED = "confirmed"
    QUARANTINED = "quarantined"
    EVICTED = "evicted"
    """Confirmed, and let go of here: the centre has it."""
    REJECTED = "rejected"
    """Somebody decided that the centre is not to have it; kept here for some time."""
    LOST = "lost"
    """Neither here (any more) nor at the centre: only a backup or the device has it."""


class Command(StrEnum):
    """What can happen to it."""

    SEND = "send"
    """A sender has taken it."""
    RETURN = "return"
    """The line was cut, the centre was busy, or this server died: again, later."""
    ACCEPT = "accept"
    """The centre has stored it."""
    CONFIRM = "confirm"
    """The study's manifest agreed."""
    MISS = "miss"
    """The manifest said that the centre does not hold it (any more)."""
    QUARANTINE = "quarantine"
    """The centre keeps it apart, or refused it: an operator must look."""
    EVICT = "evict"
    """Retention lets go of it."""
    LOSE = "lose"
    """The centre does not find it any more, or has other content under its name."""
    RECEIVE = "receive"
    """It came in again, and not as the bytes that the centre has."""
    RESTORE = "restore"
    """It came back as the bytes that the centre has: the next manifest confirms it without sending it."""
    RETRY = "retry"
    """Somebody asks for it to be tried again now, what was refused too («Отправить повторно»)."""
    REJECT = "reject"
    """Somebody decided at the quarantine desk that it is not to be sent."""
    RECHECK = "recheck"
    """Somebody doubts that the centre has it: the next manifest tells, and nothing is sent unless it misses."""


TRANSITIONS: dict[tuple[State, Command], State] = {
    (State.QUEUED, Command.SEND): State.SENDING,
    (State.SENDING, Command.RETURN): State.QUEUED,
    (State.SENDING, Command.ACCEPT): State.STORED,
    (State.SENDING, Command.QUARANTINE): State.QUARANTINED,
    (State.STORED, Command.CONFIRM): State.CONFIRMED,
    (State.CONFIRMED, Command.CONFIRM): State.CONFIRMED,
    (State.STORED, Command.MISS): State.QUEUED,
    (State.CONFIRMED, Command.MISS): State.QUEUED,
    (State.STORED, Command.QUARANTINE): State.QUARANTINED,
    (State.CONFIRMED, Command.QUARANTINE): State.QUARANTINED,
    (State.CONFIRMED, Command.EVICT): State.EVICTED,
    (State.EVICTED, Command.CONFIRM): State.EVICTED,
    (State.EVICTED, Command.LOSE): State.LOST,
    (State.CONFIRMED, Command.LOSE): State.LOST,
    (State.STORED, Command.LOSE): State.LOST,
    (State.EVICTED, Command.RECEIVE): State.QUEUED,
    (State.EVICTED, Command.RESTORE): State.STORED,
    (State.LOST, Command.CONFIRM): State.EVICTED,
    (State.LOST, Command.RECEIVE): State.QUEUED,
    (State.QUARANTINED, Command.RETRY): State.QUEUED,
    (State.QUARANTINED, Command.REJECT): State.REJECTED,
    (State.QUEUED, Command.RETRY): State.QUEUED,
    (State.CONFIRMED, Command.RECHECK): State.STORED,
}


def after(state: State, command: Command) -> State:
    """Return the state that `command` leads to.

    Raises
    ------
    cami.errors.Conflict
        The table has no such transition.
    """
    try:
        return TRANSITIONS[state, command]
    except KeyError:
        raise Conflict(f"an instance that is {state} cannot {command}") from None


def states_before(command: Command) -> list[State]:
    """Return the states in which `command` may happen."""
    return [state for state, known in TRANSITIONS if known is command]


def markdown() -> str:
    """Return the table as ``docs/architecture.md`` shows it: each command with the states that it leads from and to."""
    rows = ["| command | from → to |", "|---|---|"]
    for command in Command:
        steps = [f"{state} → {then}" for (state, known), then in TRANSITIONS.items() if known is command]
        rows.append(f"| {command} | {', '.join(steps)} |")
    return "\n".join(rows)
