"""«Отправить повторно» (F-06): a study is tried again, or compared again, because somebody asks for it.

Nothing is sent blindly: what waits or was refused is tried at once, and what counts as delivered goes back to where a
manifest is due, so that the centre itself says what it misses. What was evicted here is left to reconciliation: there
is no file to send.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, select

from cami.db.tables import delivery_item
from cami.delivery.reasons import Cause
from cami.delivery.states import Command, State
from cami.delivery.steps import move


@dataclass(frozen=True, slots=True)
class Repeated:
    """What a request to send a study again has set going, in instances."""

    known: int
    """Of the study, whatever their state; 0: no such study."""
    retried: int
    """Waiting or refused ones that are tried now."""
    compared: int
    """Delivered ones that the centre is asked for again."""


class Repeats:
    """Sets studies going again."""

    def __init__(self, engine: Engine, on_change: Callable[[], None] = lambda: None) -> None:
        """Make it; `on_change` wakes the senders."""
        self._engine = engine
        self._on_change = on_change

    def ask(self, study_id: str) -> Repeated:
        """Try a study again."""
        query = select(delivery_item.c.instance_id, delivery_item.c.state).where(delivery_item.c.study_id == study_id)
        with self._engine.begin() as connection:
            rows = connection.execute(query).all()
            waiting = [row.instance_id for row in rows if row.state in (State.QUEUED, State.QUARANTINED)]
            delivered = [row.instance_id for row in rows if row.state == State.CONFIRMED]
            retried = move(
                connection,
                Command.RETRY,
                waiting,
                not_before=None,
                attempts=0,
                reason=Cause.ASKED,
                sha256=None,
                stored_at=None,
            )
            compared = move(connection, Command.RECHECK, delivered, confirmed_at=None)
            compared += sum(row.state == State.STORED for row in rows)
        if retried or compared:
            self._on_change()
        return Repeated(len(rows), retried, compared)
