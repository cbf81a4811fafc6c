"""YAML with the line of every value, as plain texts, lists and mappings.

Only what a registry needs: no tags, anchors, merge keys or several documents, and no guessing of types, so that the
code 0042 stays "0042" and 08:00 is no number in base 60.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

#: Levels of lists and mappings within each other: what reads them calls itself for each.
DEEPEST = 64

Place = tuple[str | int, ...]
"""The way to a value: keys and indexes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in the file."""

    line: int
    place: Place
    message: str


@dataclass(slots=True)
class Document:
    """A YAML file: its content, where each value stands, and what could not be read."""

    content: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """Return the line of the value at `place`, or of the nearest value around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def report(self, place: Place, message: str) -> None:
        """Note that the value at `place` is wrong."""
        self.problems.append(Problem(self.line(place), place, message))

    def find(self, *pattern: str) -> Iterator[tuple[Place, Any]]:
        """Yield place and value of all that `pattern` leads to; ``*`` stands for every entry of a list."""
        yield from _find(self.content, (), pattern)


def _find(value: Any, place: Place, pattern: tuple[str, ...]) -> Iterator[tuple[Place, Any]]:
    if not pattern:
        yield place, value
    elif pattern[0] == "*":
        for index, entry in enumerate(value if isinstance(value, list) else ()):
            yield from _find(entry, (*place, index), pattern[1:])
    elif isinstance(value, dict) and pattern[0] in value:
        yield from _find(value[pattern[0]], (*place, pattern[0]), pattern[1:])


def read_yaml(text: str) -> Document:
    """Read one YAML document; what is wrong stands in its `problems`."""
    document = Document()
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        refused = [Problem(line, (), message) for line, message in _refused(events)]
        if refused:
            document.problems.extend(refused)
            return document
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "not YAML"
        document.problems.append(Problem(mark.line + 1 if mark else 1, (), f"{what}: check indentation and quotes"))
        return document
    if node is not None:
        document.content = _plain(node, (), document)
    return document


def _refused(events: Iterable[yaml.Event]) -> Iterator[tuple[int, str]]:
    documents = depth = 0
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            yield line, f"more than {DEEPEST} levels within each other: this is a slip of brackets"
            return
        documents += isinstance(event, yaml.DocumentStartEvent)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            yield line, "no anchors and aliases here: write the value out"
        elif getattr(event, "tag", None):
            yield line, "no tags here: remove what starts with an exclamation mark"
        elif isinstance(event, yaml.DocumentStartEvent) and documents == 2:
            yield line, "only one document in a file: remove the line ---"


def _plain(node: yaml.Node, place: Place, document: Document) -> Any:
    document.lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, place, document)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(entry, (*place, index), document) for index, entry in enumerate(node.value)]
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return None if plain and node.value in ("", "~", "null") else node.value


def _mapping(node: yaml.MappingNode, place: Place, document: Document) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            document.problems.append(Problem(line, place, "a field's name must be a word"))
            continue
        inner = (*place, key.value)
        if key.value in result:
            first = document.lines[inner]
            message = f"stands here twice, first in line {first}: remove one of them"
            document.problems.append(Problem(line, inner, message))
            continue
        result[key.value] = _plain(value, inner, document)
        document.lines[inner] = line
    return result
