"""How far a removal is, and what leads on."""

from enum import StrEnum

from cami.errors import Conflict


class State(StrEnum):
    """Where a removal stands."""

    MARKED = "marked"
    AGREED_BY_MO = "agreed-by-mo"
    """The administrator of the owner МО has confirmed."""
    AGREED_BY_REGION = "agreed-by-region"
    """The region administrator has confirmed."""
    DELETING = "deleting"
    """Both have: nothing of the study comes in any more, and it is being deleted."""
    DELETED = "deleted"
    WITHDRAWN = "withdrawn"


class Command(StrEnum):
    """What can happen to it."""

    CONFIRM_BY_MO = "confirm-by-mo"
    CONFIRM_BY_REGION = "confirm-by-region"
    WITHDRAW = "withdraw"
    FINISH = "finish"
    """The last image is gone."""


TRANSITIONS: dict[tuple[State, Command], State] = {
    (State.MARKED, Command.CONFIRM_BY_MO): State.AGREED_BY_MO,
    (State.MARKED, Command.CONFIRM_BY_REGION): State.AGREED_BY_REGION,
    (State.AGREED_BY_MO, Command.CONFIRM_BY_REGION): State.DELETING,
    (State.AGREED_BY_REGION, Command.CONFIRM_BY_MO): State.DELETING,
    (State.MARKED, Command.WITHDRAW): State.WITHDRAWN,
    (State.AGREED_BY_MO, Command.WITHDRAW): State.WITHDRAWN,
    (State.AGREED_BY_REGION, Command.WITHDRAW): State.WITHDRAWN,
    (State.DELETING, Command.FINISH): State.DELETED,
}
#: In which nothing is decided for good.
OPEN = (State.MARKED, State.AGREED_BY_MO, State.AGREED_BY_REGION)


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
        raise Conflict(f"a removal that is {state} cannot {command}") from None


def markdown() -> str:
    """Return the table as ``docs/architecture.md`` shows it."""
    rows = ["| command | from → to |", "|---|---|"]
    for command in Command:
        steps = [f"{state} → {then}" for (state, known), then in TRANSITIONS.items() if known is command]
        rows.append(f"| {command} | {', '.join(steps)} |")
    return "\n".join(rows)
