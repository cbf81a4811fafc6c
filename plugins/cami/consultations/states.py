"""The life of a request, as one table: (state, command) → (state, event, who may).

The states are those of the region's process and of FHIR Task (`docs/ru/consultations.md`). «Просрочена» is no state but
a flag. The state «Ошибка передачи» does not exist here: asker and consultant read the same row, so nothing is passed
on that could fail on its way; what goes to other systems has an outbox of its own. The table is the rule:
`cami.consultations.workflow` changes a state in no other way, and ``docs/architecture.md`` is made from it.

A request is at a *reading*: 0, or of a double reading (F-35) the first, the second, the third. Some steps are there at
some readings only, and lead to another.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cami.errors import Conflict


class State(StrEnum):
    """Where a request stands."""

    DRAFT = "draft"
    APPROVAL = "approval"
    """Waits for the person in charge at the asking МО."""
    SENT = "sent"
    RECEIVED = "received"
    """Somebody who may answer, or the dispatcher, has opened it."""
    ASSIGNED = "assigned"
    IN_WORK = "in-work"
    INFO_REQUESTED = "info-requested"
    """The consultant asked for more; the clock stands."""
    COMPARING = "comparing"
    """Both readers have signed, and agree in what can be compared: the second sees the first text, and concludes."""
    REDIRECTED = "redirected"
    """As sent, to somebody else."""
    DONE = "done"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Command(StrEnum):
    """What can be done with it."""

    CREATE = "create"
    SUBMIT = "submit"
    """The asker is ready, and the МО wants it approved first."""
    SEND = "send"
    APPROVE = "approve"
    RETURN = "return"
    """The approver gives it back to its author."""
    WITHDRAW = "withdraw"
    """The author takes it back from approval."""
    OPEN = "open"
    ASSIGN = "assign"
    TAKE = "take"
    """«Взять в работу»."""
    RELEASE = "release"
    """«Вернуть в очередь»."""
    HAND_OVER = "hand-over"
    """A consultant gives it to a colleague of the same МО."""
    REDIRECT = "redirect"
    ASK_MORE = "ask-more"
    TELL_MORE = "tell-more"
    RESUME = "resume"
    """The consultant goes on without waiting for an answer."""
    REJECT = "reject"
    CANCEL = "cancel"
    CONCLUDE = "conclude"
    """The first reader signs their reading: now the second reads."""
    COMPARE = "compare"
    """The second reader signs theirs, and what can be compared agrees."""
    DIVERGE = "diverge"
    """The second reader signs theirs, and it differs: a third decides."""
    DISAGREE = "disagree"
    """The second reader finds that the texts differ in what matters: a third decides."""
    SIGN = "sign"
    CORRECT = "correct"
    """A new version of the signed answer, with its reason."""
    ACKNOWLEDGE = "acknowledge"
    """The asking МО confirms that it knows of a critical finding."""
    EXPIRE = "expire"
    """The consultant has not been heard of: back into the queue."""


class Actor(StrEnum):
    """In which part somebody acts on one request."""

    AUTHOR = "author"
    """Wrote the request."""
    ASKER = "asker"
    """A doctor of the asking МО, its author among them."""
    APPROVER = "approver"
    """Named by the МО to approve."""
    CONSULTING = "consulting"
    """May answer for an МО that it is offered to."""
    CONSULTANT = "consultant"
    """Has it."""
    DISPATCHER = "dispatcher"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Step:
    """What a command does in a state."""

    to: State
    event: str
    """As other systems are told (`consultation.state`)."""
    by: frozenset[Actor]
    at: frozenset[int] = frozenset({0, 1, 2, 3})
    """At which readings it is there."""
    then: int | None = None
    """The reading that it leads to; None: the same."""


def _rules(
    before: Iterable[State],
    command: Command,
    to: State | None,
    event: str,
    *by: Actor,
    at: Iterable[int] = (0, 1, 2, 3),
    then: int | None = None,
) -> dict[tuple[State, Command], Step]:
    return {
        (state, command): Step(to or state, event, frozenset(by), frozenset(at), then) for state in before
    }  # fmt: skip


_WAITING = (State.SENT, State.RECEIVED, State.REDIRECTED)
_HELD = (State.ASSIGNED, State.IN_WORK, State.INFO_REQUESTED)
_COMPARING = (State.COMPARING,)
#: Readings of a double reading: blinded ones, and that of the third reader, who sees both.
BLINDED, THIRD = (1, 2), 3

#: In the queue: nobody has it.
QUEUED: tuple[State, ...] = _WAITING
#: Somebody has it.
HELD: tuple[State, ...] = (*_HELD, *_COMPARING)
#: Open to the consulting side.
OPEN: tuple[State, ...] = (*QUEUED, *HELD)
#: Nothing leads on from here.
ENDED: tuple[State, ...] = (State.DONE, State.REJECTED, State.CANCELLED)

TRANSITIONS: dict[tuple[State, Command], Step] = {
    **_rules([State.DRAFT], Command.SUBMIT, State.APPROVAL, "submitted", Actor.AUTHOR),
    **_rules([State.DRAFT], Command.SEND, State.SENT, "sent", Actor.AUTHOR),
    **_rules([State.APPROVAL], Command.APPROVE, State.SENT, "sent", Actor.APPROVER),
    **_rules([State.APPROVAL], Command.RETURN, State.DRAFT, "returned", Actor.APPROVER),
    **_rules([State.APPROVAL], Command.WITHDRAW, State.DRAFT, "withdrawn", Actor.AUTHOR),
    **_rules(
        [State.SENT, State.REDIRECTED], Command.OPEN, State.RECEIVED, "received", Actor.CONSULTING, Actor.DISPATCHER
    ),
    **_rules([*_WAITING, *_HELD], Command.ASSIGN, State.ASSIGNED, "assigned", Actor.DISPATCHER),
    **_rules(_WAITING, Command.TAKE, State.IN_WORK, "taken", Actor.CONSULTING),
    **_rules([State.ASSIGNED], Command.TAKE, State.IN_WORK, "taken", Actor.CONSULTANT),
    **_rules(_HELD, Command.RELEASE, State.RECEIVED, "released", Actor.CONSULTANT, Actor.DISPATCHER),
    **_rules(_HELD, Command.EXPIRE, State.RECEIVED, "released", Actor.SYSTEM),
    **_rules(_HELD, Command.HAND_OVER, State.ASSIGNED, "assigned", Actor.CONSULTANT),
    **_rules([*_WAITING, *_HELD], Command.REDIRECT, State.REDIRECTED, "redirected", Actor.DISPATCHER),
    **_rules([State.IN_WORK], Command.ASK_MORE, State.INFO_REQUESTED, "info-requested", Actor.CONSULTANT),
    **_rules([State.INFO_REQUESTED], Command.TELL_MORE, State.IN_WORK, "info-given", Actor.ASKER),
    **_rules([State.INFO_REQUESTED], Command.RESUME, State.IN_WORK, "resumed", Actor.CONSULTANT),
    **_rules(_WAITING, Command.REJECT, State.REJECTED, "rejected", Actor.CONSULTING, Actor.DISPATCHER),
    **_rules(_HELD, Command.REJECT, State.REJECTED, "rejected", Actor.CONSULTANT, Actor.DISPATCHER),
    **_rules([State.DRAFT], Command.CANCEL, State.CANCELLED, "cancelled", Actor.AUTHOR),
    **_rules([State.APPROVAL, *_WAITING, *HELD], Command.CANCEL, State.CANCELLED, "cancelled", Actor.ASKER),
    **_rules([State.IN_WORK], Command.SIGN, State.DONE, "done", Actor.CONSULTANT, at=(0, THIRD)),
    **_rules([State.DONE], Command.CORRECT, State.DONE, "corrected", Actor.CONSULTANT),
    **_rules([State.DONE], Command.ACKNOWLEDGE, State.DONE, "acknowledged", Actor.ASKER, Actor.DISPATCHER),
    # Double reading. Whoever leaves the comparison without a conclusion leaves it to a third reader.
    **_rules([State.IN_WORK], Command.CONCLUDE, State.RECEIVED, "read", Actor.CONSULTANT, at=(1,), then=2),
    **_rules([State.IN_WORK], Command.COMPARE, State.COMPARING, "read", Actor.CONSULTANT, at=(2,)),
    **_rules([State.IN_WORK], Command.DIVERGE, State.RECEIVED, "differs", Actor.CONSULTANT, at=(2,), then=THIRD),
    **_rules(_COMPARING, Command.DISAGREE, State.RECEIVED, "differs", Actor.CONSULTANT, then=THIRD),
    **_rules(_COMPARING, Command.SIGN, State.DONE, "done", Actor.CONSULTANT),
    **_rules(_COMPARING, Command.EXPIRE, State.RECEIVED, "differs", Actor.SYSTEM, then=THIRD),
    **_rules(_COMPARING, Command.RELEASE, State.RECEIVED, "differs", Actor.CONSULTANT, Actor.DISPATCHER, then=THIRD),
    **_rules(_COMPARING, Command.ASSIGN, State.ASSIGNED, "assigned", Actor.DISPATCHER, then=THIRD),
    **_rules(_COMPARING, Command.REDIRECT, State.REDIRECTED, "redirected", Actor.DISPATCHER, then=THIRD),
}

#: Which cannot be done without saying why.
NEED_A_REASON = frozenset(
    {
        Command.RETURN, Command.RELEASE, Command.HAND_OVER, Command.REDIRECT, Command.REJECT, Command.CANCEL,
        Command.CORRECT, Command.ASK_MORE, Command.TELL_MORE, Command.DISAGREE,
    }
)  # fmt: skip


def step(state: State, command: Command, reading: int = 0) -> Step:
    """Return what `command` does in `state` at a reading.

    Raises
    ------
    cami.errors.Conflict
        The table has no such transition.
    """
    found = TRANSITIONS.get((state, command))
    if found is None or reading not in found.at:
        raise Conflict(f"a request that is {state} cannot {command}")
    return found


def commands(state: State, actors: Iterable[Actor], reading: int = 0) -> list[Command]:
    """Return what somebody in these parts may do in a state, in the order of the commands."""
    parts = frozenset(actors)
    found = ((command, TRANSITIONS.get((state, command))) for command in Command)
    return [command for command, known in found if known and known.by & parts and reading in known.at]


def markdown() -> str:
    """Return the table as ``docs/architecture.md`` shows it."""
    rows = ["| command | from → to | reading | event | by |", "|---|---|---|---|---|"]
    for command in Command:
        groups: dict[tuple[str, str, str], list[str]] = {}
        for (state, known), found in TRANSITIONS.items():
            if known is command:
                key = (_readings(found), found.event, ", ".join(sorted(found.by)))
                groups.setdefault(key, []).append(f"{state} → {found.to}")
        rows += [f"| {command} | {', '.join(steps)} | {' | '.join(key)} |" for key, steps in groups.items()]
    return "\n".join(rows)


def _readings(found: Step) -> str:
    at = "" if len(found.at) > 3 else ", ".join(map(str, sorted(found.at)))
    return at if found.then is None else f"{at} → {found.then}".strip()
