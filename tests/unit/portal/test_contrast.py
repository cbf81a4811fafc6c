"""The colours of the pages keep the contrast that WCAG 2.2 AA asks for, in the light and in the dark scheme."""

import re
from importlib.resources import files

import pytest

STYLE = files("cami.portal").joinpath("static/portal.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("ink", "ground", 7), ("ink", "surface", 7), ("ink-soft", "ground", 4.5), ("ink-soft", "surface", 4.5),
        ("accent", "ground", 4.5), ("accent", "surface", 4.5), ("accent-strong", "surface", 4.5),
        ("on-accent", "accent", 4.5), ("on-accent", "accent-strong", 4.5), ("done", "surface", 4.5),
        ("moving", "surface", 4.5), ("waiting", "surface", 4.5), ("trouble", "surface", 4.5),
        ("ink", "trouble-ground", 4.5), ("field-line", "surface", 3), ("focus", "ground", 3), ("focus", "surface", 3),
    ],
)  # fmt: skip
def test_contrast(scheme, ink, ground, least):
    assert contrast(scheme[ink], scheme[ground]) >= least


def test_both_schemes_name_the_same_colours():
    assert set(DARK) == set(LIGHT)
    assert len(LIGHT) > 12
