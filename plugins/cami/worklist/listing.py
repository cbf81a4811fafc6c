"""The worklist for people at the МО: a day, or what is found by words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, or_, select

from cami.clock import Clock
from cami.db.tables import worklist_entry
from cami.index.folding import fold_name, latin
from cami.region import Device
from cami.worklist.entries import Entries, Listed
from cami.worklist.entry import OPEN, kind_of
from cami.worklist.manual import ManualOrders

#: How long ago the centre may have answered; it is asked every minute.
STALE = timedelta(minutes=5)
#: Rows of the page.
MOST = 300
_row = worklist_entry.c


@dataclass(frozen=True, slots=True)
class Known:
    """How far the list is up to date."""

    read_at: datetime | None
    """When the centre last answered; None: never."""
    untold: int
    """Orders written by hand that the centre does not know yet."""
    stale: bool
    """Whether the centre has not answered for so long that orders may be missing."""


class Listing:
    """Lists the entries of a proxy."""

    def __init__(self, entries: Entries, clock: Clock, zone: ZoneInfo) -> None:
        self._entries = entries
        self._clock = clock
        self._zone = zone

    def today(self) -> date:
        """Return the day of the МО."""
        return self._clock.now().astimezone(self._zone).date()

    def known(self) -> Known:
        """Return how far the list is up to date."""
        read_at = self._entries.place().read_at
        # Not in the future either, should the clock have been set back.
        fresh = read_at is not None and abs(self._clock.now() - read_at) <= STALE
        return Known(read_at, len(self._entries.untold(MOST)), not fresh)

    def issuers(self) -> list[str]:
        """Return whose numbers the patients on the list have, but the МО's own."""
        return self._entries.issuers()

    def of_day(self, day: date, *, device: str = "", modality: str = "", words: str = "") -> tuple[list[Listed], bool]:
        """List a day by time; return also whether there is more.

        Parameters
        ----------
        device, modality
            One device: what is for it, and what is for any of its kind; empty: all.
        words
            A part of a name or the beginning of a number; these are looked for on every day.
        """
        conditions = [] if words else [self._on(day)]
        if device:
            conditions.append(_row.station.in_([device, kind_of(modality)]))
        if words:
            conditions.append(_found(words))
        newest = _row.day.desc() if words else _row.day
        query = select(worklist_entry).where(*conditions).order_by(newest, _row.clock, _row.number).limit(MOST + 1)
        found = self._entries.rows(query)
        return found[:MOST], len(found) > MOST

    def _on(self, day: date) -> ColumnElement[bool]:
        text = day.strftime("%Y%m%d")
        begin = datetime.combine(day, datetime.min.time(), self._zone)
        # What has no day of its own is there while it waits, and on the day on which it was done.
        whenever = and_(_row.day == "", _row.seen_started_at.between(begin, begin + timedelta(days=1)))
        if day == self.today():
            open_ones = and_(_row.day == "", _row.seen == "", _row.state.in_([state.value for state in OPEN]))
            return or_(_row.day == text, whenever, open_ones)
        return or_(_row.day == text, whenever)


def _found(words: str) -> ColumnElement[bool]:
    text = words.strip()
    name = latin(fold_name(text)).strip()
    return or_(
        _row.accession.startswith(text, autoescape=True),
        _row.patient_id.startswith(text, autoescape=True),
        *((_row.latin.contains(name, autoescape=True),) if name else ()),
    )


@dataclass(frozen=True, slots=True)
class WorklistDesk:
    """What people at the МО see of the worklist and do with it."""

    listing: Listing
    entries: Entries
    manual: ManualOrders
    devices: Mapping[str, Device]
    """Of the МО, by AE title."""


def waiting_first(found: Sequence[Listed]) -> list[Listed]:
    """Put emergencies that wait before all others; the order stays otherwise."""
    return sorted(found, key=lambda each: not (each.entry.priority.value == "stat" and each.entry.open))
