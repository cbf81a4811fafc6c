"""Finds studies that nobody has judged yet, judges them, and tells orders when their images are complete.

A study is judged as soon as its МО has announced it, that is at its first image and before the images come over the
line; one that was not announced when the index has it. What was left open is judged again when orders or patients
change.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, Row, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import announced_study, indexed_study, study, study_match
from cami.events import Event, EventLog, Reader
from cami.matching.decisions import Decisions, Match
from cami.matching.judgement import Study, judge
from cami.matching.orders_near import OrdersNear, latin_name
from cami.matching.states import State
from cami.region import Region

log = logging.getLogger(__name__)

CONSUMER = "matching"
KINDS = ("order.accepted", "order.changed", "order.replaced", "patient.changed", "patient.merged", "patient.unmerged")
BATCH = 50
EVENTS = 500
#: What came before is not judged when matching begins to work here.
BACK = timedelta(days=30)
#: How long after its claim a study may still be without a judgement: it was not in the index yet.
LATE = timedelta(minutes=10)
#: How old a study may be that is judged again because of an order that came after it.
REOPENED = timedelta(days=4)


class Matcher:
    """Judges studies."""

    def __init__(
        self, *, engine: Engine, clock: Clock, events: EventLog, near: OrdersNear, decisions: Decisions, region: Region
    ) -> None:
        self._reader = reading(engine)
        self._engine = engine
        self._clock = clock
        self._near = near
        self._decisions = decisions
        self._events = Reader(engine, clock, events, CONSUMER, KINDS)
        self._since = clock.now() - BACK
        self._quiet = {
            each.code: timedelta(minutes=each.proxy.worklist.quiet_minutes)
            for each in region.with_proxy
            if each.proxy is not None
        }

    def step(self) -> bool:
        """Judge what is new and what has become clearer; say whether there may be more."""
        fresh = self._announced()
        begun = self._clock.now()
        stored = self._stored()
        for one in [*fresh, *stored]:
            self.judge(one)
        if len(stored) < BATCH:
            self._since = max(self._since, begun - LATE)
        reopened = self._reopen()
        self._end()
        return len(fresh) == BATCH or len(stored) == BATCH or reopened

    def judge(self, one: Study) -> None:
        """Judge one study and keep what comes of it."""
        holders = self._near.holders(one)
        verdict = judge(
            one,
            self._near.candidates(one, holders),
            holders=holders,
            latin_name=latin_name(one.patient_name),
            parted=self._decisions.parted(one.study_id),
        )
        if self._decisions.judged(one, verdict) and verdict.state is not State.UNMATCHED:
            log.info("study %s: %s %s", one.study_id, verdict.state, verdict.cause or "")

    def _announced(self) -> list[Study]:
        query = (
            select(announced_study)
            .outerjoin(study_match, study_match.c.study_id == announced_study.c.study_id)
            .where(study_match.c.study_id.is_(None))
            .order_by(announced_study.c.announced_at)
            .limit(BATCH)
        )
        with self._reader.connect() as connection:
            return [_of_announced(row) for row in connection.execute(query)]

    def _stored(self) -> list[Study]:
        query = (
            select(indexed_study, study.c.owner.label("mo"), study.c.claimed_at)
            .join(study, study.c.study_id == indexed_study.c.study_id)
            .outerjoin(study_match, study_match.c.study_id == study.c.study_id)
            .where(study.c.claimed_at >= self._since, study_match.c.study_id.is_(None))
            .order_by(study.c.claimed_at)
            .limit(BATCH)
        )
        with self._reader.connect() as connection:
            return [_of_indexed(row) for row in connection.execute(query)]

    def _reopen(self) -> bool:
        """Judge what was left open again: an order has come, or a patient is known better."""
        before, events = self._events.read(EVENTS)
        if not events:
            return False
        for match in self._open(events):
            self.judge(match.study)
        with self._engine.begin() as connection:
            self._events.moved_to(connection, before, events[-1].number)
        return len(events) == EVENTS

    def _open(self, events: Sequence[Event]) -> Iterable[Match]:
        since = (self._clock.now() - REOPENED).strftime("%Y%m%d")
        named = {str(event.payload["mo"]) for event in events if "mo" in event.payload}
        # A patient is of no МО.
        organizations = self._quiet if any("mo" not in event.payload for event in events) else named
        for mo in sorted(organizations):
            yield from self._decisions.to_decide(mo, since, limit=500)

    def _end(self) -> None:
        """Tell orders whose studies are complete: confirmed by the manifest, and nothing more came for a while."""
        now = self._clock.now()
        for match, last in self._decisions.whole(BATCH * 4):
            if now - last >= self._quiet.get(match.study.owner, timedelta()):
                self._decisions.completed(match, last)


def _of_announced(row: Row[Any]) -> Study:
    return Study(
        study_id=row.study_id,
        study_uid=row.study_uid,
        owner=row.owner,
        patient_id=row.patient_id.strip(),
        patient_name=row.patient_name,
        birth_date=row.patient_birth_date.strip(),
        sex=row.patient_sex.strip(),
        accession=row.accession.strip(),
        modalities=tuple(part for part in row.modalities.split("\\") if part),
        device=row.device,
        day=row.study_date,
        description=row.description,
        began_at=row.first_received_at,
    )


def _of_indexed(row: Row[Any]) -> Study:
    tags = json.loads(row.tags)

    def text(tag: str) -> str:
        value = tags.get(tag, {}).get("Value")
        return value.strip() if isinstance(value, str) else ""

    return Study(
        study_id=row.study_id,
        study_uid=row.study_uid,
        owner=row.mo,
        patient_id=text("0010,0020"),
        patient_name=text("0010,0010"),
        birth_date=text("0010,0030"),
        sex=text("0010,0040"),
        accession=text("0008,0050"),
        modalities=tuple(part for part in row.modalities.upper().split("\\") if part),
        day=text("0008,0020"),
        description=text("0008,1030"),
        began_at=row.claimed_at,
    )
