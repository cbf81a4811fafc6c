"""Sending: takes instances from the queue and sends them; `confirming` closes each study with a manifest.

Methods do one step and return; `cami.edge` calls them from its threads.
"""

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from cami.archive import Archive
from cami.clock import Clock
from cami.delivery.answers import Receipt, cause_of
from cami.delivery.content import pixel_digest
from cami.delivery.items import Item
from cami.delivery.line import Line, rest
from cami.delivery.link import CentralLink
from cami.delivery.meter import Meter
from cami.delivery.order import ALL, LAST, URGENT, Priority, Rank
from cami.delivery.queue import DeliveryQueue
from cami.delivery.reasons import Cause
from cami.delivery.right_of_way import Passage, RightOfWay, StoodBackError
from cami.delivery.sent import Sent
from cami.delivery.totals import announced
from cami.errors import Denied, Permanent, Transient

log = logging.getLogger(__name__)


def _as_it_is(_item: Item, dicom: bytes) -> bytes:
    return dicom


class _SettledError(Exception):
    """The instance is back in the queue, and the senders should rest."""


@dataclass(frozen=True, slots=True)
class _Sending:
    """What goes over the line, and what it was made of: without the bytes, which for large images count twice."""

    sha256: str
    source_sha256: str
    content: Sent | None


class Courier:
    """Carries instances from the local archive to the centre; used by all senders of a proxy at the same time."""

    def __init__(
        self,
        archive: Archive,
        queue: DeliveryQueue,
        link: CentralLink,
        clock: Clock,
        prepare: Callable[[Item, bytes], bytes] = _as_it_is,
        *,
        now_open: Callable[[], Collection[Priority]] = lambda: ALL,
        on_work: Callable[[], None] = lambda: None,
        line: Line | None = None,
        meter: Meter | None = None,
        ahead: int = 0,
    ) -> None:
        """Make a courier.

        Parameters
        ----------
        prepare
            Makes of a file what is sent.
        now_open
            Which classes may go at this hour.
        on_work
            Called when other senders may find something to do.
        line, meter
            What others look at, to say how sending stands.
        ahead
            How many objects of a study may be made ready while its first one is written. It goes alone, and without
            them the line would stand still after it until the next is read and compressed.
        """
        self._archive = archive
        self._queue = queue
        self._link = link
        self._line = line or Line(clock)
        self._meter = meter or Meter()
        self._clock = clock
        self._prepare = prepare
        # Taken, and then neither sent nor put back, since the database itself did not answer. Whatever is in the state
        # "sending" and in nobody's hands would stay there until the next start.
        self._dropped: deque[Item] = deque()
        self._now_open = now_open
        self._on_work = on_work
        self._way = RightOfWay()
        self._taking = threading.Lock()
        self._ahead = ahead
        # Studies whose first object is under way → how many more may be made ready for the line now.
        self._led: dict[str, int] = {}
        # Whether the last look for what is urgent, and for all else, has found something.
        self._flowing: set[bool] = set()

    def send_next(self, classes: Collection[Priority] = ALL) -> bool:
        """Send the instance of `classes` whose turn it is, or help another sender; return False with nothing to do.

        Raises
        ------
        cami.errors.Transient
            The line is down. The instance is back in the queue; the caller should pause.
        """
        if not self._line.may_be_tried():
            return False
        self._pick_up()
        allowed = self._allowed(classes)
        urgent = allowed <= URGENT
        # Taking costs the lock on the database; looking first does not, but is for nothing while the queue flows.
        if not allowed or urgent not in self._flowing or self._link.needs_help:
            head = self._queue.head(allowed, self._passed_over()) if allowed else None
            if self._help(allowed, head or LAST):
                return True
            if head is None:
                self._line.not_tried()
                return False
        self._probe()
        item = self._take(allowed)
        if item is None:
            self._flowing.discard(urgent)
            self._line.not_tried()
            return False
        self._flowing.add(urgent)
        try:
            with self._way.passage(
                item.study_id,
                urgent=item.urgent,
                rank=item.rank,
                leads=item.first,
                on_progress=self._line.works,
                on_written=partial(self._follow, item),
            ) as passage:
                self._send(item, passage)
        except _SettledError as settled:
            raise Transient(str(settled)) from settled.__cause__
        except Exception:
            self._dropped.append(item)
            raise
        finally:
            self._follow(item)
        return True

    def _probe(self) -> None:
        """While the line is known to be down, ask before an image is read, compressed and hashed for nothing."""
        if self._line.outage is None:
            return
        try:
            self._link.probe()
        except (Transient, Denied) as error:
            self._line.failed(cause_of(error))
            raise Transient(str(error)) from error

    def reclassified(self, study_id: str, priority: Priority) -> None:
        """Act on another class of a study at once: what is urgent gets the line to itself, also what is on its way."""
        if priority in URGENT:
            self._way.hasten(study_id, priority)
        self._on_work()

    def _pick_up(self) -> None:
        """Put back what was dropped."""
        while self._dropped:
            item = self._dropped.popleft()
            try:
                self._queue.give_back(item, Cause.DROPPED, timedelta())
            except Exception:
                self._dropped.append(item)
                raise

    def _allowed(self, classes: Collection[Priority]) -> frozenset[Priority]:
        """Return what may go now: by the hour, and while something urgent is on its way nothing else."""
        allowed = frozenset(classes) & frozenset(self._now_open())
        return allowed if self._way.free else allowed & URGENT

    def _take(self, allowed: Collection[Priority]) -> Item | None:
        """Take what may go now. The first object of a study goes alone: nothing else of it is written meanwhile."""
        with self._taking:
            item = self._queue.take(allowed, self._passed_over())
            if item is None:
                return None
            if item.first:
                self._led[item.study_id] = 0
                self._way.lead(item.study_id)
            elif item.study_id in self._led:
                self._led[item.study_id] -= 1
        return item

    def _passed_over(self) -> list[str]:
        return [study_id for study_id, room in list(self._led.items()) if room <= 0]

    def _written_soon(self, item: Item) -> None:
        """Let some of a study be made ready: its first object is, so they do not hold it up."""
        with self._taking:
            if not (item.first and self._ahead and item.study_id in self._led):
                return
            self._led[item.study_id] = self._ahead
        self._on_work()

    def _follow(self, item: Item) -> None:
        """Let the rest of a study follow its first object."""
        if item.first:
            with self._taking:
                if self._led.pop(item.study_id, None) is None:
                    return
                self._way.follow(item.study_id)
            self._on_work()

    def _help(self, allowed: frozenset[Priority], before: Rank) -> bool:
        """Carry a piece of a large object of another sender that stands before what would be taken."""
        try:
            return bool(allowed) and self._link.help(urgent_only=allowed <= URGENT, before=before)
        except StoodBackError:
            return True
        except (Transient, Denied, Permanent) as error:
            # The sender whose object it is meets the same, and decides.
            raise Transient(str(error)) from error

    def _send(self, item: Item, passage: Passage) -> None:
        """Send what was taken and note what became of it; raise `_SettledError` when that was noted and all rest."""
        try:
            original = self._archive.read(item.instance_id)
            dicom = None if original is None else self._prepare(item, original)
        except Transient as error:
            self._line.not_tried()
            self._queue.give_back(item, Cause.ARCHIVE, rest(item.attempts))
            raise _SettledError(str(error)) from error
        if original is None or dicom is None:
            log.warning("instance %s left the local archive before it was sent", item.instance_id)
            self._line.not_tried()
            self._queue.forget(item.instance_id)
            return
        sending = _Sending(
            hashlib.sha256(dicom).hexdigest(), hashlib.sha256(original).hexdigest(), self._held_by(item, original)
        )
        del original
        passage.headers = announced(self._queue.study_total(item.study_id))
        self._written_soon(item)
        with self._meter.carrying(item.study_id, item.size, len(dicom)) as passage.load:
            self._carry(item, dicom, sending, passage)

    def _carry(self, item: Item, dicom: bytes, sending: _Sending, passage: Passage) -> None:
        try:
            receipt = self._link.send(dicom, sending.sha256, passage, begun=item.begun)
        except StoodBackError:
            self._queue.stand_back(item)
        except (Transient, Denied) as error:
            cause = cause_of(error)
            self._line.failed(cause)
            self._meter.retried()
            # The line rests, not the image: it keeps its turn.
            self._queue.give_back(item, cause, timedelta())
            raise _SettledError(str(error)) from error
        except Permanent:
            self._set_apart(item, Cause.REFUSED)
        else:
            self._line.works()
            self._close(item, sending, receipt)
            if receipt.outcome in ("stored", "present") and passage.load is not None:
                lag = (self._clock.now() - item.received_at).total_seconds() if item.received_at else 0.0
                self._meter.delivered(passage.load, lag)

    def _close(self, item: Item, sending: _Sending, receipt: Receipt) -> None:
        if receipt.outcome in ("quarantined", "rejected"):
            self._set_apart(item, receipt.reason or Cause.REFUSED)
        elif receipt.outcome == "stored" and receipt.sha256 != sending.sha256:
            self._queue.give_back(item, Cause.DIGEST, rest(item.attempts))
            self._meter.retried()
            raise _SettledError("the centre stored other bytes than were sent; sending again")
        else:
            # "Present" may name other bytes: the same object, which an earlier try has brought in another encoding.
            self._queue.accept(item, receipt.sha256, sending.source_sha256, sending.content)

    def _held_by(self, item: Item, dicom: bytes) -> Sent | None:
        """Tell what an instance holds before it is made ready for the line."""
        identity = self._archive.identify(item.instance_id)
        return None if identity is None else Sent(identity.series_id, pixel_digest(dicom))

    def _set_apart(self, item: Item, reason: str) -> None:
        log.error("instance %s is not taken into the central archive: %s", item.instance_id, reason)
        self._queue.quarantine([item.instance_id], reason)
