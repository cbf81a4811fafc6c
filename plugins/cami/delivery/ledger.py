"""What all sides of the queue stand on: the database, to write and to look, and the clock."""

from sqlalchemy import Engine

from cami.clock import Clock
from cami.db import reading


class Ledger:
    """Holds them."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
