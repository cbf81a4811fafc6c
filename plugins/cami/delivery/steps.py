"""Steps along `cami.delivery.states.TRANSITIONS`, in the caller's transaction."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from cami.db.tables import delivery_item, delivery_study
from cami.delivery.order import PATIENCE, Priority
from cami.delivery.reasons import Cause
from cami.delivery.statements import step
from cami.delivery.states import Command, State, after, states_before

log = logging.getLogger(__name__)


def move(
    connection: Connection,
    command: Command,
    instance_ids: Sequence[str],
    **values: datetime | str | float | None,
) -> int:
    """Take instances one step along `cami.delivery.states.TRANSITIONS`; return how many were in a state for it."""
    moved = 0
    # What stays in its state first: what comes into that state by this step must not be counted twice.
    for state in sorted(states_before(command), key=lambda before: after(before, command) != before):
        for part in parts(instance_ids):
            moved += connection.execute(
                step(tuple(values)),
                {"ids": list(part), "before": state, "after": after(state, command)}
                | {f"new_{name}": value for name, value in values.items()},
            ).rowcount
    return moved


def parts(items: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    """Cut a list of identifiers into pieces that a statement may hold."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def lose(connection: Connection, instance_ids: Sequence[str]) -> None:
    """Note what was evicted here and is not at the centre any more: nothing can be sent again."""
    if lost := move(connection, Command.LOSE, instance_ids, reason=Cause.LOST):
        log.critical("%d instances are neither here nor at the centre any more: restore them from a backup", lost)


def reclassify(connection: Connection, study_id: str, priority: Priority) -> bool:
    """Put a study into another class in the caller's transaction; return whether the study is known."""
    known = connection.scalar(select(delivery_study.c.priority).where(delivery_study.c.study_id == study_id))
    if known is None:
        return False
    shift = (PATIENCE[priority] - PATIENCE[Priority(known)]).total_seconds()
    connection.execute(update(delivery_study).where(delivery_study.c.study_id == study_id).values(priority=priority))
    connection.execute(
        update(delivery_item)
        .where(delivery_item.c.study_id == study_id, delivery_item.c.state.in_([State.QUEUED, State.SENDING]))
        .values(lane=priority, turn=delivery_item.c.turn + shift)
    )
    return True
