"""The life of an image on its way to a destination, as a table: (state, command) → state."""

from enum import StrEnum


class State(StrEnum):
    """How far an image is on its way to one destination."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """The destination does not take it, or it is gone here: somebody must look."""
    CANCELLED = "cancelled"
    """Somebody has decided that it need not go there."""


class Command(StrEnum):
    """What can happen to it."""

    SEND = "send"
    """A sender has taken it."""
    RETURN = "return"
    """It did not get through, or this server died: again, later."""
    DELIVER = "deliver"
    """The destination has answered that it has stored it."""
    FAIL = "fail"
    """It will not get through by itself."""
    RESEND = "resend"
    """«Отправить повторно»."""
    CANCEL = "cancel"
    """«Не отправлять»."""


TRANSITIONS: dict[tuple[State, Command], State] = {
    (State.QUEUED, Command.SEND): State.SENDING,
    (State.SENDING, Command.RETURN): State.QUEUED,
    (State.SENDING, Command.DELIVER): State.DELIVERED,
    (State.SENDING, Command.FAIL): State.FAILED,
    (State.FAILED, Command.RESEND): State.QUEUED,
    (State.QUEUED, Command.CANCEL): State.CANCELLED,
    (State.FAILED, Command.CANCEL): State.CANCELLED,
}

#: States in which the local copy is still needed.
WAITING = (State.QUEUED, State.SENDING)


def states_before(command: Command) -> list[State]:
    """Return the states in which `command` may happen."""
    return [state for state, known in TRANSITIONS if known is command]
