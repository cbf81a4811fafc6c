"""Who may put bytes on the line: what is urgent at once, everything else while nothing urgent is on its way (F-04).

A proxy sends several objects at the same time. When an emergency comes in behind a queue of CT, it would share the line
with all that has begun before it. So the others stop before their next few kilobytes, wherever in their bodies they
are, and go on when nothing urgent is left. In the same way what follows the first object of a study waits until the
line has been given all of that one: ready to go, so that the line does not stand still meanwhile.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from cami.delivery.meter import Load
from cami.delivery.order import LAST, Priority, Rank, rank

#: Seconds that a request may stand still for what is urgent. Then it is broken off and its object keeps its turn: the
#: centre ends a request that is silent for longer than its ``HttpRequestTimeout`` of 60 s (orthanc-config/base.json).
PATIENCE = 20.0


class StoodBackError(Exception):
    """Something urgent has been on its way for too long: the rest is to be sent later."""


class Passage:
    """One object, or one question to the centre, on its way over the line."""

    def __init__(
        self,
        *,
        urgent: bool,
        rank: Rank = LAST,
        on_progress: Callable[[], None] = lambda: None,
        on_written: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a passage that nothing stops; `progressed` and `written` tell what comes of it."""
        self.urgent = urgent
        self.rank = rank
        self.progressed = on_progress
        """To be called when the centre has acknowledged a piece."""
        self.written = on_written
        """To be called when the line has been given all of the object: what follows cannot overtake it."""
        self.load: Load | None = None
        """The object, for the meter; None: a question to the centre."""
        self.headers: Mapping[str, str] = {}
        """What the centre is told with the object."""

    def wait(self, _waited: float) -> float:
        """Return when the next bytes may go; how many seconds the request has waited by then, `_waited` included."""
        return 0.0


class _Guarded(Passage):
    """A passage that stands back for what is urgent, and for the first object of its study."""

    def __init__(
        self, way: "RightOfWay", study_id: str, *, urgent: bool, rank: Rank, leads: bool, **told: Callable[[], None]
    ) -> None:
        super().__init__(urgent=urgent, rank=rank, **told)
        self.study_id = study_id
        self.leads = leads
        self._way = way

    def wait(self, waited: float) -> float:
        return self._way.wait(self, waited)


class RightOfWay:
    """The one judgement of a proxy on who may write to the line; thread-safe."""

    def __init__(self, patience: float = PATIENCE, now: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._now = now
        self._change = threading.Condition()
        self._passages: set[_Guarded] = set()
        self._urgent = 0
        self._led: set[str] = set()

    @property
    def free(self) -> bool:
        """Whether nothing urgent is on its way."""
        return self._urgent == 0

    @contextmanager
    def passage(
        self, study_id: str, *, urgent: bool, rank: Rank = LAST, leads: bool = False, **told: Callable[[], None]
    ) -> Iterator[Passage]:
        """Note that an object of a study is on its way; while one that is `urgent` is, the others stand still.

        Parameters
        ----------
        leads
            Whether it is the first of its study (`lead`).
        told
            `on_progress`, `on_written` of the `Passage`.
        """
        passage = _Guarded(self, study_id, urgent=urgent, rank=rank, leads=leads, **told)
        with self._change:
            self._passages.add(passage)
            self._urgent += urgent
        try:
            yield passage
        finally:
            with self._change:
                self._passages.remove(passage)
                self._urgent -= passage.urgent
                self._change.notify_all()

    def lead(self, study_id: str) -> None:
        """Let nothing of a study be written but its first object, until `follow`."""
        with self._change:
            self._led.add(study_id)

    def follow(self, study_id: str) -> None:
        """Let the rest of a study go."""
        with self._change:
            self._led.discard(study_id)
            self._change.notify_all()

    def hasten(self, study_id: str, priority: Priority) -> None:
        """Make urgent what is on its way of a study: its class was changed meanwhile."""
        with self._change:
            for passage in self._passages:
                if passage.study_id == study_id and not passage.urgent:
                    passage.urgent = True
                    passage.rank = rank(priority, passage.rank[1])
                    self._urgent += 1
            self._change.notify_all()

    def wait(self, passage: _Guarded, waited: float) -> float:
        """Return when `passage` may go on; what it has waited, in seconds, with the `waited` of before.

        Raises
        ------
        StoodBackError
            It has waited for as long as a request may.
        """
        if not self._stands_back(passage):
            return waited
        began = self._now()
        with self._change:
            while self._stands_back(passage):
                left = self._patience - waited - (self._now() - began)
                if left <= 0:
                    raise StoodBackError
                self._change.wait(left)
        return waited + self._now() - began

    def _stands_back(self, passage: _Guarded) -> bool:
        behind = passage.study_id in self._led and not passage.leads
        return behind or (self._urgent > 0 and not passage.urgent)
