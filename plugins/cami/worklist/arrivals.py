"""At a proxy: which entries have images by now, from what comes in here; the line may be down, and the centre not know.

Only what is beyond doubt: the entry's number or UID and its patient. Everything else the centre decides
(`cami.matching`), and its word comes down with the feed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine, Select, func, or_, select

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import delivery_item, known_study, worklist_entry
from cami.retrieval.columns import Described
from cami.worklist.entries import Entries, Listed
from cami.worklist.entry import State

_row = worklist_entry.c


class Arrivals:
    """Follows the studies that come in."""

    def __init__(self, engine: Engine, clock: Clock, entries: Entries, quiet: timedelta) -> None:
        """Make it; a study counts as complete when nothing of it has come for `quiet`."""
        self._reader = reading(engine)
        self._clock = clock
        self._entries = entries
        self._quiet = quiet

    def came(self, studies: Sequence[Described]) -> int:
        """Note the entries whose studies have begun to come in; return how many."""
        begun = 0
        for study in studies:
            for found in self._entries.rows(_meant(study.study_uid, study.columns.accession)):
                if found.entry.patient_id == study.columns.patient_id:
                    begun += self._entries.saw(found.entry.number, State.STARTED, study.study_id, self._clock.now())
        return begun

    def catch_up(self) -> int:
        """Note what came in while nobody looked: by the UIDs of open entries."""
        query = (
            select(known_study.c.study_id, _row.number, known_study.c.seen_at)
            .join(known_study, known_study.c.study_uid == _row.study_uid)
            .where(_row.listed, _row.seen == "", known_study.c.patient_id == _row.patient_id)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return sum(self._entries.saw(row.number, State.STARTED, row.study_id, row.seen_at) for row in rows)

    def end(self) -> int:
        """Note the entries of which nothing has come for a while; return how many."""
        begun = select(worklist_entry).where(_row.seen == State.STARTED.value, _row.listed).order_by(_row.changed_at)
        now = self._clock.now()
        ended = 0
        for found in self._entries.rows(begun.limit(500)):
            last = self._last(found)
            # Not in the future either: a clock that was set back must not keep an entry open.
            if last is not None and not timedelta() <= now - last < self._quiet:
                ended += self._entries.saw(found.entry.number, State.COMPLETED, found.study_id, last)
        return ended

    def _last(self, found: Listed) -> datetime | None:
        query = select(func.max(delivery_item.c.received_at)).where(delivery_item.c.study_id == found.study_id)
        with self._reader.connect() as connection:
            last: datetime | None = connection.scalar(query)
        return last or found.started_at


def _meant(study_uid: str, accession: str) -> Select[tuple[object, ...]]:
    keys = [_row.study_uid == study_uid]
    if accession:
        keys.append(_row.accession == accession)
    return select(worklist_entry).where(or_(*keys))
