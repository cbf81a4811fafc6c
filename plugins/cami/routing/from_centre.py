"""At a proxy: the rules that the centre has made for several МО, kept as they came.

They hold from the table, so neither a restart nor a line that is down changes what holds. `pulling` brings them.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, func, insert, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import central_rules
from cami.errors import Invalid
from cami.routing.reading import LONGEST, InvalidRules, Known, read_from_centre
from cami.routing.rules import CentralRule, CentralRuleSet, RuleSet
from cami.routing.versions import LONGEST_WHY, InForce

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CentralVersion:
    """A version of the centre's rules, as it came."""

    number: int
    version: int
    content: str
    why: str
    made_by: str
    made_at: datetime
    received_at: datetime


class RulesFromCentre:
    """The table ``central_rules``: rows are added, never changed."""

    def __init__(self, engine: Engine, clock: Clock, mo: str, known: Known) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._mo = mo
        self._known = known
        self._read: tuple[int, InForce] = (0, InForce(0, RuleSet()))

    def in_force(self) -> InForce:
        """Return the rules of the centre that hold here; none of them if one names what this МО does not have."""
        latest = self.latest()
        if latest is None:
            return InForce(0, RuleSet())
        if self._read[0] != latest.number:
            self._read = (latest.number, self._force(latest))
        return self._read[1]

    def latest(self) -> CentralVersion | None:
        """Return what came last, or None if nothing ever did."""
        return next(iter(self.history(1)), None)

    def history(self, limit: int = 100) -> Sequence[CentralVersion]:
        """Return what came, the last first."""
        query = select(central_rules).order_by(central_rules.c.number.desc()).limit(limit)
        with self._reader.connect() as connection:
            return [CentralVersion(**row) for row in connection.execute(query).mappings()]

    def take(self, document: Mapping[str, Any]) -> None:
        """Keep a version that has come, which holds from now on.

        Raises
        ------
        cami.errors.Invalid
            It is no version of rules.
        """
        values = _values(document)
        with self._engine.begin() as connection:
            number = (connection.scalar(select(func.max(central_rules.c.number))) or 0) + 1
            connection.execute(insert(central_rules).values(number=number, received_at=self._clock.now(), **values))
        log.warning("routing rules of the centre, version %d, hold from now on", values["version"])

    def draft(self, content: str) -> RuleSet:
        """Read rules of the centre that are not in force; raises `InvalidRules`."""
        return self._own(read_from_centre(content, self._known))

    def _force(self, latest: CentralVersion) -> InForce:
        try:
            return InForce(latest.version, self.draft(latest.content))
        except InvalidRules as error:
            return InForce(latest.version, RuleSet(), str(error))

    def _own(self, rules: CentralRuleSet) -> RuleSet:
        kept = [own for rule in rules.rules if rule.holds_for(self._mo) and (own := self._without_own_share(rule))]
        return RuleSet.model_construct(rules=tuple(kept))

    def _without_own_share(self, rule: CentralRule) -> CentralRule | None:
        """Return a rule that is for all МО without sharing this one's studies with itself; None if nothing is left."""
        others = tuple(mo for mo in rule.then.share_with or () if mo != self._mo) or None
        if others is None and rule.then.send_to is None and rule.then.priority is None:
            return None
        return rule.model_copy(update={"then": rule.then.model_copy(update={"share_with": others})})


def _values(document: Mapping[str, Any]) -> dict[str, Any]:
    try:
        content = str(document["content"])
        values = {
            "version": int(document["version"]),
            "content": content,
            "why": str(document["why"])[:LONGEST_WHY],
            "made_by": str(document["made_by"])[:64],
            "made_at": _aware(datetime.fromisoformat(str(document["made_at"]))),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid("the centre's answer is no version of rules") from error
    if len(content.encode()) > 2 * LONGEST:
        raise Invalid("the centre's rules are too long")
    return values


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment needs its zone")
    return moment
