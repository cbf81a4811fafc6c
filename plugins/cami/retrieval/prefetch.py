"""Prefetch: earlier studies of a patient are at the proxy when the patient is (design §4, «down the line»)."""

import logging
from collections.abc import Callable
from datetime import timedelta

from cami.clock import Clock
from cami.delivery.order import Priority
from cami.errands import Asking
from cami.errors import Denied, NotFound, Transient
from cami.region import Prefetch
from cami.retrieval.fetches import Cause, Fetches
from cami.retrieval.priors import Visit as Wanted
from cami.retrieval.priors import choose, parse_prior, values
from cami.retrieval.schedule import Schedule, Visit

log = logging.getLogger(__name__)

#: Visits that are looked at in one step.
BATCH = 20


class Prefetcher:
    """Asks the centre for priors when it is time, and has the best of them fetched."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        fetches: Fetches,
        link: Asking,
        rules: Prefetch,
        room_for: Callable[[int], bool],
        clock: Clock,
    ) -> None:
        """Make it; `room_for` says whether so many bytes have room here without anything else being let go of."""
        self._schedule = schedule
        self._fetches = fetches
        self._link = link
        self._rules = rules
        self._room_for = room_for
        self._clock = clock

    def step(self) -> bool:
        """Look for the priors of who is expected now; return whether there may be more.

        Raises
        ------
        cami.errors.Transient
            The line is down; it is looked later.
        """
        visits = self._schedule.due(BATCH)
        for visit in visits:
            found = self._look(visit) if self._rules.count else 0
            self._schedule.done(visit, found)
        return len(visits) == BATCH

    def _look(self, visit: Visit) -> int:
        try:
            answer = self._link.ask("POST", "/priors", {"patient": visit.patient})
        except (NotFound, Denied) as error:
            raise Transient(str(error)) from error
        every = [parse_prior(document) for document in answer.get("studies", [])]
        # A late image of a study that had left the proxy makes no prior of its own study.
        found = [prior for prior in every if prior.study_id != visit.study_id]
        presence = self._fetches.presence([prior.study_id for prior in found])
        here = {study_id for study_id, some in presence.items() if not some.evicted}
        wanted = Wanted(visit.issuer, values(visit.modality), values(visit.body_part))
        now = self._clock.now()
        chosen = choose(self._rules, wanted, found, here=here, today=now.date())
        if not self._room_for(sum(prior.size for prior in chosen)):
            log.warning("prefetch for visit %d is left out: no room", visit.number)
            return 0
        for prior in chosen:
            self._fetches.ask(
                prior.study_id,
                Priority.PRIOR,
                Cause(visit.cause.value),
                asked_by=visit.asked_by,
                keep=max(visit.keep_until - now, timedelta()),
            )
        if chosen:
            log.info("visit %d: %d earlier studies are fetched", visit.number, len(chosen))
        return len(chosen)
