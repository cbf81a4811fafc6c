"""At the centre: rules that hold at all МО, or at those that each rule names (F-09).

They are versioned as an МО's own are (`versions`). A proxy reads what is for its МО when the call that waits for
errands tells that there is more (`pulling`), and each time says what holds there. What a draft would do is known only
where the images and their devices are, so drafts are tried there, and the outcomes come up the same way.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import central_rules_standing, routing_version, rules_trial, rules_trial_outcome
from cami.errors import Invalid, NotFound
from cami.routing.reading import KnownEverywhere, select_for
from cami.routing.rules import CentralRule
from cami.routing.versions import Version, Versions

log = logging.getLogger(__name__)

#: How long proxies are asked for the outcome of a trial, and how long it is kept.
ASKED_FOR = timedelta(minutes=15)
KEPT = timedelta(days=1)
_LONGEST_OUTCOME = 4 << 20
_NO_RULES = {"version": 0, "content": '{"rules": []}', "why": "", "made_by": ""}
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a proxy has last said of the centre's rules."""

    mo: str
    version: int
    """0: it has not read any."""
    trouble: str
    since: datetime | None
    """None: it has never said anything."""


@dataclass(frozen=True, slots=True)
class CentralOverview:
    """The rules in force at the centre, and how far they have come."""

    version: int
    latest: Version | None
    rules: Sequence[CentralRule]
    trouble: str
    standings: Sequence[Standing]


@dataclass(frozen=True, slots=True)
class Trial:
    """A draft that proxies try, and what they have found so far."""

    number: int
    content: str
    asked_by: str
    asked_at: datetime
    outcomes: Mapping[str, Mapping[str, Any]]
    """By МО: ``{"studies", "by_series", "cut"}``, ``{"problems"}`` or ``{"trouble"}``."""
    waits_for: Sequence[str]


class CentralRules:
    """The tables ``routing_version``, ``central_rules_standing`` and ``rules_trial`` of the centre."""

    def __init__(
        self, engine: Engine, clock: Clock, known: KnownEverywhere, ring: Callable[[str], None] = lambda _mo: None
    ) -> None:
        """Make it; `ring` is called with each МО whose proxy has something to read."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._known = known
        self._ring = ring
        self._versions = Versions(engine, clock, known)

    @property
    def organizations(self) -> Set[str]:
        """Return the codes of the МО that have a proxy."""
        return self._known.destinations.keys()

    def overview(self) -> CentralOverview:
        """Return the rules in force, and which proxy has which version of them."""
        force = self._versions.in_force()
        rules = [rule for rule in force.rules.rules if isinstance(rule, CentralRule)]
        with self._reader.connect() as connection:
            known = {row.mo: row for row in connection.execute(select(central_rules_standing))}
        standings = [
            Standing(mo, row.version, row.trouble, row.since)
            if (row := known.get(mo)) is not None
            else Standing(mo, 0, "", None)
            for mo in self.organizations
        ]
        return CentralOverview(force.version, self._versions.latest(), rules, force.trouble, standings)

    def history(self) -> Sequence[Version]:
        """Return all versions, the last one first."""
        return self._versions.history()

    def version(self, number: int) -> tuple[Version, Sequence[str]]:
        """Return a version and what it changed; raises `cami.errors.NotFound`."""
        return self._versions.get(number), self._versions.changes(number)

    def apply(self, content: str, *, base: int, why: str, who: str) -> int:
        """Put rules into force for all МО; raises what `cami.routing.versions.Versions.add` does."""
        return self._told(self._versions.add(content, base=base, why=why, who=who), who)

    def restore(self, number: int, *, base: int, why: str, who: str) -> int:
        """Put an earlier version into force again; raises what `cami.routing.versions.Versions.restore` does."""
        return self._told(self._versions.restore(number, base=base, why=why, who=who), who)

    def _told(self, version: int, who: str) -> int:
        log.warning("routing rules for all МО, version %d, by %s", version, who)
        self._ring_all()
        return version

    def _ring_all(self) -> None:
        for mo in self.organizations:
            self._ring(mo)

    def place(self, mo: str = "") -> int:  # noqa: ARG002 - the same for every МО
        """Return how far there is something to read; it only grows."""
        with self._reader.connect() as connection:
            versions = connection.scalar(select(func.max(routing_version.c.version))) or 0
            trials = connection.scalar(select(func.max(rules_trial.c.number))) or 0
        return int(versions + trials)

    def answer(self, mo: str, version: int, made_at: datetime | None, trouble: str) -> dict[str, Any]:
        """Hear what holds at the proxy of an МО, and return what it is to read."""
        place = self.place()
        latest = self._versions.latest()
        self._note(mo, version, trouble)
        answer: dict[str, Any] = {"place": place, "trials": self._open_trials(mo)}
        # The moment tells versions of the same number apart: the centre may have been restored from a backup.
        if latest is not None and (version, made_at) != (latest.version, latest.made_at):
            answer["rules"] = {
                "version": latest.version,
                "content": select_for(latest.content, mo),
                "why": latest.why,
                "made_by": latest.made_by,
                "made_at": latest.made_at.isoformat(),
            }
        elif latest is None and version:
            answer["rules"] = {**_NO_RULES, "made_at": _BEGINNING.isoformat()}
        return answer

    def _note(self, mo: str, version: int, trouble: str) -> None:
        here = central_rules_standing.c.mo == mo
        said = {"version": version, "trouble": trouble}
        with self._engine.begin() as connection:
            row = connection.execute(select(central_rules_standing).where(here)).first()
            if row is None:
                connection.execute(insert(central_rules_standing).values(mo=mo, since=self._clock.now(), **said))
            elif (row.version, row.trouble) != (version, trouble):
                changed = update(central_rules_standing).where(here)
                connection.execute(changed.values(since=self._clock.now(), **said))

    def try_out(self, content: str | None, studies: int, who: str) -> int:
        """Ask all proxies what a draft would have done with their last studies; return the trial's number.

        Raises
        ------
        cami.routing.reading.InvalidRules
            The draft is wrong.
        """
        if content is None:
            latest = self._versions.latest()
            content = latest.content if latest is not None else ""
        self._versions.draft(content)
        now = self._clock.now()
        with self._engine.begin() as connection:
            number = (connection.scalar(select(func.max(rules_trial.c.number))) or 0) + 1
            row = {"content": content, "studies": studies, "asked_by": who, "asked_at": now}
            connection.execute(insert(rules_trial).values(number=number, **row))
            old = select(rules_trial.c.number).where(rules_trial.c.asked_at < now - KEPT)
            connection.execute(delete(rules_trial_outcome).where(rules_trial_outcome.c.number.in_(old)))
            connection.execute(delete(rules_trial).where(rules_trial.c.asked_at < now - KEPT))
        self._ring_all()
        return number

    def trial(self, number: int) -> Trial:
        """Return a trial with what has come in so far.

        Raises
        ------
        cami.errors.NotFound
            There is none, or it was forgotten.
        """
        with self._reader.connect() as connection:
            row = connection.execute(select(rules_trial).where(rules_trial.c.number == number)).first()
            found = connection.execute(select(rules_trial_outcome).where(rules_trial_outcome.c.number == number)).all()
        if row is None:
            raise NotFound("there is no such trial")
        outcomes = {each.mo: json.loads(each.outcome) for each in found}
        waits_for = [mo for mo in self.organizations if mo not in outcomes] if self._asks(row.asked_at) else []
        return Trial(row.number, row.content, row.asked_by, row.asked_at, outcomes, waits_for)

    def settle(self, mo: str, number: int, outcome: Mapping[str, Any]) -> None:
        """Take what a proxy has found; what it has said before stays.

        Raises
        ------
        cami.errors.NotFound
            There is no such trial.
        cami.errors.Invalid
            It is more than any trial finds.
        """
        text = json.dumps(outcome, ensure_ascii=False)
        if len(text) > _LONGEST_OUTCOME:
            raise Invalid("the outcome of a trial is too long")
        mine = (rules_trial_outcome.c.number == number, rules_trial_outcome.c.mo == mo)
        with self._engine.begin() as connection:
            if not connection.scalar(select(func.count()).where(rules_trial.c.number == number)):
                raise NotFound("there is no such trial")
            if connection.scalar(select(func.count()).where(*mine)):
                return
            row = {"number": number, "mo": mo, "outcome": text}
            connection.execute(insert(rules_trial_outcome).values(answered_at=self._clock.now(), **row))

    def _open_trials(self, mo: str) -> list[dict[str, Any]]:
        answered = select(rules_trial_outcome.c.number).where(rules_trial_outcome.c.mo == mo)
        query = select(rules_trial).where(rules_trial.c.number.not_in(answered)).order_by(rules_trial.c.number)
        with self._reader.connect() as connection:
            rows = [row for row in connection.execute(query) if self._asks(row.asked_at)]
        return [
            {"number": row.number, "content": select_for(row.content, mo), "studies": row.studies} for row in rows[-3:]
        ]

    def _asks(self, asked_at: datetime) -> bool:
        return self._clock.now() - asked_at < ASKED_FOR
