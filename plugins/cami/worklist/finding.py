"""What a device finds on the worklist: its own МО's entries, for itself or for any device of its kind, from SQL."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Engine, Select, and_, false, func, or_, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import worklist_entry
from cami.index.folding import Pattern
from cami.region import Device
from cami.worklist.answers import Moment, answer, step_values
from cami.worklist.entry import Entry, kind_of
from cami.worklist.query import ANY_DAY, ANY_TIME, Query, fits, parse, within

#: Entries in one answer; a console that asks for everything is told that there are more (status FE00).
MOST = 500
#: Letters of a name with which few others begin.
_TELLING = 3
_row = worklist_entry.c


@dataclass(frozen=True, slots=True)
class Answers:
    """What a device gets."""

    entries: list[bytes]
    """Each a DICOM file."""
    complete: bool
    """Whether that is all."""


class Finding:
    """Answers the C-FIND of devices. Thread-safe."""

    def __init__(
        self, engine: Engine, clock: Clock, zone: ZoneInfo, devices: Mapping[str, Device], keep_days: int
    ) -> None:
        """Make it for the devices of one МО, by AE title."""
        self._reader = reading(engine)
        self._clock = clock
        self._zone = zone
        self._devices = devices
        self._keep = timedelta(days=keep_days)

    def answer(self, query: bytes, aet: str) -> Answers:
        """Answer the device with AE title `aet`; one that is not of this МО finds nothing.

        Raises
        ------
        cami.errors.Invalid
            The query cannot be read.
        """
        device = self._devices.get(aet)
        if device is None:
            return Answers([], complete=True)
        asked = parse(query, device.character_set)
        moment = Moment(self._clock.now(), self._zone, asked.clock)
        if (asked.station and not fits(asked.station, device.aet)) or "\\" in asked.accession:
            return Answers([], complete=True)
        entries = [entry for entry in self._found(asked, device, moment) if _step_fits(asked, entry, device, moment)]
        return Answers([answer(entry, device, moment) for entry in entries[:MOST]], complete=len(entries) <= MOST)

    def _found(self, asked: Query, device: Device, moment: Moment) -> list[Entry]:
        found: list[str] = []
        with self._reader.connect() as connection:
            for statement in searches(asked, device, moment.day, self._oldest(moment.now)):
                found += connection.scalars(statement)
        return [Entry.parse(json.loads(content)) for content in found[: MOST + 1]]

    def _oldest(self, now: datetime) -> str:
        return (now.astimezone(self._zone) - self._keep).strftime("%Y%m%d")


def searches(asked: Query, device: Device, today: str, oldest: str) -> list[Select[Any]]:
    """Return the queries of the table: what has no day, then what has one.

    Each is a range of one index. SQLite would not take a range for either of two, and would rather go through all
    entries of a station than look a number up; so where few entries can be meant, the station is no reason to choose.
    """
    stations = [device.aet, kind_of(device.modality)]
    few = asked.singles_out or (asked.name is not None and len(asked.name.in_latin().head) >= _TELLING)
    where: list[ColumnElement[bool]] = [_row.listed.is_(True), _row.station.in_(stations)]
    day: ColumnElement[Any] = _row.day
    if few:
        where = [func.coalesce(_row.listed, false()).is_(True), func.coalesce(_row.station, "").in_(stations)]
        day = func.coalesce(_row.day, "")
    where += _keys(asked)
    first, last = asked.days
    if not asked.singles_out:
        first = max(first, oldest)
    dated = [day.between(max(first, "0"), last)]
    if asked.clock != ANY_TIME:
        dated.append(_row.clock.between(*asked.clock))
    found = [select(_row.content).where(*where, *dated).order_by(_row.day, _row.clock, _row.number).limit(MOST + 1)]
    if asked.days == ANY_DAY or within(today, asked.days):
        found.insert(0, select(_row.content).where(*where, day == "").order_by(_row.number).limit(MOST + 1))
    return found


def _keys(asked: Query) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if asked.accession:
        found.append(_text(_row.accession, asked.accession))
    if asked.patient_ids:
        found.append(or_(*(_text(_row.patient_id, one) for one in asked.patient_ids)))
    if asked.study_uids:
        found.append(_row.study_uid.in_(asked.study_uids))
    if asked.name is not None:
        in_latin = _like(_row.latin, asked.name.in_latin())
        # One letter may be several in Latin: where one is asked for, the name itself is looked at, too.
        found.append(or_(in_latin, _like(_row.name, asked.name)) if "?" in asked.name.parts else in_latin)
    return found


def _text(column: ColumnElement[Any], asked: str) -> ColumnElement[bool]:
    """Compare a text, with or without wildcards; case counts (PS3.4 C.2.2.2.1)."""
    if "*" not in asked and "?" not in asked:
        return column == asked
    escaped = "".join({"*": "%", "?": "_", "!": "!!", "%": "!%", "_": "!_"}.get(letter, letter) for letter in asked)
    return column.like(escaped, escape="!")


def _like(column: ColumnElement[Any], pattern: Pattern) -> ColumnElement[bool]:
    head = pattern.head
    found = column.like(pattern.like(), escape="!")
    return and_(column >= head, column < head + "\U0010ffff", found) if head else found


def _step_fits(asked: Query, entry: Entry, device: Device, moment: Moment) -> bool:
    values = step_values(entry, device, moment)
    wanted = dict(asked.others)
    if asked.modality:
        wanted[0x00080060] = asked.modality
    return all(tag not in values or fits(value, values[tag][1]) for tag, value in wanted.items())
