"""The test image of an installation: delivered, fetched back, and gone without the way of two people.

A proxy announces the study before it sends it, while nothing of it is known; so nothing that ever was a patient's can
be removed this way. What a broken self-test leaves behind goes an hour later.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine, delete, func, insert, select

from cami.archive import Archive
from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import received_instance, study, trial_study
from cami.errors import Invalid, NotFound
from cami.removal import forget_study

log = logging.getLogger(__name__)

KEPT = timedelta(hours=1)
#: Images that a test study may have; more is no self-test.
MOST_IMAGES = 8
#: Test studies of one МО at a time.
MOST_STUDIES = 10


class Trials:
    """Knows which studies are tests."""

    def __init__(self, engine: Engine, archive: Archive, clock: Clock, trail: AuditTrail) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._archive = archive
        self._clock = clock
        self._trail = trail

    def begin(self, mo: str, study_id: str) -> None:
        """Hear that a study (Orthanc id) is going to be a test.

        Raises
        ------
        cami.errors.Invalid
            It is there already, or there are too many.
        """
        with self._engine.begin() as connection:
            known = connection.scalar(select(study.c.study_id).where(study.c.study_id == study_id))
            images = connection.scalar(select(func.count()).where(received_instance.c.study_id == study_id))
            there = connection.scalar(select(func.count()).where(trial_study.c.mo == mo))
            if known is not None or images or (there or 0) >= MOST_STUDIES:
                raise Invalid("this study cannot be a test: it is there already, or too many tests run")
            values = {"study_id": study_id, "mo": mo, "began_at": self._clock.now()}
            connection.execute(insert(trial_study).values(values))

    def end(self, mo: str, study_id: str) -> int:
        """Remove a test study; return how many images it had.

        Raises
        ------
        cami.errors.NotFound
            It is none, or another МО's.
        """
        with self._reader.connect() as connection:
            found = connection.scalar(
                select(trial_study.c.mo).where(trial_study.c.study_id == study_id, trial_study.c.mo == mo)
            )
        if found is None:
            raise NotFound("no such test")
        return self._remove(mo, study_id)

    def tidy(self) -> int:
        """Remove what self-tests have left behind; return how many studies."""
        with self._reader.connect() as connection:
            old = connection.execute(
                select(trial_study.c.mo, trial_study.c.study_id).where(
                    trial_study.c.began_at < self._clock.now() - KEPT
                )
            ).all()
        for each in old:
            self._remove(each.mo, each.study_id)
        return len(old)

    def _remove(self, mo: str, study_id: str) -> int:
        images = list(self._archive.instances_of(study_id))
        if len(images) > MOST_IMAGES:  # somebody has made it something else: it stays, as any study does
            log.error("a test study has %d images: it is left where it is", len(images))
            images = []
        for instance in images:
            self._archive.delete_instance(instance)
        with self._engine.begin() as connection:
            removed = forget_study(connection, study_id) if images else 0
            connection.execute(delete(trial_study).where(trial_study.c.study_id == study_id))
            if removed:
                event = AuditEvent(
                    Kind.DELETE, f"proxy-{mo}", "proxy", mo,
                    owner=mo, subject=study_id, details={"step": "self-test", "instances": str(removed)},
                )  # fmt: skip
                self._trail.record_in(connection, event)
        return removed


def tidying(trials: Trials, interval: float) -> Callable[[], float]:
    """Return the step of a worker that tidies up."""

    def step() -> float:
        trials.tidy()
        return interval

    return step
