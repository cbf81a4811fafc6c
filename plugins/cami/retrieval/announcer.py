"""Telling the centre of studies ahead of their images: at the first image, and again while more come in."""

from datetime import timedelta

from cami.clock import Clock
from cami.errands import Asking
from cami.errors import Denied, NotFound, Transient
from cami.retrieval.announcements import Announcement
from cami.retrieval.catalogue import Catalogue, Untold

#: Studies in one call; with their columns some 50 KB, a fifth of a second of a line of 2 Mbit/s.
BATCH = 100
#: How long a count may lag behind while a study comes in.
COUNTS_LAG = timedelta(seconds=10)


class Announcer:
    """Sends announcements."""

    def __init__(self, catalogue: Catalogue, link: Asking, clock: Clock) -> None:
        self._catalogue = catalogue
        self._link = link
        self._clock = clock
        self._last = clock.now() - COUNTS_LAG

    def step(self) -> bool:
        """Tell what is to be told now; return whether there is more.

        Raises
        ------
        cami.errors.Transient
            The line is down; it is told later.
        """
        studies = self._catalogue.untold(BATCH)
        now = self._clock.now()
        counts_are_due = not timedelta() <= now - self._last < COUNTS_LAG
        tell = [study for study in studies if self._is_news(study, counts_are_due=counts_are_due)]
        if tell:
            try:
                self._link.ask(
                    "POST", "/announcements", {"studies": [_announcement(study).to_json() for study in tell]}
                )
            except (NotFound, Denied) as error:
                raise Transient(str(error)) from error
            self._catalogue.told(tell)
            if counts_are_due:
                self._last = now
        done = [study for study in studies if self._is_over(study)]
        self._catalogue.told_all(done)
        return len(studies) == BATCH and bool(tell or done)

    @staticmethod
    def _is_news(study: Untold, *, counts_are_due: bool) -> bool:
        if study.announced is None:
            return study.waiting > 0
        return counts_are_due and study.waiting > 0 and study.announced != study.instances

    def _is_over(self, study: Untold) -> bool:
        if study.instances == 0:
            return self._catalogue.nothing_came(study)
        return study.waiting == 0


def _announcement(study: Untold) -> Announcement:
    known = study.known
    return Announcement(
        known.study.study_id, known.study.study_uid, study.instances, study.size, known.seen_at, known.study.columns
    )
