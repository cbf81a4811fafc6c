"""The record of what people decided: who, when, of what, why; and how it ended. Rows are added, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Engine, Row, Select, insert, select

from cami.access import Identity
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import quarantine_decision, quarantine_outcome
from cami.quarantine.entries import Entry

Action = Literal["resend", "link", "reject"]
ACTIONS: tuple[Action, ...] = ("resend", "link", "reject")
#: `Decision.target` of a link: the study that the object names itself, or one of its own.
SAME, NEW = "same", "new"


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided of one entry."""

    id: int
    kind: Literal["object", "item"]
    name: str
    source: str
    cause: str
    study_uid: str
    sop_uid: str
    action: Action
    target: str
    reason: str
    login: str
    person: str
    decided_at: datetime
    outcome: Literal["done", "refused"] | None
    """None while it is to be carried out."""
    detail: str
    new_sop_uid: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a decision ended."""

    done: bool
    detail: str
    """Code of what came of it; the words are in `cami.portal`."""
    new_sop_uid: str = ""


class Decisions:
    """The tables ``quarantine_decision`` and ``quarantine_outcome``."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def add(self, identity: Identity, entries: Sequence[Entry], action: Action, target: str, reason: str) -> int:
        """Record what somebody decided of entries; what is being dealt with already is left out. Return how many."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            busy = {(row.kind, row.name, row.source) for row in connection.execute(_open(select(quarantine_decision)))}
            rows = [
                {
                    "kind": entry.kind,
                    "name": entry.name,
                    "source": entry.source,
                    "cause": entry.cause,
                    "study_uid": entry.study_uid,
                    "sop_uid": entry.sop_uid,
                    "action": action,
                    "target": target,
                    "reason": reason,
                    "login": identity.login,
                    "person": identity.name,
                    "decided_at": now,
                }
                for entry in entries
                if (entry.kind, entry.name, entry.source) not in busy
            ]
            if rows:
                connection.execute(insert(quarantine_decision), rows)
        return len(rows)

    def next_open(self) -> Decision | None:
        """Return the oldest decision that is to be carried out."""
        query = _open(_all()).order_by(quarantine_decision.c.id).limit(1)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _decision(row)

    def latest(self, limit: int, *, source: str | None = None) -> list[Decision]:
        """List the latest decisions, the newest first; only of a `source` if one is given."""
        query = _all().order_by(quarantine_decision.c.id.desc()).limit(limit)
        if source is not None:
            query = query.where(quarantine_decision.c.source == source)
        with self._reader.connect() as connection:
            return [_decision(row) for row in connection.execute(query)]

    def refusals(self, study_uid: str, cause: str, source: str) -> list[Decision]:
        """List what could not be carried out of a group, the newest first."""
        columns = quarantine_decision.c
        query = (
            _all()
            .where(columns.study_uid == study_uid, columns.cause == cause, columns.source == source)
            .where(quarantine_outcome.c.outcome == "refused")
            .order_by(columns.id.desc())
            .limit(5)
        )
        with self._reader.connect() as connection:
            return [_decision(row) for row in connection.execute(query)]

    def end(self, connection: Connection, decision: Decision, outcome: Outcome) -> None:
        """Record how a decision ended, within the transaction that makes it so."""
        connection.execute(
            insert(quarantine_outcome).values(
                decision=decision.id,
                outcome="done" if outcome.done else "refused",
                detail=outcome.detail,
                new_sop_uid=outcome.new_sop_uid,
                ended_at=self._clock.now(),
            )
        )


def _all() -> Select[tuple[object, ...]]:
    outcome = quarantine_outcome.c
    return select(
        quarantine_decision, outcome.outcome, outcome.detail, outcome.new_sop_uid, outcome.ended_at
    ).join_from(quarantine_decision, quarantine_outcome, isouter=True)


def _open(query: Select[tuple[object, ...]]) -> Select[tuple[object, ...]]:
    ended = select(quarantine_outcome.c.decision)
    return query.where(quarantine_decision.c.id.not_in(ended))


def _decision(row: Row[tuple[object, ...]]) -> Decision:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    values["detail"] = values["detail"] or ""
    values["new_sop_uid"] = values["new_sop_uid"] or ""
    return Decision(**values)
