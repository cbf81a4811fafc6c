"""Reports of storage commitment that a device could not be reached for are sent again (PS3.4 J.3.3).

Orthanc sends the N-EVENT-REPORT in a job, tries once and forgets. A device that never hears keeps its images until its
disk is full, so each question is a row until the device has its report: the job is looked after and started again, with
growing pauses, for a day. Each try judges the images anew, so a late report is true when it is sent.
"""

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Engine, func, insert, select, update

from cami.archive import Archive
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import commitment_request
from cami.errors import CamiError, NotFound

log = logging.getLogger(__name__)

#: How long a device may be away.
PATIENCE = timedelta(hours=24)
#: How long after a question, or a try, its job is looked at.
FIRST_LOOK = timedelta(seconds=3)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=10)
#: Questions that are looked at in one step.
_AT_ONCE = 50


class RequestState(StrEnum):
    """How far a question is."""

    OPEN = "open"
    REPORTED = "reported"
    GIVEN_UP = "given-up"


class CommitmentReports:
    """The table ``commitment_request``, and the jobs behind it."""

    def __init__(self, archive: Archive, engine: Engine, clock: Clock) -> None:
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def note(self, job: str, transaction_uid: str, aet: str, items: Sequence[tuple[str, str]]) -> None:
        """Note a question before its images are judged; a job that is started again is known already.

        Parameters
        ----------
        items
            SOP Class UID and SOP Instance UID of each image.
        """
        now = self._clock.now()
        with self._engine.begin() as connection:
            if connection.scalar(select(func.count()).where(commitment_request.c.job == job)):
                return
            connection.execute(
                insert(commitment_request).values(
                    transaction_uid=transaction_uid[:64],
                    aet=aet[:16],
                    job=job,
                    items=json.dumps(list(items)),
                    requested_at=now,
                    state=RequestState.OPEN,
                    next_at=now + FIRST_LOOK,
                )
            )

    def step(self) -> float:
        """Look after the jobs that are due; return how many seconds to wait."""
        now = self._clock.now()
        with self._reader.connect() as connection:
            rows = connection.execute(
                select(
                    commitment_request.c.job,
                    commitment_request.c.aet,
                    commitment_request.c.attempts,
                    commitment_request.c.requested_at,
                )
                .where(commitment_request.c.state == RequestState.OPEN, commitment_request.c.next_at <= now)
                .order_by(commitment_request.c.next_at)
                .limit(_AT_ONCE)
            ).all()
        for row in rows:
            self._look(row.job, row.aet, row.attempts, row.requested_at)
        return 1.0

    def _look(self, job: str, aet: str, attempts: int, requested_at: datetime) -> None:
        state = self._state_of(job)
        if state == "Success":
            if attempts:
                log.info("%s has its report of storage commitment, after %d more tries", aet, attempts)
            self._end(job, RequestState.REPORTED)
        elif state is None:
            log.error("Orthanc has forgotten a question of %s for storage commitment: the device must ask again", aet)
            self._end(job, RequestState.GIVEN_UP)
        elif state != "Failure":
            self._later(job, attempts, FIRST_PAUSE)
        elif self._clock.now() - requested_at > PATIENCE:
            log.error("%s could not be reached for a day: its question for storage commitment stays unanswered", aet)
            self._end(job, RequestState.GIVEN_UP)
        else:
            self._try_again(job, aet, attempts)

    def _state_of(self, job: str) -> str | None:
        try:
            return str(self._archive.get(f"/jobs/{job}")["State"])
        except NotFound:
            return None

    def _try_again(self, job: str, aet: str, attempts: int) -> None:
        if not attempts:
            log.warning("%s cannot be reached for its report of storage commitment; trying for a day", aet)
        # Noted first: a crash in between costs a pause, not a storm of tries.
        self._later(job, attempts + 1, min(FIRST_PAUSE * 2 ** min(attempts, 10), LONGEST_PAUSE))
        try:
            self._archive.post(f"/jobs/{job}/resubmit", {})
        except CamiError as error:
            log.warning("the report for %s cannot be tried again now: %s", aet, error)

    def _later(self, job: str, attempts: int, pause: timedelta) -> None:
        self._write(job, attempts=attempts, next_at=self._clock.now() + pause)

    def _end(self, job: str, state: RequestState) -> None:
        self._write(job, state=state, ended_at=self._clock.now())

    def _write(self, job: str, **values: datetime | str | int) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(commitment_request).where(commitment_request.c.job == job).values(**values))
