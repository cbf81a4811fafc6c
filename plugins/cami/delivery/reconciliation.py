"""The nightly comparison of the whole proxy with the centre (F-08, «контроль полноты»).

It starts from what lies in the local archive, not from what the queue believes, and goes study by study: what the queue
does not know is queued, what the centre does not hold is queued again, what differs is set apart. Each run is a row of
the table ``reconciliation``; one that a crash cut short begins anew. Nothing waits in memory only.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cami.archive import Archive
from cami.delivery.feed import ChangeFeed
from cami.delivery.holdings import Held, Holdings
from cami.delivery.items import Manifest
from cami.delivery.link import CentralLink
from cami.delivery.queue import DeliveryQueue
from cami.delivery.reasons import Cause
from cami.delivery.runs import Findings, Night, Runs
from cami.delivery.sent import Sent, pixels_of, series_of
from cami.delivery.states import State
from cami.delivery.summary import summarize
from cami.errors import Denied, Transient

log = logging.getLogger(__name__)

#: Studies that are compared in one call.
BATCH = 50

#: What the centre should hold. *Lost* is asked for again: the centre may have been restored from a backup.
_DELIVERED = frozenset({State.STORED, State.CONFIRMED, State.EVICTED, State.LOST})


@dataclass(frozen=True, slots=True)
class _Study:
    study_id: str
    here: frozenset[str]
    """What the local archive holds of it."""
    known: Mapping[str, Held]
    sent: Mapping[str, Sent]

    @property
    def manifest(self) -> Manifest:
        """What the centre should hold."""
        delivered = {key: item.sha256 for key, item in self.known.items() if item.state in _DELIVERED and item.sha256}
        names = list(delivered)
        return Manifest(self.study_id, "", delivered, pixels_of(names, self.sent), series_of(names, self.sent))

    @property
    def absent(self) -> list[str]:
        """What should be here and is not, though nobody has let go of it."""
        held = (State.STORED, State.CONFIRMED)
        return [key for key, item in self.known.items() if item.state in held and key not in self.here]


class Reconciliation:
    """Compares, a batch of studies at each step."""

    def __init__(
        self,
        *,
        archive: Archive,
        feed: ChangeFeed,
        queue: DeliveryQueue,
        holdings: Holdings,
        link: CentralLink,
        runs: Runs,
        night: Night,
    ) -> None:
        self._archive = archive
        self._feed = feed
        self._queue = queue
        self._holdings = holdings
        self._link = link
        self._runs = runs
        self._night = night
        self._run = 0
        self._ahead: list[str] = []

    def step(self) -> bool:
        """Do a piece of the run that is open; return whether one is open still.

        Raises
        ------
        cami.errors.Transient
            The line is down; the same piece comes again.
        """
        run = self._runs.open() or self._runs.begin_nightly(self._night)
        if run is None:
            return False
        if run != self._run:  # a new one, or one that was cut short before this server started
            here = [str(key) for key in self._archive.get("/studies")]
            self._ahead = sorted({*here, *self._holdings.held_studies()})
            self._runs.restart(run)
            self._run = run
        batch, rest = self._ahead[:BATCH], self._ahead[BATCH:]
        found = Findings()
        try:
            self._compare(batch, found)
        except Transient:
            self._runs.note(run, found, ended=False)  # what was repaired is repaired; the batch comes again
            raise
        self._ahead = rest
        self._runs.note(run, found, ended=not rest)
        if not rest:
            self._run = 0
        return bool(rest)

    def _compare(self, study_ids: Sequence[str], found: Findings) -> None:
        studies = [study for study_id in study_ids if (study := self._look(study_id, found))]
        expected = {study.study_id: study.manifest.instances for study in studies}
        summaries = {study_id: summarize(instances) for study_id, instances in expected.items() if instances}
        try:
            unlike = set(self._link.compare(summaries)) if summaries else set()
            for study in studies:
                if study.study_id in unlike:
                    self._repair(study, found)
                elif any(item.state is State.LOST for item in study.known.values()):
                    self._queue.confirm(study.manifest)  # what was lost is there again
        except Denied as error:
            raise Transient(str(error)) from error
        found.studies += len(studies)
        found.instances += sum(len(study.here) for study in studies)
        found.absent += sum(len(study.absent) for study in studies)

    def _look(self, study_id: str, found: Findings) -> _Study | None:
        """Read a study here, and queue what the queue does not know of it."""
        if self._holdings.evicting(study_id):
            return None
        here = frozenset(self._archive.instances_of(study_id))
        known = self._holdings.instances(study_id)
        unknown = [key for key in here if key not in known or known[key].state in (State.EVICTED, State.LOST)]
        if unknown:
            # What has just come in is not unknown, only not read of yet.
            while self._feed.advance():
                pass
            queued = self._feed.enter(unknown)
            if queued:
                log.warning("study %s: %d instances were unknown to the queue; sending them", study_id, queued)
            found.unknown += queued
            known = self._holdings.instances(study_id)
        study = _Study(study_id, here, known, self._holdings.sent(study_id))
        if study.absent:
            log.error("study %s: %d instances are not in the local archive any more", study_id, len(study.absent))
        return study if here or study.absent else None  # else it was evicted since the list was made

    def _repair(self, study: _Study, found: Findings) -> None:
        answer = self._link.confirm(study.manifest)
        if answer.confirmed:
            if any(item.state in (State.STORED, State.LOST) for item in study.known.values()):
                self._queue.confirm(study.manifest, pixels_compared=answer.pixels_compared)
            return
        missing = [key for key in answer.missing if key in study.here]
        gone = [key for key in answer.missing if key not in study.here]
        self._queue.resend(missing)
        self._queue.lose(gone)
        self._queue.quarantine(answer.different, Cause.CONTENT_DIFFERS)
        self._queue.quarantine(answer.pixels_different, Cause.PIXELS_DIFFER)
        found.missing += len(missing)
        found.lost += len(gone)
        found.different += len(answer.different) + len(answer.pixels_different)
        log.error(
            "study %s: the centre misses %d instances (sending them again), %d more that are not here, %d differ",
            study.study_id,
            len(missing),
            len(gone),
            len(answer.different) + len(answer.pixels_different),
        )
