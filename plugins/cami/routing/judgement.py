"""Whether a condition holds for an image, and which of its parts decided that."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from cami.delivery.order import Priority
from cami.routing.rules import Condition, Hours

#: Characters of a value that a finding shows.
_SHOWN = 200
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AGE_UNITS = {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an image when the rules are held against it."""

    tags: Mapping[str, str]
    """By keyword, as Orthanc simplifies them; several values are joined by backslashes."""
    device: str
    """The AE title that it came from; empty if it did not come over DICOM."""
    mo: str
    received: datetime
    """In the time zone of the region."""
    priority: Priority = Priority.PLANNED

    @property
    def age(self) -> int | None:
        """Return the patient's age in completed years at the time of the study, or None if nothing tells it."""
        born = _date(self.tags.get("PatientBirthDate", ""))
        if born is not None:
            day = _date(self.tags.get("StudyDate", "")) or self.received.date()
            years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
            return years if 0 <= years <= 150 else None
        text = self.tags.get("PatientAge", "").strip().upper()
        if len(text) == 4 and text[:3].isascii() and text[:3].isdigit() and text[3] in _AGE_UNITS:
            return int(int(text[:3]) / _AGE_UNITS[text[3]])
        return None


@dataclass(frozen=True, slots=True)
class Finding:
    """A single condition, and what was found."""

    condition: Condition
    holds: bool
    found: str
    """The value in the image; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a condition holds."""

    holds: bool
    because: tuple[Finding, ...] = field(default=())
    """The single conditions that decided it."""


def judge(condition: Condition, facts: Facts) -> Judgement:
    """Hold a condition against an image."""
    if condition.all is not None:
        return _join([judge(inner, facts) for inner in condition.all], decisive=False)
    if condition.any is not None:
        return _join([judge(inner, facts) for inner in condition.any], decisive=True)
    if condition.not_ is not None:
        inner = judge(condition.not_, facts)
        return Judgement(not inner.holds, inner.because)
    found, holds = _single(condition, facts)
    return Judgement(holds, (Finding(condition, holds, found[:_SHOWN]),))


def _join(judged: list[Judgement], *, decisive: bool) -> Judgement:
    """Join by "or" (`decisive` true) or "and": the first decisive part decides alone, else all of them do."""
    for judgement in judged:
        if judgement.holds is decisive:
            return judgement
    return Judgement(not decisive, tuple(finding for judgement in judged for finding in judgement.because))


def _single(condition: Condition, facts: Facts) -> tuple[str, bool]:
    """Return what was found for a single condition, and whether it holds."""
    found = _found(condition.kind, condition, facts)
    match condition.kind:
        case "device":
            holds = found in (condition.device or ())
        case "mo":
            holds = found in (condition.mo or ())
        case "priority":
            holds = facts.priority in (condition.priority or ())
        case "age":
            age, span = facts.age, condition.age
            holds = age is not None and span is not None and span.start <= age <= span.end
        case "time":
            holds = condition.time is not None and within(condition.time, facts.received)
        case "tag":
            holds = _tag(condition, [value.strip() for value in found.split("\\") if value.strip()])
        case _:
            holds = True  # always
    return found, holds


def _found(kind: str, condition: Condition, facts: Facts) -> str:
    match kind:
        case "device":
            return facts.device
        case "mo":
            return facts.mo
        case "priority":
            return f"P{facts.priority.value}"
        case "age":
            return "" if facts.age is None else str(facts.age)
        case "time":
            return f"{_DAYS[facts.received.weekday()]} {facts.received:%H:%M}"
        case _:
            return facts.tags.get(condition.tag or "", "")


def within(hours: Hours, moment: datetime) -> bool:
    """Say whether `moment`, in the time zone of the region, lies in these hours."""
    clock = f"{moment:%H:%M}"
    if hours.start < hours.end:
        inside, began = hours.start <= clock < hours.end, moment
    else:  # over midnight; the same time twice is a whole day
        inside = clock >= hours.start or clock < hours.end
        began = moment if clock >= hours.start else moment - timedelta(days=1)
    return inside and (hours.days is None or _DAYS[began.weekday()] in hours.days)


def _tag(condition: Condition, values: list[str]) -> bool:
    """Hold a tag against its operator: one value that fits is enough."""
    if condition.exists is not None:
        return bool(values) is condition.exists
    if condition.matches is not None:
        return any(condition.pattern.search(value) is not None for value in values)
    if condition.equals is not None or condition.in_ is not None:
        wanted = {text.strip().casefold() for text in (condition.in_ or (condition.equals or "",))}
        return any(value.casefold() in wanted for value in values)
    numbers = [number for value in values if (number := _number(value)) is not None]
    return any(
        (condition.at_least is None or number >= condition.at_least)
        and (condition.at_most is None or number <= condition.at_most)
        for number in numbers
    )


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _date(text: str) -> date | None:
    text = text.strip()
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
