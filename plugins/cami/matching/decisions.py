"""What was decided of which study: the tables ``study_match`` (where each stands) and ``match_decision`` (how)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from cami.audit import AuditEvent, AuditTrail, Kind
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import match_decision, study, study_match
from cami.events import EventLog, NewEvent
from cami.matching.judgement import Scored, Study, Verdict
from cami.matching.states import TO_DECIDE, Action, Cause, Finding, State
from cami.orders import Orders
from cami.orders import State as OrderState

SYSTEM = "system"
_match, _decision = study_match.c, match_decision.c


@dataclass(frozen=True, slots=True)
class Match:
    """Where a study stands."""

    study: Study
    state: State
    order: int | None
    cause: Cause | None
    score: int
    findings: tuple[Finding, ...]
    candidates: tuple[Scored, ...]
    decided_by: str
    judged_at: datetime
    reported: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One of the decisions about a study."""

    number: int
    study_uid: str
    action: Action
    order: int | None
    cause: Cause
    score: int
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Act:
    """Who does something about a study, and why."""

    study: Study
    by: str
    reason: str


class Decisions:
    """Keeps what was decided, with its effect on the order, in one transaction. Thread-safe."""

    def __init__(
        self, engine: Engine, clock: Clock, events: EventLog, orders: Orders, trail: AuditTrail | None = None
    ) -> None:
        """Make it; `trail` records what people decide."""
        self._trail = trail
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._events = events
        self._orders = orders

    def judged(self, study: Study, verdict: Verdict) -> bool:
        """Keep what the judgement says; say whether it was kept. What a person has decided stays."""
        try:
            with self._engine.begin() as connection:
                before = self._locked(connection, study.study_id)
                if before is not None and (before.state in {State.LINKED.value, State.APART.value}):
                    return False
                values = self._values(study, verdict, SYSTEM)
                if before is None:
                    connection.execute(insert(study_match).values(study_id=study.study_id, **values))
                else:
                    connection.execute(update(study_match).where(_match.study_id == study.study_id).values(**values))
                if verdict.state is State.LINKED:
                    self._link(connection, _Act(study, SYSTEM, ""), verdict)
        except IntegrityError:  # another process was quicker
            return False
        self._events.announce()
        return True

    def link(self, study: Study, order: int, findings: tuple[Finding, ...], by: str, reason: str) -> None:
        """Link a study to an order because a person says so; what it was linked to before is parted."""
        verdict = Verdict(State.LINKED, order, Cause.PERSON, 100, findings)
        with self._engine.begin() as connection:
            before = self._locked(connection, study.study_id)
            if before is not None and before.state == State.LINKED:
                if before.order_number == order:
                    return
                self._part(connection, _Act(study, by, reason), before.order_number)
            self._write(connection, study, verdict, by)
            self._link(connection, _Act(study, by, reason), verdict)
        self._events.announce()

    def part(self, study: Study, by: str, reason: str) -> bool:
        """Undo a match; say whether there was one."""
        with self._engine.begin() as connection:
            before = self._locked(connection, study.study_id)
            if before is None or before.state != State.LINKED:
                return False
            self._write(connection, study, Verdict(State.UNMATCHED), by)
            self._part(connection, _Act(study, by, reason), before.order_number)
        self._events.announce()
        return True

    def set_apart(self, study: Study, by: str, reason: str) -> None:
        """Say that a study belongs to no order."""
        with self._engine.begin() as connection:
            before = self._locked(connection, study.study_id)
            if before is not None and before.state == State.LINKED:
                self._part(connection, _Act(study, by, reason), before.order_number)
            self._write(connection, study, Verdict(State.APART), by)
            self._note(connection, _Act(study, by, reason), Action.APART, Verdict(State.APART, cause=Cause.PERSON))
        self._events.announce()

    def move(self, connection: Connection, order: int, other: int, by: str) -> None:
        """Let what is linked to an order be linked to the one that stands for it, in the caller's transaction."""
        mine = (_match.order_number == order, _match.state == State.LINKED.value)
        for row in connection.execute(select(study_match).where(*mine)).all():
            connection.execute(update(study_match).where(_match.study_id == row.study_id).values(order_number=other))
            study = _read(row).study
            self._note(connection, _Act(study, by, ""), Action.LINK, Verdict(State.LINKED, other, Cause.PERSON))
            self._tell(connection, "study.matched", study, other)

    def of(self, study_id: str) -> Match | None:
        """Return where a study stands."""
        with self._reader.connect() as connection:
            row = connection.execute(select(study_match).where(_match.study_id == study_id)).first()
        return None if row is None else _read(row)

    def to_decide(self, mo: str, since: str, states: Sequence[State] = TO_DECIDE, limit: int = 200) -> list[Match]:
        """List what a person of an МО has to look at, the newest first; `since` is a day (YYYYMMDD)."""
        query = (
            select(study_match)
            .where(_match.owner == mo, _match.state.in_([state.value for state in states]), _match.study_day >= since)
            .order_by(_match.study_day.desc(), _match.began_at.desc())
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [_read(row) for row in connection.execute(query)]

    def whole(self, limit: int) -> list[tuple[Match, datetime]]:
        """List linked studies of which all is there that was announced, with when the last came; orders do not know."""
        query = (
            select(study_match, study.c.last_stored_at)
            .join(study, (study.c.study_id == _match.study_id) & (study.c.owner == _match.owner))
            .where(
                _match.state == State.LINKED.value,
                _match.reported == "started",
                study.c.confirmed_at >= study.c.last_stored_at,
            )
            .order_by(study.c.last_stored_at)
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [(_read(row), row.last_stored_at) for row in connection.execute(query)]

    def completed(self, match: Match, moment: datetime) -> None:
        """Note that all images of a study are there, and tell its order."""
        with self._engine.begin() as connection:
            mine = (_match.study_id == match.study.study_id, _match.reported == "started")
            if not connection.execute(update(study_match).where(*mine).values(reported="completed")).rowcount:
                return
            order = self._standing(connection, match.order)
            if order is not None and self._orders.get_in(connection, order).state in (
                OrderState.ACCEPTED,
                OrderState.STARTED,
            ):
                self._orders.completed(connection, order, by=SYSTEM, at=moment)
        self._events.announce()

    def history(self, study_id: str) -> list[Decision]:
        """Return all decisions about a study, the newest first."""
        query = select(match_decision).where(_decision.study_id == study_id).order_by(_decision.number.desc())
        with self._reader.connect() as connection:
            return [_decided(row) for row in connection.execute(query)]

    def parted(self, study_id: str) -> set[int]:
        """Return the orders that a person has parted a study from."""
        query = select(_decision.order_number).where(
            _decision.study_id == study_id, _decision.action == Action.PART.value, _decision.order_number.is_not(None)
        )
        with self._reader.connect() as connection:
            return set(connection.scalars(query))

    def _locked(self, connection: Connection, study_id: str) -> Row[Any] | None:
        query = select(study_match).where(_match.study_id == study_id).with_for_update()
        return connection.execute(query).first()

    def _write(self, connection: Connection, study: Study, verdict: Verdict, by: str) -> None:
        values = self._values(study, verdict, by)
        mine = _match.study_id == study.study_id
        if not connection.execute(update(study_match).where(mine).values(**values)).rowcount:
            connection.execute(insert(study_match).values(study_id=study.study_id, **values))

    def _link(self, connection: Connection, act: "_Act", verdict: Verdict) -> None:
        order = verdict.order
        if order is None:
            return
        self._note(connection, act, Action.LINK, verdict)
        if self._orders.get_in(connection, order).state is OrderState.ACCEPTED:
            self._orders.started(connection, order, by=act.by, at=act.study.began_at)
        self._tell(connection, "study.matched", act.study, order)

    def _part(self, connection: Connection, act: "_Act", order: int | None) -> None:
        self._note(connection, act, Action.PART, Verdict(State.UNMATCHED, order, Cause.PERSON))
        if order is None:
            return
        others = select(_match.study_id).where(
            _match.order_number == order, _match.state == State.LINKED.value, _match.study_id != act.study.study_id
        )
        state = self._orders.get_in(connection, order).state
        if connection.scalar(others) is None and state in {OrderState.STARTED, OrderState.COMPLETED}:
            self._orders.released(connection, order, by=act.by)
        self._tell(connection, "study.parted", act.study, order)

    def _tell(self, connection: Connection, kind: str, study: Study, order: int) -> None:
        payload = {"order": order, "mo": study.owner, "study_id": study.study_id, "study_uid": study.study_uid}
        self._events.append(connection, NewEvent(kind, study.study_uid, payload))

    def _note(self, connection: Connection, act: "_Act", action: Action, verdict: Verdict) -> None:
        connection.execute(
            insert(match_decision).values(
                study_id=act.study.study_id,
                study_uid=act.study.study_uid,
                owner=act.study.owner,
                action=action.value,
                order_number=verdict.order,
                cause="" if verdict.cause is None else verdict.cause.value,
                score=verdict.score,
                findings=json.dumps(list(verdict.findings)),
                reason=act.reason,
                decided_by=act.by,
                decided_at=self._clock.now(),
            )
        )
        if self._trail is not None and act.by != SYSTEM:
            event = AuditEvent(
                Kind.CHANGE,
                act.by,
                mo=act.study.owner,
                studies=(act.study.study_uid,),
                owner=act.study.owner,
                subject="" if verdict.order is None else f"order:{verdict.order}",
                reason=act.reason,
                details={"match": action.value},
            )
            self._trail.record_in(connection, event)

    def _standing(self, connection: Connection, order: int | None) -> int | None:
        while order is not None:
            found = self._orders.get_in(connection, order)
            if found.replaced_by is None:
                return found.number
            order = found.replaced_by
        return None

    def _values(self, study: Study, verdict: Verdict, by: str) -> dict[str, Any]:
        now = self._clock.now()
        facts = asdict(study)
        facts["began_at"] = None if study.began_at is None else study.began_at.isoformat()
        began = study.began_at or now
        return {
            "owner": study.owner,
            "study_uid": study.study_uid,
            "state": verdict.state.value,
            "order_number": verdict.order,
            "cause": "" if verdict.cause is None else verdict.cause.value,
            "score": verdict.score,
            "findings": json.dumps(list(verdict.findings)),
            "candidates": json.dumps([[one.number, one.score, list(one.findings)] for one in verdict.candidates[:20]]),
            "facts": json.dumps(facts, ensure_ascii=False),
            "study_day": began.strftime("%Y%m%d"),
            "began_at": began,
            "decided_by": by,
            "judged_at": now,
            "reported": "started" if verdict.state is State.LINKED else "",
        }


def _read(row: Row[Any]) -> Match:
    facts = json.loads(row.facts)
    facts["modalities"] = tuple(facts["modalities"])
    facts["began_at"] = None if facts["began_at"] is None else datetime.fromisoformat(facts["began_at"])
    return Match(
        study=Study(**facts),
        state=State(row.state),
        order=row.order_number,
        cause=Cause(row.cause) if row.cause else None,
        score=row.score,
        findings=tuple(map(Finding, json.loads(row.findings))),
        candidates=tuple(
            Scored(number, score, tuple(map(Finding, found))) for number, score, found in json.loads(row.candidates)
        ),
        decided_by=row.decided_by,
        judged_at=row.judged_at,
        reported=row.reported,
    )


def _decided(row: Row[Any]) -> Decision:
    return Decision(
        number=row.number,
        study_uid=row.study_uid,
        action=Action(row.action),
        order=row.order_number,
        cause=Cause(row.cause),
        score=row.score,
        reason=row.reason,
        by=row.decided_by,
        at=row.decided_at,
    )
