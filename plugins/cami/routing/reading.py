"""Reading a document of rules: all that is wrong with it at once, each mistake with its line and field."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from cami.errors import Invalid
from cami.region import Region
from cami.region.marks import Document, Place, Problem, read_yaml
from cami.region.validation import describe, validate
from cami.routing.rules import DEEPEST, RuleSet

#: Bytes of a document.
LONGEST = 64 * 1024
_WANTED = "the rules must have the field: rules"


@dataclass(frozen=True, slots=True)
class Known:
    """What rules may name."""

    destinations: Collection[str]
    organizations: Collection[str]
    """Codes of the other МО."""


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


def read_rules(text: str, known: Known) -> RuleSet:
    """Read rules out of YAML or JSON; an empty document has none.

    Raises
    ------
    InvalidRules
        It is wrong.
    """
    if len(text.encode("utf-8", "replace")) > LONGEST:
        raise InvalidRules([Problem(1, (), f"longer than {LONGEST >> 10} KiB: write fewer or shorter rules")])
    document = read_yaml(text)
    if document.content is None and not document.problems:
        return RuleSet()
    rules = None
    if not document.problems:
        _check_depth(document)
    if not document.problems:
        rules = validate(RuleSet, document, _WANTED)
        _check_names(document, known)
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


def _check_names(document: Document, known: Known) -> None:
    names: dict[str, Place] = {}
    for place, name in document.find("rules", "*", "name"):
        if isinstance(name, str) and name in names:
            line = document.line(names[name])
            document.report(place, f'"{name}" is taken in line {line}: name each rule differently')
        elif isinstance(name, str):
            names[name] = place
    listed = ", ".join(sorted(known.destinations)) or "none: add proxy.destinations to the registry"
    for place, value in _each(document, "send_to"):
        if value not in known.destinations:
            document.report(place, f'there is no destination "{value}"; this МО has: {listed}')
    for place, value in _each(document, "share_with"):
        if value not in known.organizations:
            document.report(place, f'there is no other МО "{value}" with a PACS Proxy in the registry')


def _each(document: Document, action: str) -> list[tuple[Place, str]]:
    found: list[tuple[Place, str]] = []
    for place, value in document.find("rules", "*", "then", action):
        if isinstance(value, str):
            found.append((place, value))
        elif isinstance(value, list):
            found += [((*place, index), entry) for index, entry in enumerate(value) if isinstance(entry, str)]
    return found
