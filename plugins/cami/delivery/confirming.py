"""Closing studies: the manifest of each that is all sent goes to the centre, and what it answers is acted on."""

import logging
from datetime import timedelta

from cami.clock import Clock
from cami.delivery.asking import Asking
from cami.delivery.link import CentralLink, ManifestAnswer
from cami.delivery.queue import DeliveryQueue
from cami.delivery.reasons import Cause
from cami.errors import Denied, Transient

log = logging.getLogger(__name__)

#: How long a study must be quiet before its manifest is sent. A late image only makes another manifest.
QUIET = timedelta(seconds=2)


class Confirming:
    """Sends the manifests of a proxy."""

    def __init__(self, queue: DeliveryQueue, link: CentralLink, clock: Clock) -> None:
        self._queue = queue
        self._link = link
        self._asking = Asking(clock)

    def confirm_due(self) -> int:
        """Send the manifest of each study that is complete and quiet; return how many were confirmed.

        Raises
        ------
        cami.errors.Transient
            The line is down; the studies stay due.
        """
        confirmed = 0
        for study_id in self._queue.due_manifests(QUIET):
            if not self._asking.may_ask(study_id):
                continue
            manifest = self._queue.manifest(study_id)
            try:
                answer = self._link.confirm(manifest)
            except Denied as error:
                raise Transient(str(error)) from error
            self._act_on(study_id, answer)
            if answer.confirmed:
                self._queue.confirm(manifest, pixels_compared=answer.pixels_compared)
                confirmed += 1
        return confirmed

    def _act_on(self, study_id: str, answer: ManifestAnswer) -> None:
        self._asking.heard(study_id, pending=bool(answer.pending))
        if answer.different:
            log.error("study %s: the centre holds other content of %d instances", study_id, len(answer.different))
            self._queue.quarantine(answer.different, Cause.CONTENT_DIFFERS)
        if answer.pixels_different:
            log.critical(
                "study %s: the pixels of %d instances at the centre are others", study_id, len(answer.pixels_different)
            )
            self._queue.quarantine(answer.pixels_different, Cause.PIXELS_DIFFER)
        if answer.missing:
            log.warning("study %s: the centre misses %d instances; sending again", study_id, len(answer.missing))
            self._queue.resend(answer.missing)
