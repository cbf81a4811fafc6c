"""«Что было бы»: what rules would have done with the last studies of the local archive. Nothing is changed.

The same judgement as the router's, on the same facts. One image of each series stands for all of them where the rules
ask only for what is the same in a whole series; else every image is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, func, select

from cami.archive import Archive
from cami.db import reading
from cami.db.tables import delivery_item, delivery_study
from cami.delivery.order import Priority
from cami.errors import CamiError
from cami.routing.decision import Decision, decide
from cami.routing.facts import FactReader, same_in_a_series
from cami.routing.judgement import Judgement
from cami.routing.rules import RuleSet

#: Studies that a run may look at, and images: what it takes must stay within the patience of a page.
MOST_STUDIES = 500
MOST_IMAGES = 5000


@dataclass(slots=True)
class RuleOutcome:
    """What became of one rule with one study."""

    rule: str
    by_centre: bool = False
    matched: int = 0
    """Images for which it holds."""
    because: Judgement | None = None
    """Of the first image for which it holds, else of the first image."""


@dataclass(slots=True)
class StudyOutcome:
    """What the rules would do with one study."""

    study_id: str
    modality: str
    description: str
    received: datetime
    instances: int
    """In the local archive."""
    judged: int = 0
    """Of them, those that the rules were held against: what came back from the centre is not."""
    rules: list[RuleOutcome] = field(default_factory=list)
    destinations: dict[str, int] = field(default_factory=dict)
    """Name of the destination → images that it would get."""
    shares: set[str] = field(default_factory=set)
    priority: Priority | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A trial run."""

    studies: Sequence[StudyOutcome]
    by_series: bool
    """One image of each series stood for all of them."""
    cut: bool
    """There were more images than a run looks at: the oldest studies are missing."""


class DryRun:
    """Holds rules against what is in the local archive."""

    def __init__(self, archive: Archive, engine: Engine, facts: FactReader) -> None:
        self._archive = archive
        self._reader = reading(engine)
        self._facts = facts

    def run(self, rules: RuleSet, studies: int = 100) -> Run:
        """Tell what `rules` would have done with the last `studies`, newest first."""
        by_series = same_in_a_series(rules)
        outcomes: list[StudyOutcome] = []
        looked_at = 0
        for outcome, priority in self._last(min(max(studies, 1), MOST_STUDIES)):
            images = self._images(outcome, by_series=by_series)
            if looked_at + len(images) > MOST_IMAGES:
                return Run(outcomes, by_series, cut=True)
            looked_at += len(images)
            outcome.rules = [RuleOutcome(rule.name, rule.by_centre) for rule in rules.active]
            for instance_id, stands_for in images:
                decision = self._decide(rules, instance_id, priority)
                if decision is not None:
                    _add(outcome, decision, stands_for)
            if outcome.judged:
                outcomes.append(outcome)
        return Run(outcomes, by_series, cut=False)

    def _last(self, number: int) -> list[tuple[StudyOutcome, Priority]]:
        query = (
            select(
                delivery_item.c.study_id,
                func.min(delivery_item.c.modality).label("modality"),
                func.min(delivery_item.c.description).label("description"),
                func.max(delivery_item.c.received_at).label("received"),
                func.max(delivery_study.c.priority).label("priority"),
            )
            .join_from(
                delivery_item, delivery_study, delivery_item.c.study_id == delivery_study.c.study_id, isouter=True
            )
            .group_by(delivery_item.c.study_id)
            .order_by(func.max(delivery_item.c.seq).desc())
            .limit(number)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return [
            (
                StudyOutcome(row.study_id, row.modality, row.description, row.received, 0),
                Priority.PLANNED if row.priority is None else Priority(row.priority),
            )
            for row in rows
        ]

    def _images(self, outcome: StudyOutcome, *, by_series: bool) -> Sequence[tuple[str, int]]:
        """Return the images to look at, and for how many each stands; none of a study that was let go of here."""
        present = self._archive.instances_of(outcome.study_id)
        outcome.instances = len(present)
        if not by_series or not present:
            return [(instance_id, 1) for instance_id in present]
        series = self._archive.get(f"/studies/{outcome.study_id}/series")
        return [(str(entry["Instances"][0]), len(entry["Instances"])) for entry in series if entry.get("Instances")]

    def _decide(self, rules: RuleSet, instance_id: str, priority: Priority) -> Decision | None:
        try:
            origin = self._facts.origin(instance_id)
            if origin is None or origin.returned:
                return None
            facts = self._facts.facts(instance_id, origin, priority, rules)
        except CamiError:
            return None  # the router passes over what Orthanc cannot tell of, too
        return decide(rules, facts) if facts is not None else None


def _add(outcome: StudyOutcome, decision: Decision, images: int) -> None:
    outcome.judged += images
    for entry, judgement in zip(outcome.rules, decision.judged, strict=True):
        if entry.because is None or (judgement.holds and not entry.because.holds):
            entry.because = judgement
        entry.matched += images if judgement.holds else 0
    for name in decision.destinations:
        outcome.destinations[name] = outcome.destinations.get(name, 0) + images
    outcome.shares |= set(decision.shares)
    if decision.priority is not None and (outcome.priority is None or decision.priority < outcome.priority):
        outcome.priority = decision.priority
