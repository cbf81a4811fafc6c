"""Character sets of HL7 v2 messages: MSH-18 (table 0211), and what Russian systems write there instead."""

import re

#: What is meant when neither the message nor the registry says anything.
DEFAULT = "UNICODE UTF-8"

_CODECS = {
    "ASCII": "ascii",
    "8859/1": "latin-1",
    "8859/5": "iso8859-5",
    "ISO IR6": "ascii",
    "ISO IR144": "iso8859-5",
    "ISO-8859-5": "iso8859-5",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "CP1251": "cp1251",
    "WINDOWS-1251": "cp1251",
    "WIN1251": "cp1251",
    "1251": "cp1251",
    "CP866": "cp866",
    "IBM866": "cp866",
    "KOI8-R": "koi8-r",
}


def codec_of(name: str) -> str | None:
    """Return Python's codec for a name of MSH-18; None: we do not know it."""
    return _CODECS.get(re.sub(r"[\s_]+", " ", name).strip().upper())
