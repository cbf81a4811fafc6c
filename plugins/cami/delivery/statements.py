"""SQL of the queue that each image needs, made once: making a statement costs more than the database's answer."""

from datetime import datetime
from functools import cache

from sqlalchemy import Update, bindparam, exists, func, or_, select, update

from cami.db.tables import delivery_item
from cami.delivery.line import LONGEST_REST
from cami.delivery.states import State

#: The state, where rows are named by their keys. Plain, it would tempt SQLite to walk the index of states instead: at a
#: million rows in one state that took half a second, with the write lock held (`concat` hides it from the planner).
named_state = delivery_item.c.state.concat("")

#: What an instance is in once a sender has ever taken it. By name, so that the index of states is not read through.
_BEGUN = tuple(state for state in State if state is not State.QUEUED)

#: What no failed try holds back: its rest is over, or longer than any, as after a clock was set back.
_waits_no_more = or_(
    delivery_item.c.not_before.is_(None),
    delivery_item.c.not_before <= bindparam("now"),
    delivery_item.c.not_before > bindparam("latest"),
)

#: What goes next of the classes from `low` to `high`.
NEXT = (
    select(
        delivery_item.c.instance_id,
        delivery_item.c.study_id,
        delivery_item.c.attempts,
        delivery_item.c.lane,
        delivery_item.c.turn,
        delivery_item.c.modality,
        delivery_item.c.reason,
        delivery_item.c.size,
        delivery_item.c.received_at,
    )
    .where(
        delivery_item.c.state == State.QUEUED,
        # A range, not a list: SQLite then reads the index in its order and stops at the first row.
        delivery_item.c.lane.between(bindparam("low"), bindparam("high")),
        _waits_no_more,
    )
    .order_by(delivery_item.c.lane, delivery_item.c.turn)
    .limit(1)
)
#: The same, of other studies than `passed_over`.
NEXT_BUT = NEXT.where(delivery_item.c.study_id.not_in(bindparam("passed_over", expanding=True)))
#: Was anything of a study ever taken?
ANY_BEGUN = select(exists().where(delivery_item.c.study_id == bindparam("study_id"), delivery_item.c.state.in_(_BEGUN)))
#: How many instances of a study the centre will have.
STUDY_TOTAL = select(func.count()).where(
    delivery_item.c.study_id == bindparam("study_id"),
    delivery_item.c.state.not_in([State.QUARANTINED, State.REJECTED, State.LOST]),
)


def moments(now: datetime) -> dict[str, datetime]:
    """Return what `NEXT` and `NEXT_BUT` ask of the time."""
    return {"now": now, "latest": now + LONGEST_REST}


@cache
def step(names: tuple[str, ...]) -> Update:
    """Return the statement that moves instances from a state to another and sets these columns."""
    return (
        update(delivery_item)
        .where(delivery_item.c.instance_id.in_(bindparam("ids", expanding=True)), named_state == bindparam("before"))
        .values(state=bindparam("after"), **{name: bindparam(f"new_{name}") for name in names})
    )
