"""What the rules say of one image: where it goes, with whom its study is shared, which class it gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cami.delivery.order import Priority
from cami.routing.judgement import Facts, Judgement, judge
from cami.routing.rules import Rule, RuleSet


@dataclass(frozen=True, slots=True)
class Decision:
    """The sum of all rules that hold. The centre is not in it: everything goes there."""

    judged: Sequence[Judgement]
    """Of each active rule, in their order."""
    destinations: Mapping[str, Rule] = field(default_factory=dict)
    """Name of the destination → the first rule that says so."""
    shares: Mapping[str, Rule] = field(default_factory=dict)
    """Code of the МО → the first rule that says so."""
    priority: Priority | None = None
    """The most urgent class that a rule gives; None: no rule does."""
    priority_by: Rule | None = None
    """The rule that gives it."""


def decide(rules: RuleSet, facts: Facts) -> Decision:
    """Hold all active rules against an image."""
    judged = [judge(rule.when, facts) for rule in rules.active]
    destinations: dict[str, Rule] = {}
    shares: dict[str, Rule] = {}
    priority: Priority | None = None
    priority_by: Rule | None = None
    for rule, judgement in zip(rules.active, judged, strict=True):
        if not judgement.holds:
            continue
        for name in rule.then.send_to or ():
            destinations.setdefault(name, rule)
        for mo in rule.then.share_with or ():
            shares.setdefault(mo, rule)
        if rule.then.priority is not None and (priority is None or rule.then.priority < priority):
            priority, priority_by = rule.then.priority, rule
    return Decision(judged, destinations, shares, priority, priority_by)
