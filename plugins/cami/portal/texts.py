"""The languages of the pages. Message ids are Russian; a catalogue (gettext, read by Babel) holds the English."""

import gettext
import io
from collections.abc import Mapping
from importlib.resources import files
from typing import Literal

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from cami.web import Request

Language = Literal["ru", "en"]

#: The viewer's cookie for its language; the pages go by the same, so that one switch is enough.
LANGUAGE_COOKIE = "i18next"
_COOKIE_VALUES: Mapping[Language, str] = {"ru": "ru", "en": "en-US"}


class Texts:
    """The catalogues, read once."""

    def __init__(self) -> None:
        source = files("cami.portal").joinpath("locale/en/LC_MESSAGES/cami.po").read_bytes()
        compiled = io.BytesIO()
        write_mo(compiled, read_po(io.BytesIO(source), locale="en"))
        compiled.seek(0)
        self._catalogues: Mapping[Language, gettext.NullTranslations] = {
            "ru": gettext.NullTranslations(),
            "en": gettext.GNUTranslations(compiled),
        }

    def of(self, language: Language) -> gettext.NullTranslations:
        """Return the catalogue of a language."""
        return self._catalogues[language]


def language_of(request: Request) -> Language:
    """Return the language that a browser has chosen; Russian unless it has chosen English."""
    return "en" if (request.cookie(LANGUAGE_COOKIE) or "").startswith("en") else "ru"


def language_cookie(language: Language) -> str:
    """Return the ``Set-Cookie`` that keeps a choice. Readable by scripts: the viewer reads it."""
    return f"{LANGUAGE_COOKIE}={_COOKIE_VALUES[language]}; Path=/; SameSite=Lax; Max-Age=31536000"
