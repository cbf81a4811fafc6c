"""Charts as plain geometry: the templates draw them as SVG, without a script; the same figures stand in a table."""

from collections.abc import Sequence
from dataclasses import dataclass

#: Widths and heights in the units of the drawing; the page scales it.
WIDTH = 720.0
_COLUMNS_HEIGHT, _BOTTOM, _TOP = 150.0, 18.0, 16.0
_ROW, _NAME, _VALUE = 24.0, 290.0, 90.0
#: Labels below columns that find room.
_LABELS = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its words; `part` is how much of it is darker."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: str
    part: float = 0.0
    labelled: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing."""

    width: float
    height: float
    bars: list[Bar]
    top: str = ""
    """What the highest bar stands for."""


def columns(values: Sequence[tuple[str, int]]) -> Chart:
    """Return upright bars, from left to right; not every one has its label if there are many."""
    most = max((value for _label, value in values), default=0) or 1
    wide = WIDTH / max(len(values), 1)
    every = -(-len(values) // _LABELS)
    whole = _COLUMNS_HEIGHT - _BOTTOM - _TOP
    bars = []
    for place, (label, value) in enumerate(values):
        height = whole * value / most
        gap = min(wide * 0.2, 6.0)
        bars.append(
            Bar(
                round(place * wide + gap / 2, 2), round(_TOP + whole - height, 2), round(wide - gap, 2),
                round(height, 2), label, str(value), labelled=place % every == 0,
            )
        )  # fmt: skip
    return Chart(WIDTH, _COLUMNS_HEIGHT, bars, str(most))


def rows(values: Sequence[tuple[str, float, str]]) -> Chart:
    """Return lying bars, one below the other: name, length, and what stands at its end."""
    most = max((value for _name, value, _words in values), default=0.0) or 1.0
    room = WIDTH - _NAME - _VALUE
    bars = [
        Bar(_NAME, place * _ROW + 4, round(room * value / most, 2), _ROW - 8, name, words)
        for place, (name, value, words) in enumerate(values)
    ]
    return Chart(WIDTH, max(len(values), 1) * _ROW, bars)
