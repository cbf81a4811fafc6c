"""The life of an order, as a table: (state, command) → (state, event).

The table is the rule; `cami.orders.orders` may change a state in no other way, and the table of
``docs/architecture.md`` is made from it. Rules: an order may be changed and cancelled until the study begins (MPPS in
progress or the first image); then only what does not touch the images may change, and only an administrator can annul
it (reference/domain.md §4.4, I2 and I3).
"""

from enum import StrEnum

from cami.errors import Conflict


class State(StrEnum):
    """Where an order stands."""

    ACCEPTED = "accepted"
    """On the worklist, or on its way there."""
    STARTED = "started"
    """The device has begun, or the first image has come."""
    COMPLETED = "completed"
    """All images are there."""
    CANCELLED = "cancelled"
    """Withdrawn before it began."""
    ANNULLED = "annulled"
    """Withdrawn by an administrator after it began; the images stay."""
    REPLACED = "replaced"
    """A manual order for which the MIS has sent its own: `replaced_by` is the one to look at."""


class Command(StrEnum):
    """What can happen to it."""

    CHANGE = "change"
    """Anything about it is changed."""
    ANNOTATE = "annotate"
    """Priority, note or reason change: what does not touch the images."""
    CANCEL = "cancel"
    START = "start"
    COMPLETE = "complete"
    RELEASE = "release"
    """The study turned out to belong to another order: it has not begun after all."""
    ANNUL = "annul"
    REPLACE = "replace"


TRANSITIONS: dict[tuple[State, Command], tuple[State, str]] = {
    (State.ACCEPTED, Command.CHANGE): (State.ACCEPTED, "order.changed"),
    (State.ACCEPTED, Command.ANNOTATE): (State.ACCEPTED, "order.changed"),
    (State.STARTED, Command.ANNOTATE): (State.STARTED, "order.changed"),
    (State.ACCEPTED, Command.CANCEL): (State.CANCELLED, "order.cancelled"),
    (State.ACCEPTED, Command.START): (State.STARTED, "order.started"),
    (State.ACCEPTED, Command.COMPLETE): (State.COMPLETED, "order.completed"),
    (State.STARTED, Command.COMPLETE): (State.COMPLETED, "order.completed"),
    (State.STARTED, Command.RELEASE): (State.ACCEPTED, "order.released"),
    (State.COMPLETED, Command.RELEASE): (State.ACCEPTED, "order.released"),
    (State.STARTED, Command.ANNUL): (State.ANNULLED, "order.annulled"),
    (State.COMPLETED, Command.ANNUL): (State.ANNULLED, "order.annulled"),
    (State.ACCEPTED, Command.REPLACE): (State.REPLACED, "order.replaced"),
    (State.STARTED, Command.REPLACE): (State.REPLACED, "order.replaced"),
    (State.COMPLETED, Command.REPLACE): (State.REPLACED, "order.replaced"),
}
#: Told again, these change nothing and are no error: images and messages come more than once.
REPEATED: frozenset[tuple[State, Command]] = frozenset(
    {
        (State.STARTED, Command.START),
        (State.COMPLETED, Command.START),
        (State.COMPLETED, Command.COMPLETE),
        (State.CANCELLED, Command.CANCEL),
        (State.ANNULLED, Command.ANNUL),
        (State.ACCEPTED, Command.RELEASE),
    }
)


def after(state: State, command: Command) -> tuple[State, str]:
    """Return the state that `command` leads to and the event that tells of it; no event if nothing happens.

    Raises
    ------
    cami.errors.Conflict
        The table has no such transition.
    """
    if (state, command) in REPEATED:
        return state, ""
    try:
        return TRANSITIONS[state, command]
    except KeyError:
        raise Conflict(f"an order that is {state} cannot {command}") from None


def markdown() -> str:
    """Return the table as ``docs/architecture.md`` shows it."""
    rows = ["| command | from → to | event |", "|---|---|---|"]
    for command in Command:
        steps = [(state, then, event) for (state, known), (then, event) in TRANSITIONS.items() if known is command]
        ways = ", ".join(f"{state} → {then}" for state, then, _ in steps)
        rows.append(f"| {command} | {ways} | {', '.join(sorted({event for *_, event in steps}))} |")
    return "\n".join(rows)
