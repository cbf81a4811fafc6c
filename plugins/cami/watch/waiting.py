"""What waits in a proxy's queue, counted once for all who ask: pages, metrics, the command line.

Counting a queue of a million images takes seconds, and a page that is open asks every few seconds. So one count serves
everybody, and a new one is made only when counting has not taken more than a small share of the time.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Engine, func, select

from cami.db import reading
from cami.db.tables import delivery_item, delivery_study
from cami.delivery.order import URGENT, Priority
from cami.delivery.states import State
from cami.watch.progress import QueueTotals, queue_totals

#: Seconds for which a count is good at least.
FRESH = 1.0
#: A count is good for so many times what it took.
_SHARE = 20

_WAITING = (State.QUEUED, State.SENDING)


@dataclass(frozen=True, slots=True)
class WaitingStudy:
    """What waits of one study."""

    study_id: str
    priority: int
    lane: int
    first_turn: float
    last_turn: float
    instances: int
    size: int
    """Bytes as stored at the proxy."""
    oldest: datetime
    """When the one that waits longest came in."""

    def share_before(self, lane: int, turn: float) -> float:
        """Return how much of it (0 to 1) goes before or at a place in the queue (`cami.delivery.order`).

        The urgent classes go one after the other, before all others; those go by their turns.
        """
        if self.lane != lane and (self.lane in URGENT or lane in URGENT):
            return 1.0 if self.lane < lane else 0.0
        if turn >= self.last_turn:
            return 1.0
        if turn < self.first_turn:
            return 0.0
        return (turn - self.first_turn) / (self.last_turn - self.first_turn)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one class of the queue."""

    priority: int
    instances: int
    size: int
    oldest: datetime


@dataclass(frozen=True)
class Queue:
    """A proxy's queue at one moment."""

    studies: Mapping[str, WaitingStudy]
    """What waits, by Orthanc study id."""
    totals: QueueTotals

    @property
    def instances(self) -> int:
        """Images that wait or are being sent."""
        return self.totals.queued + self.totals.sending

    @cached_property
    def size(self) -> int:
        """Bytes of them."""
        return sum(study.size for study in self.studies.values())

    @cached_property
    def by_class(self) -> Mapping[int, Waiting]:
        """What waits by class; a class with nothing is left out."""
        found: dict[int, Waiting] = {}
        for study in self.studies.values():
            before = found.get(study.priority)
            found[study.priority] = Waiting(
                study.priority,
                study.instances + (before.instances if before else 0),
                study.size + (before.size if before else 0),
                min(study.oldest, before.oldest) if before else study.oldest,
            )
        return found

    def ahead(self, study_id: str, held: Collection[int] = ()) -> int:
        """Return the bytes that go before the end of a study, its own included; 0 if nothing of it waits.

        What is of a class that is `held` does not go now.
        """
        own = self.studies.get(study_id)
        if own is None:
            return 0
        moving = (study for study in self.studies.values() if study is own or study.priority not in held)
        return int(sum(study.size * study.share_before(own.lane, own.last_turn) for study in moving))


def count_queue(engine: Engine) -> Queue:
    """Count the queue of this proxy."""
    query = (
        select(
            delivery_item.c.study_id,
            func.coalesce(func.max(delivery_study.c.priority), Priority.PLANNED).label("priority"),
            func.max(delivery_item.c.lane).label("lane"),
            func.min(delivery_item.c.turn).label("first_turn"),
            func.max(delivery_item.c.turn).label("last_turn"),
            func.count().label("instances"),
            func.sum(delivery_item.c.size).label("size"),
            func.min(delivery_item.c.received_at).label("oldest"),
        )
        .join_from(delivery_item, delivery_study, delivery_item.c.study_id == delivery_study.c.study_id, isouter=True)
        .where(delivery_item.c.state.in_(_WAITING))
        .group_by(delivery_item.c.study_id)
    )
    with reading(engine).connect() as connection:
        studies = [WaitingStudy(**{**row, "size": int(row["size"])}) for row in connection.execute(query).mappings()]
    return Queue({study.study_id: study for study in studies}, queue_totals(engine))


class QueueWatch:
    """Knows the queue as it was a moment ago. Thread-safe."""

    def __init__(self, engine: Engine, now: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._now = now
        self._lock = threading.Lock()
        self._known: Queue | None = None
        self._good_until = 0.0

    def queue(self) -> Queue:
        """Return the queue; while it is being counted anew for somebody, others get the count before."""
        known = self._known
        if known is not None and (self._now() < self._good_until or not self._lock.acquire(blocking=False)):
            return known
        if known is None:
            self._lock.acquire()
        try:
            if self._known is not known and self._known is not None:
                return self._known
            began = self._now()
            self._known = count_queue(self._engine)
            ended = self._now()
            self._good_until = ended + max(FRESH, _SHARE * (ended - began))
            return self._known
        finally:
            self._lock.release()
