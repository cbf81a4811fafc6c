"""What a proxy does when the centre wants a study sooner, or no more (F-04, F-19).

A raised study remembers the class that it had; it goes back to it when the wait is over, unless somebody here has put
it into another class meanwhile.
"""

from collections.abc import Callable, Mapping

from sqlalchemy import Engine, delete, insert, select

from cami.archive import Archive
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import raised_study
from cami.delivery import CentralLink, ChangeFeed, DeliveryQueue, Holdings
from cami.delivery.order import Priority
from cami.delivery.states import State
from cami.errands import DONE, Errand, Handler, Kind, Outcome, Report
from cami.errors import Denied, NotFound, Transient

_WAITING = (State.QUEUED, State.SENDING)


class Raising:
    """Puts studies into another class for a time: the table ``raised_study``."""

    def __init__(self, engine: Engine, clock: Clock, queue: DeliveryQueue) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._queue = queue

    def raise_(self, study_id: str, priority: Priority) -> None:
        """Make a study at least that urgent.

        Raises
        ------
        cami.errors.NotFound
            The queue does not know it.
        """
        before = self._queue.priority(study_id)
        if before is None:
            raise NotFound("no such study in the queue")
        if before <= priority:
            return
        # Written first: after a crash in between it is asked again, and the class before is still known.
        with self._engine.begin() as connection:
            known = connection.scalar(select(raised_study.c.before).where(raised_study.c.study_id == study_id))
            if known is None:
                connection.execute(
                    insert(raised_study).values(study_id=study_id, before=int(before), raised_at=self._clock.now())
                )
        self._queue.set_priority(study_id, priority)

    def lower(self, study_id: str) -> None:
        """Put a raised study back into the class that it had; one that was not raised stays as it is."""
        with self._reader.connect() as connection:
            before = connection.scalar(select(raised_study.c.before).where(raised_study.c.study_id == study_id))
        if before is None:
            return
        if self._queue.priority(study_id) == Priority.AWAITED:
            self._queue.set_priority(study_id, Priority(before))
        with self._engine.begin() as connection:
            connection.execute(delete(raised_study).where(raised_study.c.study_id == study_id))


class Handlers:
    """The errands about studies that this proxy has."""

    def __init__(
        self,
        *,
        archive: Archive,
        feed: ChangeFeed,
        queue: DeliveryQueue,
        holdings: Holdings,
        raising: Raising,
        link: CentralLink,
        wake_senders: Callable[[], None],
    ) -> None:
        self._archive = archive
        self._feed = feed
        self._queue = queue
        self._holdings = holdings
        self._raising = raising
        self._link = link
        self._wake_senders = wake_senders

    def by_kind(self) -> Mapping[Kind, Handler]:
        """Return the handlers for `cami.errands.Runner`."""
        return {Kind.RAISE: self.raise_, Kind.LOWER: self.lower, Kind.SEND: self.send}

    def raise_(self, errand: Errand) -> Report:
        """Put a study that somebody waits for into the errand's class."""
        study_id = errand.study.study_id
        if not self._holdings.instances(study_id):
            self._enter(study_id)
        self._raise(study_id, errand.priority)
        return DONE

    def lower(self, errand: Errand) -> Report:
        """Put a study that nobody waits for any more back."""
        self._raising.lower(errand.study.study_id)
        return DONE

    def send(self, errand: Errand) -> Report:
        """Send a study in the errand's class: what waits goes first, and what the centre has lost goes again."""
        study_id = errand.study.study_id
        known = self._holdings.instances(study_id)
        if not known:
            self._enter(study_id)
            known = self._holdings.instances(study_id)
        if not any(item.state in _WAITING for item in known.values()):
            self._compare(study_id)
            known = self._holdings.instances(study_id)
        waiting = any(item.state in _WAITING for item in known.values())
        self._raise(study_id, errand.priority)
        for state in (State.QUARANTINED, State.LOST):
            if not waiting and any(item.state is state for item in known.values()):
                return Report(Outcome.REFUSED, state.value)
        return DONE

    def _enter(self, study_id: str) -> None:
        """Enter a study that the archive has and the queue does not know (yet)."""
        here = self._archive.instances_of(study_id)
        if not here:
            raise NotFound("no such study")
        self._feed.enter(here)

    def _raise(self, study_id: str, priority: Priority) -> None:
        try:
            self._raising.raise_(study_id, max(priority, Priority.AWAITED))
        except NotFound:
            return  # known, but of before the queue kept classes: nothing of it waits
        self._wake_senders()

    def _compare(self, study_id: str) -> None:
        """Ask the centre what it has, and queue what it lacks."""
        manifest = self._queue.manifest(study_id)
        if not manifest.instances:
            return
        try:
            answer = self._link.confirm(manifest)
        except Denied as error:
            raise Transient(str(error)) from error
        self._queue.resend(answer.missing)
        self._queue.quarantine(answer.different, "content-differs")
        self._queue.quarantine(answer.pixels_different, "pixels-differ")
