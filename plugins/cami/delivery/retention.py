"""Letting go of studies at a proxy when their room is needed (F-03; design §4).

Only what the centre has: all of the study confirmed, the manifest compared once more, and each file read from the
centre's disk again, right before. Then the rows say so (`cami.delivery.holdings`), and the files are deleted one by
one and by name: an image that comes in meanwhile is not on that list, so it stays and is sent.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from cami.archive import Archive
from cami.clock import Clock
from cami.delivery.disk import GB, DiskWatch
from cami.delivery.holdings import Candidate, Held, Holdings
from cami.delivery.kept_series import series_here
from cami.delivery.link import CentralLink
from cami.delivery.queue import DeliveryQueue
from cami.delivery.reasons import Cause
from cami.delivery.states import State
from cami.errors import Denied, Transient
from cami.region import Retention as Rules

log = logging.getLogger(__name__)

#: A study that was opened this recently stays: somebody may be reading it.
OPEN_FOR = timedelta(hours=2)
#: How long a study is left alone that could not be let go of.
PASSED_OVER = timedelta(hours=1)
#: Studies that are looked for at once.
_AT_ONCE = 20
#: What the centre reads again in one call: it must answer within the patience of the line.
_VERIFIED_BYTES = 200_000_000
_VERIFIED_COUNT = 200


class _Leftover(NamedTuple):
    """An eviction that a crash or an error cut short."""

    study_id: str
    here: tuple[str, ...]
    seq: int
    """How far the change log was read when `here` was seen: until then nothing in `here` can be judged."""


class Retention:
    """Evicts studies, one at each step."""

    def __init__(
        self,
        *,
        archive: Archive,
        queue: DeliveryQueue,
        holdings: Holdings,
        link: CentralLink,
        disk: DiskWatch,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._archive = archive
        self._queue = queue
        self._holdings = holdings
        self._link = link
        self._disk = disk
        self._rules = rules
        self._clock = clock
        self._candidates: list[Candidate] = []
        self._passed: dict[str, datetime] = {}
        self._leftover: _Leftover | None = None

    def step(self) -> bool:
        """Let go of one study if its room is needed; return whether to go on soon.

        Raises
        ------
        cami.errors.Transient
            The centre cannot be asked, so nothing is let go of.
        """
        unfinished = self._holdings.unfinished()
        if unfinished is not None:
            self._finish(unfinished)
            return True
        if not self._wanting() and self._rules.keep_days is None:
            return False
        candidate = self._next()
        if candidate is None:
            return False
        reason = self._wanting() or self._too_old(candidate)
        if not reason:
            self._candidates.clear()
            return False
        if not self._evict(candidate, reason):
            self._passed[candidate.study_id] = self._clock.now() + PASSED_OVER
        return True

    def _wanting(self) -> str:
        """Say why room is needed now; empty if it is not."""
        quota = self._rules.quota_gb
        if quota is not None and int(self._archive.get("/statistics")["TotalDiskSize"]) > quota * GB:
            return "quota"
        self._disk.look()
        wanted = self._rules.min_free_gb
        least = self._disk.thresholds.warn if wanted is None else wanted * GB
        return "space" if self._disk.room.free < least else ""

    def _too_old(self, candidate: Candidate) -> str:
        days = self._rules.keep_days
        return "age" if days is not None and self._clock.now() - candidate.last_used > timedelta(days=days) else ""

    def _next(self) -> Candidate | None:
        now = self._clock.now()
        self._passed = {study_id: until for study_id, until in self._passed.items() if until > now}
        if not self._candidates:
            found = self._holdings.candidates(_AT_ONCE + len(self._passed), unread_for=OPEN_FOR)
            self._candidates = [candidate for candidate in found if candidate.study_id not in self._passed]
        return self._candidates.pop(0) if self._candidates else None

    def _evict(self, candidate: Candidate, reason: str) -> bool:
        study_id = candidate.study_id
        known = self._holdings.instances(study_id)
        here = self._archive.instances_of(study_id)
        if any(key not in known or known[key].state is not State.CONFIRMED for key in here):
            return False  # something has just come in; the feed has not read of it yet
        leaving = {key: item for key, item in known.items() if item.state is State.CONFIRMED}
        if not self._safe_at_centre(study_id, leaving):
            return False
        if not self._holdings.begin_eviction(study_id, list(leaving), series_here(self._archive, study_id)):
            return False
        for instance_id in here:
            self._archive.delete_instance(instance_id)
        self._holdings.end_eviction(study_id)
        log.warning(
            "evicted study %s (%s): %d instances, %.3f GB, last used %s; the centre has read it again",
            study_id,
            reason,
            len(leaving),
            candidate.size / GB,
            candidate.last_used.date(),
        )
        return True

    def _safe_at_centre(self, study_id: str, leaving: Mapping[str, Held]) -> bool:
        manifest = self._queue.manifest(study_id)
        try:
            answer = self._link.confirm(manifest)
            if answer.pending:
                return False  # the centre has not read all of it from its disk yet
            if not answer.confirmed:
                log.error("study %s stays: the centre does not hold all of it any more", study_id)
                self._queue.resend(answer.missing)
                self._queue.quarantine(answer.different, Cause.CONTENT_DIFFERS)
                self._queue.quarantine(answer.pixels_different, Cause.PIXELS_DIFFER)
                return False
            for part in _parts(leaving):
                if bad := self._link.verify(part):
                    log.critical("study %s stays: the centre cannot read %d of its files", study_id, len(bad))
                    return False
        except Denied as error:
            raise Transient(str(error)) from error
        return True

    def _finish(self, study_id: str) -> None:
        """Go on with an eviction that was cut short.

        What is still here may be what was to be deleted, or may have come in anew since. What is seen here now and
        still counts as evicted once the change log has been read up to now is the former.
        """
        left = self._leftover
        if left is None or left.study_id != study_id:
            here = tuple(self._archive.instances_of(study_id))
            self._leftover = _Leftover(study_id, here, self._archive.last_change())
            return
        if self._queue.cursor() < left.seq:
            return
        known = self._holdings.instances(study_id)
        for instance_id in left.here:
            if instance_id in known and known[instance_id].state is State.EVICTED:
                self._archive.delete_instance(instance_id)
        self._holdings.end_eviction(study_id)
        self._leftover = None
        log.warning("finished the eviction of study %s, which had been cut short", study_id)


def _parts(leaving: Mapping[str, Held]) -> Iterator[dict[str, str]]:
    """Cut what is to be read again into calls of a bearable size."""
    part: dict[str, str] = {}
    size = 0
    for instance_id, item in leaving.items():
        if part and (size + item.size > _VERIFIED_BYTES or len(part) >= _VERIFIED_COUNT):
            yield part
            part, size = {}, 0
        part[instance_id] = item.sha256
        size += item.size
    if part:
        yield part
