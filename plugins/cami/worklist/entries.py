"""The worklist of a proxy: the table ``worklist_entry``, kept in step with the centre's feed.

A page of the feed and the cursor that passes it are one transaction. What the feed says of an order takes the place of
what was there, but for what the images here have told (`seen`): the line may be down, and the centre not know yet.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import worklist_cursor, worklist_entry
from cami.index.folding import fold_name, latin
from cami.worklist.entry import OPEN, Entry, State
from cami.worklist.journal import WorklistJournal

READER = "feed"
#: Numbers in one query.
_PARAMETERS = 500
_row = worklist_entry.c


@dataclass(frozen=True, slots=True)
class Place:
    """How far the feed has been read."""

    epoch: str = ""
    place: int = 0
    round: int = 0
    whole: bool = False
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the feed."""

    epoch: str
    anew: bool
    """It begins from the beginning: what was read before counts no more."""
    entries: Sequence[tuple[int, Entry]]
    """Each with its place."""
    removed: Sequence[tuple[int, str]]
    """Numbers of orders that are off this worklist, each with its place."""
    last: int
    more: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry with what is known of it here."""

    entry: Entry
    seen: str
    """Of `State`, by the images that have come in here; empty: none has."""
    started_at: datetime | None
    ended_at: datetime | None
    study_id: str
    made_by: str
    sent: bool
    """Whether the centre knows it."""
    refused: str
    noted_at: datetime

    @property
    def state(self) -> State:
        """Where it stands: as far as either the centre or the images say."""
        if self.entry.state in OPEN and self.seen:
            return max(self.entry.state, State(self.seen), key=list(State).index)
        return self.entry.state


class Entries:
    """The table ``worklist_entry``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, zone: ZoneInfo, journal: WorklistJournal | None = None) -> None:
        """Make it; `journal` records what people write."""
        self._journal = journal
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._zone = zone

    def place(self) -> Place:
        """Return how far the feed has been read."""
        query = select(worklist_cursor).where(worklist_cursor.c.reader == READER)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return Place() if row is None else Place(row.epoch, row.place, row.round, row.whole, row.read_at)

    def apply(self, page: Page) -> list[Entry]:
        """Take over a page of the feed; return the entries that are new here or have another day or patient."""
        with self._engine.begin() as connection:
            before = self._locked_place(connection)
            anew = page.anew or page.epoch != before.epoch
            rounds = before.round + 1 if anew else before.round
            fresh = self._put(connection, rounds, page.entries)
            for _place, number in page.removed:
                connection.execute(delete(worklist_entry).where(_row.number == number, _row.place > 0))
            whole = before.whole and not anew
            if not whole and not page.more:
                # The whole feed has been read: what it did not name is gone.
                connection.execute(delete(worklist_entry).where(_row.place > 0, _row.round < rounds))
                whole = True
            connection.execute(
                update(worklist_cursor)
                .where(worklist_cursor.c.reader == READER)
                .values(epoch=page.epoch, place=page.last, round=rounds, whole=whole, read_at=self._clock.now())
            )
        return fresh

    def add(self, entry: Entry, made_by: str) -> None:
        """Add an entry that was written by hand here; devices find it at once."""
        with self._engine.begin() as connection:
            values = self._values(entry, "") | {"place": 0, "round": 0, "manual": True, "made_by": made_by}
            connection.execute(insert(worklist_entry).values(**values, noted_at=self._clock.now()))
            if self._journal is not None:
                self._journal.wrote(connection, entry, made_by, "written")

    def taken(self, number: str, entry: Entry) -> None:
        """Note that the centre has an entry that was written by hand here, and under which number."""
        with self._engine.begin() as connection:
            if connection.scalar(select(_row.number).where(_row.number == entry.number)) is None:
                connection.execute(
                    update(worklist_entry)
                    .where(_row.number == number)
                    .values(**self._values(entry, self._seen(connection, number)), sent_at=self._clock.now())
                )
            elif number != entry.number:
                # The feed was quicker.
                connection.execute(delete(worklist_entry).where(_row.number == number, _row.place == 0))

    def refused(self, number: str, reason: str) -> None:
        """Note that the centre does not take an entry; it stays on the worklist here."""
        with self._engine.begin() as connection:
            connection.execute(
                update(worklist_entry).where(_row.number == number).values(refused=reason, sent_at=self._clock.now())
            )

    def untold(self, limit: int) -> list[Listed]:
        """List entries written by hand here that the centre does not know."""
        query = (
            select(worklist_entry)
            .where(_row.manual, _row.sent_at.is_(None), _row.place == 0)
            .order_by(_row.noted_at)
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [listed(row) for row in connection.execute(query)]

    def of_number(self, number: str) -> Listed | None:
        """Return the entry of an order."""
        with self._reader.connect() as connection:
            row = connection.execute(select(worklist_entry).where(_row.number == number)).first()
        return None if row is None else listed(row)

    def issuers(self) -> list[str]:
        """Return whose numbers patients have here: the МИС's systems, those of the newest entries first."""
        query = select(_row.content).where(_row.manual.is_(False)).order_by(_row.changed_at.desc()).limit(200)
        with self._reader.connect() as connection:
            found = [json.loads(content).get("issuer", "") for content in connection.scalars(query)]
        return [issuer for issuer in dict.fromkeys(found) if issuer.startswith("urn:oid:")]

    def has_accession(self, accession: str) -> bool:
        """Say whether an accession number is taken here."""
        with self._reader.connect() as connection:
            return connection.scalar(select(_row.number).where(_row.accession == accession).limit(1)) is not None

    def withdraw(self, number: str, by: str) -> bool:
        """Take an entry that was written by hand here, and that the centre does not know, off the worklist."""
        with self._engine.begin() as connection:
            mine = (_row.number == number, _row.place == 0, _row.sent_at.is_(None), _row.seen == "")
            row = connection.execute(select(worklist_entry).where(*mine)).first()
            if row is None or not connection.execute(delete(worklist_entry).where(*mine)).rowcount:
                return False
            if self._journal is not None:
                self._journal.wrote(connection, listed(row).entry, by, "withdrawn")
        return True

    def rows(self, query: Any) -> list[Listed]:
        """Return the entries that a query of the table finds."""
        with self._reader.connect() as connection:
            return [listed(row) for row in connection.execute(query)]

    def saw(self, number: str, state: State, study_id: str, moment: datetime) -> bool:
        """Note that images for an entry have begun to come in here, or have all come; say whether that is new."""
        with self._engine.begin() as connection:
            row = connection.execute(select(worklist_entry).where(_row.number == number)).first()
            if row is None or row.seen in (state.value, State.COMPLETED.value):
                return False
            entry = Entry.parse(json.loads(row.content))
            times: dict[str, Any] = {"seen_started_at": row.seen_started_at or moment}
            if state is State.COMPLETED:
                times["seen_ended_at"] = moment
            connection.execute(
                update(worklist_entry)
                .where(_row.number == number)
                .values(
                    seen=state.value,
                    study_id=study_id,
                    listed=_is_listed(entry, state.value),
                    changed_at=self._clock.now(),
                    **times,
                )
            )
        return True

    def _locked_place(self, connection: Connection) -> Place:
        query = select(worklist_cursor).where(worklist_cursor.c.reader == READER).with_for_update()
        row = connection.execute(query).first()
        if row is None:
            connection.execute(insert(worklist_cursor).values(reader=READER, epoch="", place=0, round=0, whole=False))
            return Place()
        return Place(row.epoch, row.place, row.round, row.whole, row.read_at)

    def _put(self, connection: Connection, rounds: int, entries: Sequence[tuple[int, Entry]]) -> list[Entry]:
        """Write entries; return those of whom there is now somebody to expect who was not before, or on another day."""
        known = self._known(connection, [entry for _place, entry in entries])
        fresh, new = [], []
        now = self._clock.now()
        for place, entry in entries:
            row = known.get(entry.number)
            seen = _still_seen(row, entry)
            values = self._values(entry, seen) | {
                "place": place,
                "round": rounds,
                "manual": entry.manual,
                "seen": seen,
            }
            if row is None:
                new.append(values | {"noted_at": now})
            else:
                values |= {"sent_at": row.sent_at or now, "refused": ""}
                connection.execute(update(worklist_entry).where(_row.number == row.number).values(**values))
            if entry.open and (row is None or (row.day, row.patient_id) != (values["day"], values["patient_id"])):
                fresh.append(entry)
        if new:
            connection.execute(insert(worklist_entry), new)
        return fresh

    def _known(self, connection: Connection, entries: Sequence[Entry]) -> dict[str, Row[Any]]:
        """Return what is known of orders, by their numbers at the centre, also under those that this proxy gave."""
        own = {entry.placer: entry.number for entry in entries if entry.manual and entry.placer}
        found: dict[str, Row[Any]] = {}
        wanted = [*own, *(entry.number for entry in entries)]
        for start in range(0, len(wanted), _PARAMETERS):
            part = select(worklist_entry).where(_row.number.in_(wanted[start : start + _PARAMETERS]))
            for row in connection.execute(part):
                if row.number in own and row.place == 0:
                    found.setdefault(own[row.number], row)
                else:
                    found[row.number] = row
        return found

    def _seen(self, connection: Connection, number: str) -> str:
        return connection.scalar(select(_row.seen).where(_row.number == number)) or ""

    def _values(self, entry: Entry, seen: str) -> dict[str, Any]:
        name = fold_name(entry.patient_name)[:400]
        return {
            "number": entry.number,
            "listed": _is_listed(entry, seen),
            "station": entry.station[:17],
            "day": entry.day(self._zone),
            "clock": entry.clock(self._zone),
            "accession": entry.accession,
            "study_uid": entry.study_uid,
            "patient_id": entry.patient_id[:64],
            "name": name,
            "latin": latin(name)[:1000],
            "state": entry.state.value,
            "linked": "".join(f"\\{uid}" for uid in entry.studies) + ("\\" if entry.studies else ""),
            "content": json.dumps(entry.to_json(), ensure_ascii=False, separators=(",", ":")),
            "changed_at": self._clock.now(),
        }


def listed(row: Row[Any]) -> Listed:
    """Read a row of the table."""
    return Listed(
        entry=Entry.parse(json.loads(row.content)),
        seen=row.seen,
        started_at=row.seen_started_at,
        ended_at=row.seen_ended_at,
        study_id=row.study_id or "",
        made_by=row.made_by,
        sent=row.place > 0 or row.sent_at is not None,
        refused=row.refused,
        noted_at=row.noted_at,
    )


def own_number(mo: str) -> str:
    """Return a number for an order that is written by hand at an МО."""
    return f"{mo}:{uuid.uuid4()}"


def numbers(found: Iterable[Listed]) -> list[str]:
    """Return the numbers of entries."""
    return [each.entry.number for each in found]


def _still_seen(row: Row[Any] | None, entry: Entry) -> str:
    """Return what the images here have told: nothing any more if the centre knew of them and has parted them."""
    if row is None or (row.state in (State.STARTED, State.COMPLETED) and entry.state is State.ACCEPTED):
        return ""
    return str(row.seen)


def _is_listed(entry: Entry, seen: str) -> bool:
    return entry.open and seen != State.COMPLETED.value
