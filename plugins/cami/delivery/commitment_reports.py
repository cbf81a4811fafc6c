"""Reports of storage commitment reach their device, however long it was away (PS3.4 J.3.3).

Orthanc sends the N-EVENT-REPORT in a job, tries once and forgets. A device that never hears keeps its images until its
disk is full, so each question is a row until the device has answered a report: when Orthanc's try has failed, or was
lost in a crash, we send (`cami.delivery.event_report`), with growing pauses, for a day. Each try judges the images
anew, so a late report is true when it is sent.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Engine, func, insert, select, update

from cami.archive import Archive
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import commitment_request
from cami.delivery.commitment import Verdict
from cami.delivery.event_report import EventReports
from cami.errors import NotFound, Transient

log = logging.getLogger(__name__)

#: How long a device may be away.
PATIENCE = timedelta(hours=24)
#: How long after a question Orthanc's job is looked at, and again while it runs.
FIRST_LOOK = timedelta(seconds=3)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=10)
#: Questions that are looked at in one step.
_AT_ONCE = 20


class RequestState(StrEnum):
    """How far a question is."""

    OPEN = "open"
    REPORTED = "reported"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True)
class _Question:
    job: str
    transaction_uid: str
    aet: str
    items: Sequence[tuple[str, str]]
    requested_at: datetime
    attempts: int


class CommitmentReports:
    """The table ``commitment_request``, and what is done about it."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        clock: Clock,
        judge: Callable[[str, str], Verdict],
        sender: EventReports,
    ) -> None:
        """Make the keeper; `judge` is `cami.delivery.commitment.Commitment.judge`."""
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._judge = judge
        self._sender = sender

    def note(self, job: str, transaction_uid: str, aet: str, items: Sequence[tuple[str, str]]) -> None:
        """Note a question before its images are judged.

        Parameters
        ----------
        job
            Orthanc's job that judges them and tries to report.
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
        """Look after the questions that are due; return how many seconds to wait."""
        for question in self._due():
            if question.attempts == 0 and (state := self._state_of(question.job)) not in (None, "Failure"):
                if state == "Success":
                    self._end(question, RequestState.REPORTED)
                else:  # it runs
                    self._write(question, next_at=self._clock.now() + FIRST_LOOK)
            elif self._clock.now() - question.requested_at > PATIENCE or not self._sender.knows(question.aet):
                log.error("%s could not be reached: its question for storage commitment is given up", question.aet)
                self._end(question, RequestState.GIVEN_UP)
            else:
                self._report(question)
        return 1.0

    def _due(self) -> list[_Question]:
        query = (
            select(commitment_request)
            .where(commitment_request.c.state == RequestState.OPEN, commitment_request.c.next_at <= self._clock.now())
            .order_by(commitment_request.c.next_at)
            .limit(_AT_ONCE)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return [
            _Question(
                row.job,
                row.transaction_uid,
                row.aet,
                [(sop_class, sop_instance) for sop_class, sop_instance in json.loads(row.items)],
                row.requested_at,
                row.attempts,
            )
            for row in rows
        ]

    def _state_of(self, job: str) -> str | None:
        try:
            return str(self._archive.get(f"/jobs/{job}")["State"])
        except NotFound:
            return None

    def _report(self, question: _Question) -> None:
        # Noted first: a crash in between costs a pause, not a storm of tries.
        pause = min(FIRST_PAUSE * 2 ** min(question.attempts, 10), LONGEST_PAUSE)
        self._write(question, attempts=question.attempts + 1, next_at=self._clock.now() + pause)
        try:
            verdicts = {item: self._judge(*item) for item in question.items}
            status = self._sender.send(question.aet, question.transaction_uid, verdicts)
        except Transient as error:
            if not question.attempts:
                log.warning("a report of storage commitment waits for %s, for a day at most: %s", question.aet, error)
            return
        self._end(question, RequestState.REPORTED)
        log.warning(
            "%s has its report of storage commitment at try %d (status %04X)",
            question.aet,
            question.attempts + 2,
            status,
        )

    def _end(self, question: _Question, state: RequestState) -> None:
        self._write(question, state=state, ended_at=self._clock.now())

    def _write(self, question: _Question, **values: datetime | str | int) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                update(commitment_request).where(commitment_request.c.job == question.job).values(**values)
            )
