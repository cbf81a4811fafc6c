"""What somebody searches for on the archive page.

A patient's name must not stand in an address: addresses are kept in histories and logs. So the form is sent with POST,
what it asks for is put in a cookie of the browser session, and the page is shown by GET: reloading it, and coming back
from the viewer, work as ever. Signing in and out forget it.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import date

from cami.web import Request

COOKIE = "cami_search"
_FLAGS = "; Path=/cami; HttpOnly; SameSite=Strict"
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for; empty fields ask for nothing."""

    words: str = ""
    """Parts of the patient's name, of the card number or of the accession number."""
    since: date | None = None
    until: date | None = None
    """Days of the study, both included."""

    def __bool__(self) -> bool:
        return bool(self.words or self.since or self.until)

    @property
    def days(self) -> tuple[str, str]:
        """Return the first and the last day as DICOM writes them (DA, PS3.5 §6.2); empty: no bound."""
        first, last = (day.strftime("%Y%m%d") if day else "" for day in (self.since, self.until))
        return first, last

    @property
    def dicom_range(self) -> str:
        """Return the days as DICOM range matching writes them (PS3.4 §C.2.2.2.5); empty for any day."""
        if not (self.since or self.until):
            return ""
        return "-".join(self.days)


def from_fields(words: str, since: str, until: str) -> Search:
    """Read the fields of the form; a date that is none is left out."""
    first, last = _day(since), _day(until)
    if first and last and first > last:
        first, last = last, first
    return Search(" ".join(words.split())[:_LONGEST], first, last)


def remember_search(search: Search) -> str:
    """Return the ``Set-Cookie`` that keeps a search until the browser is closed."""
    if not search:
        return forget_search()
    value = [search.words, _text(search.since), _text(search.until)]
    packed = base64.urlsafe_b64encode(json.dumps(value, ensure_ascii=False).encode("utf-8")).decode().rstrip("=")
    return f"{COOKIE}={packed}{_FLAGS}"


def forget_search() -> str:
    """Return the ``Set-Cookie`` that forgets it."""
    return f"{COOKIE}={_FLAGS}; Max-Age=0"


def search_of(request: Request) -> Search:
    """Return what this browser searches for; a cookie that we did not write asks for nothing."""
    packed = request.cookie(COOKIE) or ""
    try:
        value = json.loads(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        words, since, until = value
    except (binascii.Error, ValueError, TypeError):
        return Search()
    if not all(isinstance(part, str) for part in (words, since, until)):
        return Search()
    return from_fields(words, since, until)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _text(day: date | None) -> str:
    return day.isoformat() if day else ""
