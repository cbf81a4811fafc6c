"""How texts are folded for search, and how what is asked for is compared with them.

A name is found in any case, with е for ё, whatever separates its components (``^``, ``=``, spaces), and across scripts:
Cyrillic letters are compared with Latin ones through the transliteration of Russian passports (ICAO 9303, order 995 of
the Ministry of the Interior). PS3.4 §C.2.2.2 leaves names that freedom; other texts are found in any case, which is
what Orthanc does for letters of ASCII.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Self

_SEPARATORS = re.compile(r"[\s^=]+")
_CYRILLIC = re.compile("[\u0400-\u04ff]")
_WILDCARDS = re.compile(r"([*?])")
#: Letter by letter, so that a part of a name becomes a part of the transliterated name.
_LATIN = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ж": "zh", "з": "z", "и": "i", "й": "i", "к": "k",
        "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh",
        "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "ie", "ы": "i", "ь": "", "э": "e", "ю": "iu", "я": "ia",
        # Other transliterations write й and ы, ю and я, кс with these.
        "y": "i", "j": "i", "x": "ks", "'": "", "`": "", "\u2019": "",
    }
)  # fmt: skip
#: What a pattern must not have, since folding joins separators: two of them with nothing but wildcards between.
_UNCLEAR = re.compile(r"[\s^=][*?]*[\s^=?]|\?[*]*[\s^=]")

#: Letters of a gram.
GRAM = 3


def fold(text: str) -> str:
    """Fold a text that is no name: lower case, no spaces around."""
    return unicodedata.normalize("NFC", text).strip(" \0").lower()


def fold_name(name: str) -> str:
    """Fold a Person Name: lower case, е for ё, one space after each component and word; empty for none."""
    words = _SEPARATORS.sub(" ", unicodedata.normalize("NFC", name).strip("\0").lower().replace("ё", "е")).strip()
    return f"{words} " if words else ""


def latin(folded: str) -> str:
    """Write a folded name, or a part of one, in Latin letters."""
    return folded.translate(_LATIN)


def is_cyrillic(text: str) -> bool:
    """Say whether there is a Cyrillic letter in a text."""
    return _CYRILLIC.search(text) is not None


def grams(written: str) -> frozenset[str]:
    """Return every three letters that follow each other."""
    return frozenset(written[start : start + GRAM] for start in range(len(written) - GRAM + 1))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A folded text to be found, with wildcards (PS3.4 §C.2.2.2.4) or without."""

    parts: tuple[str, ...]
    """Literals and wildcards by turns, as they follow each other; a literal may be empty."""

    @classmethod
    def of_text(cls, asked: str) -> Self:
        """Read what is asked of a text that is no name."""
        return cls(tuple(_WILDCARDS.split(fold(asked))))

    @classmethod
    def of_name(cls, asked: str) -> Self | None:
        """Read what is asked of a name; None if folding could miss what the pattern means."""
        if _UNCLEAR.search(asked.strip()):
            return None
        text = unicodedata.normalize("NFC", asked).lower().replace("ё", "е")
        text = _SEPARATORS.sub(" ", text).lstrip()
        if not text.endswith(("*", " ")):
            text += " "
        return cls(tuple(_WILDCARDS.split(text)))

    def in_latin(self) -> "Pattern":
        """Return the pattern for the name in Latin letters."""
        return Pattern(tuple(latin(part) for part in self.parts))

    @property
    def literal(self) -> str | None:
        """The whole text if there is no wildcard."""
        return self.parts[0] if len(self.parts) == 1 else None

    @property
    def head(self) -> str:
        """What the text begins with."""
        return self.parts[0]

    @property
    def cyrillic(self) -> bool:
        """Whether a Cyrillic letter is asked for."""
        return any(map(is_cyrillic, self.parts))

    @property
    def grams(self) -> frozenset[str]:
        """Every three letters that a match has."""
        return frozenset().union(*map(grams, self.parts))

    def like(self) -> str:
        """Return it for SQL's LIKE with ``!`` for an escape."""
        return "".join({"*": "%", "?": "_"}.get(part) or _escaped(part) for part in self.parts)


def _escaped(literal: str) -> str:
    return re.sub("([!%_])", r"!\1", literal)
