"""Reading a document of rules: all that is wrong with it at once, each mistake with its line and field."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from cami.errors import Invalid
from cami.region import Region
from cami.region.marks import Document, Place, Problem, read_yaml
from cami.region.validation import describe, validate
from cami.routing.rules import DEEPEST, CentralRuleSet, RuleSet

#: Bytes of a document.
LONGEST = 64 * 1024
_WANTED = "the rules must have the field: rules"

_Rules = TypeVar("_Rules", bound=RuleSet)


class Reads(Protocol):
    """Reads documents of rules, knowing what they may name."""

    def read(self, text: str) -> RuleSet:
        """Read rules; raises `InvalidRules`."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """What the rules of an МО may name."""

    destinations: Collection[str]
    organizations: Collection[str]
    """Codes of the other МО."""

    def read(self, text: str) -> RuleSet:
        """Read the rules that an МО has made; raises `InvalidRules`."""
        return read_rules(text, self)


@dataclass(frozen=True, slots=True)
class KnownEverywhere:
    """What the rules of the centre may name."""

    destinations: Mapping[str, Collection[str]]
    """Code of an МО with a proxy → names of its destinations."""

    def read(self, text: str) -> CentralRuleSet:
        """Read the rules that the centre has made for all МО; raises `InvalidRules`."""
        return _read(CentralRuleSet, text, self._check)

    def _check(self, document: Document) -> None:
        _check_unique(document)
        for field in (("then", "share_with"), ("organizations",)):
            for place, value in _each(document, *field):
                if value not in self.destinations:
                    document.report(place, f'there is no МО "{value}" with a PACS Proxy in the registry')
        for place, rule in document.find("rules", "*"):
            chosen = _listed(rule.get("organizations")) if isinstance(rule, dict) else []
            for where, name in _each(document, "then", "send_to", within=place):
                without = [mo for mo in (chosen or self.destinations) if name not in self.destinations.get(mo, [name])]
                if without:
                    listed = ", ".join(sorted(without))
                    document.report(where, f'no destination "{name}" at МО {listed}: name organizations that have it')


class InvalidRules(Invalid):
    """The document is wrong; `problems` says where and what."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(describe("rules", problem) for problem in self.problems))


def known_to(region: Region, mo: str) -> Known:
    """Return what the rules of the МО with code `mo` may name."""
    proxy = region.organization(mo).proxy
    destinations = [destination.name for destination in proxy.destinations] if proxy is not None else []
    return Known(destinations, [other.code for other in region.with_proxy if other.code != mo])


def known_everywhere(region: Region) -> KnownEverywhere:
    """Return what the rules of the centre may name."""
    proxies = {each.code: each.proxy for each in region.with_proxy}
    return KnownEverywhere(
        {mo: [each.name for each in proxy.destinations] for mo, proxy in proxies.items() if proxy is not None}
    )


def read_rules(text: str, known: Known) -> RuleSet:
    """Read rules out of YAML or JSON; an empty document has none.

    Raises
    ------
    InvalidRules
        It is wrong.
    """
    return _read(RuleSet, text, lambda document: _check_names(document, known))


def read_from_centre(text: str, known: Known) -> CentralRuleSet:
    """Read what has come down from the centre: `known` has the destinations of this МО; raises `InvalidRules`."""
    return _read(CentralRuleSet, text, lambda document: _check_destinations(document, known))


def select_for(content: str, mo: str) -> str:
    """Return of a sound document of the centre what is for one МО, as JSON in an order of its own."""
    found = read_yaml(content).content
    rules = found.get("rules") if isinstance(found, dict) else None
    own = [
        rule for rule in rules or [] if rule.get("organizations") is None or mo in _listed(rule.get("organizations"))
    ]
    return json.dumps({"rules": own}, ensure_ascii=False, sort_keys=True)


def _read(model: type[_Rules], text: str, check: Callable[[Document], None]) -> _Rules:
    if len(text.encode("utf-8", "replace")) > LONGEST:
        raise InvalidRules([Problem(1, (), f"longer than {LONGEST >> 10} KiB: write fewer or shorter rules")])
    document = read_yaml(text)
    if document.content is None and not document.problems:
        return model()
    rules = None
    if not document.problems:
        _check_depth(document)
    if not document.problems:
        rules = validate(model, document, _WANTED)
        check(document)
    if document.problems or rules is None:
        raise InvalidRules(document.problems)
    return rules


def _check_depth(document: Document) -> None:
    """Refuse what is nested so deeply that judging it could exhaust the stack."""
    for place, when in document.find("rules", "*", "when"):
        if _depth(when) > 2 * DEEPEST:
            document.report(place, f"conditions within conditions, more than {DEEPEST} deep: say it more simply")


def _depth(value: Any) -> int:
    # A loop: the reader of YAML has its own limit, but this one must not depend on it.
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        current, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner = current.values() if isinstance(current, dict) else current if isinstance(current, list) else ()
        waiting += [(entry, depth + 1) for entry in inner]
    return deepest


def _check_unique(document: Document) -> None:
    names: dict[str, Place] = {}
    for place, name in document.find("rules", "*", "name"):
        if isinstance(name, str) and name in names:
            line = document.line(names[name])
            document.report(place, f'"{name}" is taken in line {line}: name each rule differently')
        elif isinstance(name, str):
            names[name] = place


def _check_names(document: Document, known: Known) -> None:
    _check_unique(document)
    _check_destinations(document, known)
    for place, value in _each(document, "then", "share_with"):
        if value not in known.organizations:
            document.report(place, f'there is no other МО "{value}" with a PACS Proxy in the registry')


def _check_destinations(document: Document, known: Known) -> None:
    listed = ", ".join(sorted(known.destinations)) or "none: add proxy.destinations to the registry"
    for place, value in _each(document, "then", "send_to"):
        if value not in known.destinations:
            document.report(place, f'there is no destination "{value}"; this МО has: {listed}')


def _listed(value: Any) -> list[str]:
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, str)]


def _each(document: Document, *fields: str, within: Place = ()) -> list[tuple[Place, str]]:
    """Return the texts of a field of all rules, or of the one at `within`: it may hold one or a list."""
    found: list[tuple[Place, str]] = []
    for place, value in document.find("rules", "*", *fields):
        if place[: len(within)] != within:
            continue
        if isinstance(value, str):
            found.append((place, value))
        elif isinstance(value, list):
            found += [((*place, index), entry) for index, entry in enumerate(value) if isinstance(entry, str)]
    return found
