"""All rules that hold at a proxy: those that the centre has made for several МО, and the МО's own.

Both only add, so they are held against an image together; which of them said something stands with what it said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cami.routing.rules import Rule, RuleSet
from cami.routing.versions import InForce, Versions

_NONE = InForce(0, RuleSet())


@dataclass(frozen=True, slots=True)
class Together:
    """The rules that hold now, of both."""

    own: InForce
    centre: InForce = _NONE
    rules: RuleSet = field(init=False)
    """The centre's first."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", joined(self.centre.rules, self.own.rules))

    @property
    def troubles(self) -> Sequence[str]:
        """Return why rules do not hold that should."""
        named = (("of the centre", self.centre), ("of this МО", self.own))
        return [f"{whose} (version {each.version}): {each.trouble}" for whose, each in named if each.trouble]

    def version_of(self, rule: Rule) -> int:
        """Return the version of the rules that one of them belongs to."""
        return self.centre.version if rule.by_centre else self.own.version


class HoldsRules(Protocol):
    """Has rules in force."""

    def in_force(self) -> InForce:
        """Return the rules that hold now."""
        ...


class AllRules:
    """What holds at a proxy."""

    def __init__(self, own: Versions, centre: HoldsRules) -> None:
        self._own = own
        self._centre = centre

    def in_force(self) -> Together:
        """Return the rules that hold now."""
        return Together(self._own.in_force(), self._centre.in_force())


def joined(centre: RuleSet, own: RuleSet) -> RuleSet:
    """Return the rules of both; each of them was checked when it was read."""
    return RuleSet.model_construct(rules=(*centre.rules, *own.rules))
