"""What the rules say of one image: where it goes, with whom its study is shared, which class it gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cami.delivery.order import Priority
from cami.routing.judgement import Facts, Judgement, judge
from cami.routing.rules import RuleSet


@dataclass(frozen=True, slots=True)
class Decision:
    """The sum of all rules that hold. The centre is not in it: everything goes there."""

    judged: Mapping[str, Judgement]
    """Of each active rule, by its name."""
    destinations: Mapping[str, str] = field(default_factory=dict)
    """Name of the destination → the first rule that says so."""
    shares: Mapping[str, str] = field(default_factory=dict)
    """Code of the МО → the first rule that says so."""
    priority: Priority | None = None
    """The most urgent class that a rule gives; None: no rule does."""
    priority_by: str = ""
    """The rule that gives it."""


def decide(rules: RuleSet, facts: Facts) -> Decision:
    """Hold all active rules against an image."""
    judged = {rule.name: judge(rule.when, facts) for rule in rules.active}
    destinations: dict[str, str] = {}
    shares: dict[str, str] = {}
    priority: Priority | None = None
    priority_by = ""
    for rule in rules.active:
        if not judged[rule.name].holds:
            continue
        for name in rule.then.send_to or ():
            destinations.setdefault(name, rule.name)
        for mo in rule.then.share_with or ():
            shares.setdefault(mo, rule.name)
        if rule.then.priority is not None and (priority is None or rule.then.priority < priority):
            priority, priority_by = rule.then.priority, rule.name
    return Decision(judged, destinations, shares, priority, priority_by)
