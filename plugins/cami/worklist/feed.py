"""The worklists at the centre: of each МО a feed that its proxy reads, by places that grow.

The feed keeps the newest state of each order, not its history: a proxy that was away for days reads what it missed once
each, and a new one what there is. Places of an МО become visible in their order, since whoever gives one holds the
row of its head. It follows the events of orders and patients; the rows and the cursor move in one transaction.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import worklist_feed, worklist_head
from cami.worklist.entry import Entry

#: Entries in one answer: some 200 KB, gzipped a tenth of it.
MOST = 500
#: How long what ended stays on the proxies, and how long removals are remembered after that.
KEPT = timedelta(days=90)
_feed, _head = worklist_feed.c, worklist_head.c


class Standing(StrEnum):
    """Whether the proxy has what the centre wants on its worklist (F-28)."""

    WAITING = "waiting"
    """Ожидает отправки: the proxy has not read it yet."""
    SENT = "sent"
    """Отправлен."""
    ABSENT = "absent"
    """It is on no worklist."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A part of the feed, as it goes over the wire."""

    epoch: str
    anew: bool
    entries: Sequence[tuple[int, Mapping[str, Any]]]
    removed: Sequence[tuple[int, str]]
    last: int
    more: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as it goes over the wire."""
        return {
            "epoch": self.epoch,
            "anew": self.anew,
            "entries": [[place, entry] for place, entry in self.entries],
            "removed": [[place, number] for place, number in self.removed],
            "last": self.last,
            "more": self.more,
        }


class Feed:
    """The tables ``worklist_feed`` and ``worklist_head``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def put(self, connection: Connection, wanted: Iterable[tuple[str, str, Entry | None]]) -> set[str]:
        """Write entries in the caller's transaction; return the МО whose feeds have grown.

        Parameters
        ----------
        wanted
            The МО, the order's number and its entry; None takes the order off that worklist. An order is on the
            worklist of one МО: what others had of it is taken off.
        """
        grown: dict[str, int] = {}
        for mo, number, entry in sorted(wanted, key=lambda each: (each[0], each[1])):
            others = select(_feed.mo).where(_feed.order_number == number, _feed.mo != mo, _feed.content != "")
            for other in connection.scalars(others).all():
                self._write(connection, other, number, None, grown)
            self._write(connection, mo, number, entry, grown)
        return set(grown)

    def read(self, mo: str, epoch: str, after: int, limit: int = MOST) -> FeedPage:
        """Return what comes after a place; what the proxy says that it has read is noted as taken."""
        with self._reader.connect() as connection:
            head = connection.execute(select(worklist_head).where(_head.mo == mo)).first()
            if head is None:
                return FeedPage("", False, [], [], 0, False)
            anew = epoch != head.epoch or after < head.forgotten or after > head.last
            begin = 0 if anew else after
            rows = connection.execute(
                select(worklist_feed)
                .where(_feed.mo == mo, _feed.place > begin, *((_feed.content != "",) if begin == 0 else ()))
                .order_by(_feed.place)
                .limit(limit)
            ).all()
        if not anew and after > head.taken:
            self._note_taken(mo, after)
        more = len(rows) == limit
        return FeedPage(
            epoch=head.epoch,
            anew=anew or after == 0,
            entries=[(row.place, json.loads(row.content)) for row in rows if row.content],
            removed=[(row.place, row.order_number) for row in rows if not row.content],
            last=rows[-1].place if more else max(head.last, begin),
            more=more,
        )

    def last(self, mo: str) -> int:
        """Return the highest place of an МО."""
        with self._reader.connect() as connection:
            return connection.scalar(select(_head.last).where(_head.mo == mo)) or 0

    def heads(self) -> dict[str, int]:
        """Return the highest place of each МО."""
        with self._reader.connect() as connection:
            return {row.mo: row.last for row in connection.execute(select(_head.mo, _head.last))}

    def standing(self, number: str) -> Standing:
        """Say whether the proxy has the newest state of an order."""
        query = (
            select(_feed.place, _head.taken)
            .join(worklist_head, _head.mo == _feed.mo)
            .where(_feed.order_number == number, _feed.content != "")
        )
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            return Standing.ABSENT
        return Standing.SENT if row.place <= row.taken else Standing.WAITING

    def on_lists(self, numbers: Sequence[str]) -> set[str]:
        """Return which of these orders are on a worklist."""
        query = select(_feed.order_number).where(_feed.order_number.in_(numbers), _feed.content != "")
        with self._reader.connect() as connection:
            return set(connection.scalars(query))

    def tidy(self) -> set[str]:
        """Take what ended long ago off the worklists, and forget removals of long ago; return whose feeds grew."""
        old = self._clock.now() - KEPT
        grown: dict[str, int] = {}
        with self._engine.begin() as connection:
            ended = select(_feed.mo, _feed.order_number).where(
                _feed.open.is_(False), _feed.content != "", _feed.changed_at < old
            )
            for row in connection.execute(ended.order_by(_feed.mo).limit(10_000)).all():
                self._write(connection, row.mo, row.order_number, None, grown)
            removed = (_feed.open.is_(False), _feed.content == "", _feed.changed_at < old)
            newest = select(_feed.mo, func.max(_feed.place).label("place")).where(*removed).group_by(_feed.mo)
            for row in connection.execute(newest).all():
                forgotten = update(worklist_head).where(_head.mo == row.mo, _head.forgotten < row.place)
                connection.execute(forgotten.values(forgotten=row.place))
            connection.execute(delete(worklist_feed).where(*removed))
        return set(grown)

    def _write(self, connection: Connection, mo: str, number: str, entry: Entry | None, grown: dict[str, int]) -> None:
        content = "" if entry is None else json.dumps(entry.to_json(), ensure_ascii=False, separators=(",", ":"))
        mine = (_feed.mo == mo, _feed.order_number == number)
        before = connection.scalar(select(_feed.content).where(*mine))
        if before == content or (before is None and entry is None):
            return
        place = grown[mo] = self._next(connection, mo)
        values = {
            "place": place,
            "content": content,
            "open": entry is not None and entry.open,
            "changed_at": self._clock.now(),
        }
        if before is None:
            connection.execute(insert(worklist_feed).values(mo=mo, order_number=number, **values))
        else:
            connection.execute(update(worklist_feed).where(*mine).values(**values))

    def _next(self, connection: Connection, mo: str) -> int:
        grown = update(worklist_head).where(_head.mo == mo).values(last=_head.last + 1)
        if not connection.execute(grown).rowcount:
            connection.execute(insert(worklist_head).values(mo=mo, last=1, forgotten=0, epoch=str(uuid.uuid4())))
        return int(connection.scalar(select(_head.last).where(_head.mo == mo)) or 0)

    def _note_taken(self, mo: str, place: int) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                update(worklist_head)
                .where(_head.mo == mo, _head.taken < place)
                .values(taken=place, taken_at=self._clock.now())
            )
