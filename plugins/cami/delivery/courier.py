"""Sending: takes instances from the queue, sends them, and closes each study with a manifest.

Methods do one step and return; `cami.edge` calls them from its threads.
"""

import hashlib
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from cami.archive import Archive
from cami.clock import Clock
from cami.delivery.line import LONGEST_REST, Line
from cami.delivery.link import CentralLink, Receipt, cause_of
from cami.delivery.meter import Carried, Meter
from cami.delivery.queue import DeliveryQueue, Item
from cami.delivery.reasons import Cause
from cami.errors import Denied, Permanent, Transient

log = logging.getLogger(__name__)

#: How long a study must be quiet before its manifest is sent. A late image only makes another manifest.
QUIET = timedelta(seconds=2)


def _as_it_is(_item: Item, dicom: bytes) -> bytes:
    return dicom


class _StoodBackError(Exception):
    """Something urgent waits."""


class Courier:
    """Carries instances from the local archive to the centre."""

    def __init__(
        self,
        archive: Archive,
        queue: DeliveryQueue,
        link: CentralLink,
        clock: Clock,
        prepare: Callable[[Item, bytes], bytes] = _as_it_is,
        *,
        line: Line | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Make a courier that sends what `prepare` makes of a file; others may look at its `line` and `meter`."""
        self._archive = archive
        self._queue = queue
        self._link = link
        self._line = line or Line(clock)
        self._meter = meter or Meter()
        self._clock = clock
        self._prepare = prepare

    def send_next(self) -> bool:
        """Send the instance whose turn it is; return False when there is none to send now.

        Raises
        ------
        cami.errors.Transient
            The line is down. The instance is back in the queue; the caller should pause.
        """
        if not self._line.may_be_tried():
            return False
        item = self._queue.take()
        if item is None:
            self._line.not_tried()
            return False
        dicom = self._archive.read(item.instance_id)
        if dicom is None:
            log.warning("instance %s left the local archive before it was sent", item.instance_id)
            self._queue.forget(item.instance_id)
            return True
        dicom = self._prepare(item, dicom)
        sha256 = hashlib.sha256(dicom).hexdigest()
        try:
            with self._meter.carrying(item.study_id, item.size, len(dicom)) as carried:
                receipt = self._link.send(
                    dicom,
                    sha256,
                    urgent=item.urgent,
                    after_piece=partial(self._stand_back, item),
                    study_total=self._queue.study_total(item.study_id),
                )
        except _StoodBackError:
            self._queue.give_back(item, Cause.STOOD_BACK, timedelta())
        except (Transient, Denied) as error:
            self._line.failed(cause_of(error))
            self._meter.retried()
            # The line rests, not the image: it keeps its turn.
            self._queue.give_back(item, cause_of(error), timedelta())
            raise Transient(str(error)) from error
        except Permanent:
            self._set_apart(item, Cause.REFUSED)
        else:
            self._line.works()
            self._close(item, receipt, sha256, carried)
        return True

    def confirm_due(self) -> int:
        """Send the manifest of each study that is complete and quiet; return how many were confirmed.

        Raises
        ------
        cami.errors.Transient
            The line is down; the studies stay due.
        """
        confirmed = 0
        for study_id in self._queue.due_manifests(QUIET):
            manifest = self._queue.manifest(study_id)
            try:
                answer = self._link.confirm(manifest)
            except Denied as error:
                raise Transient(str(error)) from error
            if answer.different:
                log.error("study %s: the centre holds other content of %d instances", study_id, len(answer.different))
                self._queue.quarantine(answer.different, Cause.CONTENT_DIFFERS)
            if answer.missing:
                log.warning("study %s: the centre misses %d instances; sending again", study_id, len(answer.missing))
                self._queue.resend(answer.missing)
            if not answer.different and not answer.missing:
                self._queue.confirm(manifest)
                confirmed += 1
        return confirmed

    def _close(self, item: Item, receipt: Receipt, sha256: str, carried: Carried) -> None:
        """Note what the centre has done with an instance."""
        if receipt.outcome in ("quarantined", "rejected"):
            self._set_apart(item, receipt.reason or Cause.REFUSED)
        elif receipt.sha256 != sha256:
            self._queue.give_back(item, Cause.DIGEST, pause(item.attempts))
            self._meter.retried()
            raise Transient("the centre stored other bytes than were sent; sending again")
        else:
            self._queue.accept(item, sha256)
            lag = (self._clock.now() - item.received_at).total_seconds() if item.received_at else 0.0
            self._meter.delivered(carried, lag)

    def _stand_back(self, item: Item) -> None:
        """Let what is urgent go before the rest of a large object; that goes on later where it stood."""
        self._line.works()
        if not item.urgent and self._queue.urgent_waits():
            raise _StoodBackError

    def _set_apart(self, item: Item, reason: str) -> None:
        log.error("instance %s is not taken into the central archive: %s", item.instance_id, reason)
        self._queue.quarantine([item.instance_id], reason)


def pause(attempts: int) -> timedelta:
    """Return how long an image that came to harm on the way waits: half a second, doubling, at most `LONGEST_REST`."""
    return min(timedelta(seconds=0.5 * 2 ** min(attempts, 10)), LONGEST_REST)
