"""The proxy's catalogue: every study that came in here, as a list shows it, also when its images have left.

It is filled from Orthanc's change log, by a cursor of its own that moves in the transaction that writes the rows
(`cami.delivery.feed` does the same for images). A study is entered at its first image, so the centre can be told of it
and earlier studies of its patient be asked for while it still comes in.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, case, exists, func, insert, select, update

from cami.archive import Archive
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import change_cursor, delivery_item, fetch, known_study
from cami.delivery.states import State
from cami.delivery.steps import parts
from cami.errors import NotFound
from cami.retrieval.columns import Columns, Described, describe

#: Name of our row of ``change_cursor``.
READER = "catalogue"
PAGE = 500
#: How long a study may be without anything in the queue before it counts as one with nothing to tell.
_NOTHING_CAME = timedelta(minutes=10)
_WAITING = [State.QUEUED, State.SENDING]
_HERE = [State.QUEUED, State.SENDING, State.STORED, State.CONFIRMED, State.QUARANTINED]
#: What counts for the centre: not what it never takes, nor what is lost.
_TOLD = [State.QUEUED, State.SENDING, State.STORED, State.CONFIRMED, State.EVICTED]


@dataclass(frozen=True, slots=True)
class Known:
    """A study of the catalogue."""

    study: Described
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Untold:
    """A study of which the centre has still to be told."""

    known: Known
    instances: int
    size: int
    waiting: int
    """Instances that have not been sent."""
    announced: int | None
    """What the centre was told last."""


class Catalogue:
    """The table ``known_study``."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        clock: Clock,
        *,
        guests: Callable[[Collection[str]], Collection[str]] = lambda _: (),
    ) -> None:
        """Make it; `guests` tells which of some studies are another МО's, kept here by a grant: no part of it."""
        self._guests = guests
        self._archive = archive
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock

    def advance(self) -> tuple[list[Described], bool]:
        """Read a page of the change log; return the studies that are new here, and whether there is more to read.

        What comes back from the centre is not new: it is entered, but not returned. Nor is what was here before this
        catalogue was.
        """
        with self._reader.connect() as connection:
            since = connection.scalar(select(change_cursor.c.seq).where(change_cursor.c.reader == READER))
        if since is None or since > self._archive.last_change():
            # The first look of all, or Orthanc's index is younger than our cursor: it was replaced or restored.
            self._enter_all()
            return [], False
        page = self._archive.changes(since, PAGE)
        if page.last == since:
            return [], False
        new = [change.resource for change in page.changes if change.kind == "NewStudy"]
        return self._enter(new, page.last), not page.done

    def _enter_all(self) -> None:
        last = self._archive.last_change()
        for part in parts(self._archive.get("/studies")):
            self._enter(part, None)
        self._enter([], last)

    def adopt(self, study: Described) -> None:
        """Enter a study that the centre has told of, unless it is known."""
        with self._engine.begin() as connection:
            self._insert(connection, [study])

    def untold(self, limit: int) -> list[Untold]:
        """List studies of which there is more to tell: those unknown to the centre, then those it was told of last."""
        rows = (
            select(known_study)
            .where(known_study.c.told_all_at.is_(None))
            .order_by(known_study.c.announced_at.is_not(None), known_study.c.announced_at.desc(), known_study.c.seen_at)
            .limit(limit)
        )
        with self._reader.connect() as connection:
            studies = connection.execute(rows).all()
            counts = _counts(connection, [row.study_id for row in studies])
        found = []
        for row in studies:
            count = counts.get(row.study_id)
            known = Known(_described(row), row.seen_at)
            if count is None:
                found.append(Untold(known, 0, 0, 0, row.announced))
            else:
                found.append(Untold(known, count.instances, count.size, count.waiting, row.announced))
        return found

    def told(self, studies: Iterable[Untold]) -> None:
        """Note what the centre was told."""
        now = self._clock.now()
        with self._engine.begin() as connection:
            for study in studies:
                connection.execute(
                    update(known_study)
                    .where(known_study.c.study_id == study.known.study.study_id)
                    .values(announced=study.instances, announced_at=now)
                )

    def told_all(self, studies: Iterable[Untold]) -> None:
        """Note that there is nothing more to tell of these."""
        with self._engine.begin() as connection:
            for study in studies:
                connection.execute(
                    update(known_study)
                    .where(known_study.c.study_id == study.known.study.study_id)
                    .values(told_all_at=self._clock.now())
                )

    def nothing_came(self, study: Untold) -> bool:
        """Say whether a study without anything in the queue will stay so: it was deleted, or is there already."""
        age = self._clock.now() - study.known.seen_at
        return not timedelta() <= age < _NOTHING_CAME

    def away(self, days: tuple[str, str] = ("", ""), limit: int = 500) -> list[tuple[Described, int]]:
        """List studies of which nothing is here any more and the centre has something, the newest first.

        Parameters
        ----------
        days
            First and last Study Date as DICOM writes them; empty: no bound.
        limit
            How many at most.

        Returns
        -------
        list
            Pairs of the study and its number of images at the centre.
        """
        first, last = days
        item = delivery_item.c
        count = select(func.count()).where(item.study_id == known_study.c.study_id, item.state == State.EVICTED)
        query = (
            select(known_study, count.scalar_subquery().label("instances"))
            .where(
                exists().where(item.study_id == known_study.c.study_id, item.state == State.EVICTED),
                ~exists().where(item.study_id == known_study.c.study_id, item.state.in_(_HERE)),
                *((known_study.c.study_date >= first,) if first else ()),
                *((known_study.c.study_date <= last,) if last else ()),
            )
            .order_by(known_study.c.study_date.desc(), known_study.c.study_time.desc())
            .limit(limit)
        )
        with self._reader.connect() as connection:
            return [(_described(row), row.instances) for row in connection.execute(query)]

    def named(self, study_uid: str) -> list[str]:
        """Return the Orthanc ids of known studies with a Study Instance UID."""
        query = select(known_study.c.study_id).where(known_study.c.study_uid == study_uid)
        with self._reader.connect() as connection:
            return list(connection.scalars(query))

    def _enter(self, study_ids: Sequence[str], cursor: int | None) -> list[Described]:
        """Enter studies and move the cursor; return those that have not come back from the centre."""
        described = []
        guests = self._guests(study_ids)
        for study_id in dict.fromkeys(study_ids):
            if study_id in guests:
                continue
            try:
                described.append(describe(self._archive, study_id))
            except NotFound:
                continue  # deleted since
        with self._engine.begin() as connection:
            back = frozenset(
                connection.scalars(
                    select(fetch.c.study_id).where(fetch.c.study_id.in_([study.study_id for study in described]))
                )
            )
            self._insert(connection, described)
            if cursor is not None:
                moved = update(change_cursor).where(change_cursor.c.reader == READER).values(seq=cursor)
                if not connection.execute(moved).rowcount:
                    connection.execute(insert(change_cursor).values(reader=READER, seq=cursor))
        return [study for study in described if study.study_id not in back]

    def _insert(self, connection: Connection, studies: Sequence[Described]) -> None:
        for study in studies:
            here = known_study.c.study_id == study.study_id
            if connection.execute(update(known_study).where(here).values(told_all_at=None)).rowcount:
                continue
            connection.execute(
                insert(known_study).values(
                    study_id=study.study_id,
                    study_uid=study.study_uid,
                    patient=study.patient,
                    issuer=study.issuer,
                    body_parts=study.body_parts,
                    seen_at=self._clock.now(),
                    **study.columns.to_json(),
                )
            )


def _counts(connection: Connection, study_ids: Sequence[str]) -> dict[str, Row[Any]]:
    query = (
        select(
            delivery_item.c.study_id,
            func.count().label("instances"),
            func.sum(delivery_item.c.size).label("size"),
            func.sum(case((delivery_item.c.state.in_(_WAITING), 1), else_=0)).label("waiting"),
        )
        .where(delivery_item.c.study_id.in_(study_ids), delivery_item.c.state.in_(_TOLD))
        .group_by(delivery_item.c.study_id)
    )
    return {row.study_id: row for row in connection.execute(query)}


def _described(row: Row[Any]) -> Described:
    return Described(row.study_id, row.study_uid, row.patient, row.issuer, row.body_parts, Columns.of(row))
