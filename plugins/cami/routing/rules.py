"""The language of routing rules (F-09): typed values out of YAML or JSON, nothing that could be run.

A rule can only add: every image goes to the centre whatever the rules say.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Self, TypeVar

import re2
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator
from pydicom.datadict import dictionary_VR, tag_for_keyword

from cami.delivery.order import Priority
from cami.region.model import Weekday
from cami.region.terms import AeTitle, Code, DestinationName, TimeOfDay, Title

#: More than any МО needs; each image is held against every rule.
MOST_RULES = 200
#: Conditions within conditions.
DEEPEST = 8
_LONGEST_PATTERN = 200
#: What a compiled pattern may take, in bytes.
_PATTERN_MEMORY = 1 << 20

#: Of the patient's tags (group 0010) those that name nobody. The others cannot be asked for: a trial run would answer
#: whether somebody has been examined.
_OF_ANY_PATIENT = frozenset(
    ["PatientAge", "PatientSex", "PatientSize", "PatientWeight", "PregnancyStatus", "SmokingStatus", "PatientSpecies"]
)
#: Value representations that are no text in Orthanc's answers.
_NO_TEXT = frozenset(["SQ", "OB", "OW", "OD", "OF", "OL", "OV", "UN", "OB or OW"])
_PRIORITIES = {f"P{priority.value}": priority for priority in Priority}

_Item = TypeVar("_Item")


def _keyword(value: str) -> str:
    tag = tag_for_keyword(value)
    if tag is None:
        raise ValueError(f'"{value}" is no keyword of DICOM: write one of PS3.6, as Modality or BodyPartExamined')
    if (tag >> 16 == 0x0010 and value not in _OF_ANY_PATIENT) or dictionary_VR(tag) in _NO_TEXT:
        raise ValueError(f'"{value}" cannot be asked for: rules read no data that name a patient, and no sequences')
    return value


def _pattern(value: str) -> str:
    if len(value) > _LONGEST_PATTERN:
        raise ValueError(f"a pattern has at most {_LONGEST_PATTERN} characters")
    try:
        compile_pattern(value)
    except re2.error as error:
        raise ValueError(f'"{value}" is no pattern (RE2 syntax): {_said(error)}') from None
    return value


def _said(error: Exception) -> str:
    what = error.args[0] if error.args else ""
    return what.decode("utf-8", "replace") if isinstance(what, bytes) else str(what)


def compile_pattern(value: str) -> Any:
    """Compile a pattern: letters match in both cases, and no pattern takes longer than linear time (RE2)."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    return re2.compile(value, options)


def _number(value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f'"{value}" is no number: write it as 2 or 0.5') from None
    if not number.is_finite():
        raise ValueError(f'"{value}" is no number: write it as 2 or 0.5')
    return number


def _priority(value: Any) -> Any:
    if isinstance(value, Priority):
        return value
    if value not in _PRIORITIES:
        raise ValueError(f'"{value}" is no class: write one of {", ".join(_PRIORITIES)}')
    return _PRIORITIES[value]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _not_empty(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if not items:
        raise ValueError("is an empty list: write at least one entry")
    return items


_Some = Annotated[tuple[_Item, ...], BeforeValidator(_listed), AfterValidator(_not_empty)]
Number = Annotated[Decimal, BeforeValidator(_number)]
Text = Annotated[str, Field(max_length=200)]
PriorityName = Annotated[Priority, BeforeValidator(_priority)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Years(_Entry):
    """A span of ages in completed years, both ends in it."""

    start: Annotated[int, Field(alias="from", ge=0, le=150)] = 0
    end: Annotated[int, Field(alias="to", ge=0, le=150)] = 150

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.start > self.end:
            raise ValueError(f"from {self.start} to {self.end} is no span")
        return self


class Hours(_Entry):
    """Hours of a day in the time zone of the region; over midnight the day is the one on which they begin."""

    days: _Some[Weekday] | None = None
    start: Annotated[TimeOfDay, Field(alias="from")] = "00:00"
    end: Annotated[TimeOfDay, Field(alias="to")] = "24:00"


class Condition(_Entry):
    """One of: ``all``, ``any``, ``not``, ``always``, ``tag``, ``device``, ``mo``, ``age``, ``time``, ``priority``."""

    all: _Some["Condition"] | None = None
    any: _Some["Condition"] | None = None
    not_: Annotated["Condition | None", Field(alias="not")] = None
    always: bool | None = None
    """Every image, if true."""
    device: _Some[AeTitle] | None = None
    """The AE title that the image came from."""
    mo: _Some[Code] | None = None
    age: Years | None = None
    time: Hours | None = None
    """When the image came in."""
    priority: _Some[PriorityName] | None = None
    """The class that the study has when it is looked at."""
    tag: Annotated[str, AfterValidator(_keyword)] | None = None
    """A DICOM keyword; with one of the following."""
    equals: Text | None = None
    in_: Annotated[_Some[Text] | None, Field(alias="in")] = None
    matches: Annotated[str, AfterValidator(_pattern)] | None = None
    """An RE2 pattern, found anywhere in the value."""
    exists: bool | None = None
    at_least: Number | None = None
    at_most: Number | None = None

    _compiled: Any = PrivateAttr(default=None)

    @property
    def kind(self) -> str:
        """Return which of the conditions this is, by its word."""
        return self._kinds()[0]

    @property
    def pattern(self) -> Any:
        """Return `matches`, compiled once."""
        if self._compiled is None and self.matches is not None:
            self._compiled = compile_pattern(self.matches)
        return self._compiled

    def parts(self) -> Iterator["Condition"]:
        """Yield this condition and all within it."""
        yield self
        for inner in (*(self.all or ()), *(self.any or ()), *([self.not_] if self.not_ else ())):
            yield from inner.parts()

    def _kinds(self) -> list[str]:
        named = {name.rstrip("_"): getattr(self, name) for name in _KINDS}
        return [name for name, value in named.items() if value is not None]

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        kinds = self._kinds()
        if len(kinds) != 1:
            wanted = ", ".join(name.rstrip("_") for name in _KINDS)
            raise ValueError(f"a condition says exactly one of: {wanted}; join several with all or any")
        if self.always is False:
            raise ValueError("always is true or is left out")
        operators = [name.rstrip("_") for name in _OPERATORS if getattr(self, name) is not None]
        if kinds[0] != "tag" and operators:
            raise ValueError(f"{operators[0]} belongs to a tag: write tag: KEYWORD beside it")
        if kinds[0] == "tag" and len(operators) != 1 and operators != ["at_least", "at_most"]:
            raise ValueError("a tag needs one of: equals, in, matches, exists, at_least and/or at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least} and at_most {self.at_most} leave nothing")
        return self


_KINDS = ("all", "any", "not_", "always", "device", "mo", "age", "time", "priority", "tag")
_OPERATORS = ("equals", "in_", "matches", "exists", "at_least", "at_most")


class Actions(_Entry):
    """What happens with an image for which the conditions hold, beside its way to the centre."""

    send_to: _Some[DestinationName] | None = None
    """Names of destinations (``proxy.destinations`` of the registry)."""
    share_with: _Some[Code] | None = None
    """Codes of МО that are to get the study through the centre."""
    priority: PriorityName | None = None
    """The class that the study gets in the queue to the centre."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.send_to is None and self.share_with is None and self.priority is None:
            raise ValueError("write at least one of: send_to, share_with, priority")
        return self


class Rule(_Entry):
    """If the condition holds, then the actions."""

    name: Title
    comment: Annotated[str, Field(max_length=1000)] = ""
    """Why the rule is there and who knows more."""
    enabled: bool = True
    when: Condition
    then: Actions

    @property
    def by_centre(self) -> bool:
        """Say whether the centre has made it for several МО."""
        return False


class CentralRule(Rule):
    """A rule that the centre has made."""

    organizations: _Some[Code] | None = None
    """Codes of the МО for which it holds; None: all of them."""

    @property
    def by_centre(self) -> bool:
        """Say that the centre has made it."""
        return True

    def holds_for(self, mo: str) -> bool:
        """Say whether it is a rule for that МО."""
        return self.organizations is None or mo in self.organizations


class RuleSet(_Entry):
    """Rules of an МО, as they stand in one document."""

    rules: Annotated[tuple[Rule, ...], Field(max_length=MOST_RULES)] = ()

    @property
    def active(self) -> tuple[Rule, ...]:
        """Return the rules that are not switched off."""
        return tuple(rule for rule in self.rules if rule.enabled)


class CentralRuleSet(RuleSet):
    """The rules of the centre."""

    rules: Annotated[tuple[CentralRule, ...], Field(max_length=MOST_RULES)] = ()
