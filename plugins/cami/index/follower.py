"""Keeping the index in step with Orthanc, and knowing when it is.

The change log is read with a cursor that moves in the transaction that writes what was read. The log does not tell of
what is deleted: Orthanc says so to its plugins while it runs, and a comparison of counts at each start finds what a
crash kept from us (every addition is in the log, so equal counts after reading it mean that nothing was deleted).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Literal

from cami.archive import Archive, Change, Level
from cami.index.source import Kept, StudyRow, kept_tags, read_study
from cami.index.store import IndexStore, Totals

log = logging.getLogger(__name__)

PAGE = 500
#: Studies that are read between two writes.
_BATCH = 50
#: Seconds that the index may be behind the archive and still be asked.
MOMENT = 3.0
#: Seconds after which an index that could not be mended is looked at again.
_AFTER_FAILURE = 600.0

State = Literal["building", "behind", "fresh"]


class IndexFollower:
    """The one writer of the index. `step` belongs to one thread, the rest is thread-safe."""

    def __init__(self, archive: Archive, store: IndexStore, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._archive = archive
        self._store = store
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._deleted: set[tuple[Level, str]] = set()
        self._wants_check = True
        self._wants_build = False
        self._thorough = False
        self._not_before = 0.0
        self._kept: Kept | None = None
        self._level_at: float | None = None

    @property
    def kept(self) -> Kept | None:
        """Which tags the rows hold; None before the first step."""
        return self._kept

    @property
    def state(self) -> State:
        """How the index stands to the archive: only a fresh one may be asked."""
        with self._lock:
            if self._level_at is None:
                return "building"
            late = self._monotonic() - self._level_at > MOMENT
            return "behind" if late or self._deleted or self._wants_check else "fresh"

    def counts(self) -> dict[str, int]:
        """Return how much is in the index."""
        return asdict(self._store.totals())

    def note_deleted(self, level: Level, resource: str) -> None:
        """Hear that Orthanc has deleted something: until it is out of the index, the index is not asked."""
        with self._lock:
            self._deleted.add((level, resource))

    def ask_for_check(self, *, thorough: bool = False) -> None:
        """Let a step soon compare counts, and everything if they differ.

        Parameters
        ----------
        thorough
            Compare the last update of each study first, and read those again that differ; the index answers meanwhile.
        """
        with self._lock:
            if thorough:
                self._thorough = True
            else:
                self._wants_check = True

    def rebuild(self) -> None:
        """Ask for the index to be made anew; until it is, the core answers."""
        with self._lock:
            self._wants_build = True
            self._level_at = None

    def step(self) -> bool:
        """Do a piece of work; return whether there is more to do now."""
        began = self._monotonic()
        kept = self._kept = self._kept or kept_tags(self._archive)
        cursor, last = self._store.cursor(kept.reader), self._archive.last_change()
        if cursor is None or self._wants_build:  # never built, built by another release, or asked for
            self._build(kept, last)
            return True
        if cursor > last:  # what came last was deleted, or the archive was replaced
            self._catch_up(kept, last)
            return True
        if cursor < last and not self._read_page(kept, cursor):
            return True
        self._take_out_deleted(kept)
        if self._wants_check:
            return self._check(kept)
        with self._lock:
            self._level_at = began
        if self._thorough:
            self._compare_all(kept)
            return True
        return False

    def _read_page(self, kept: Kept, cursor: int) -> bool:
        """Read a page of the log into the index; return whether that was the last."""
        page = self._archive.changes(cursor, PAGE)
        self._refresh(kept, self._touched(page.changes), (kept.reader, page.last))
        return page.done

    def _touched(self, changes: Iterable[Change]) -> list[str]:
        """Return the studies that changes are about."""
        instances = {change.resource for change in changes if change.kind == "NewInstance"}
        known = self._store.studies_of(instances)
        found = dict.fromkeys(known.values())
        for instance in sorted(instances - known.keys()):
            study_id = self._archive.study_of("instances", instance)
            if study_id is not None:
                found[study_id] = None
        return list(found)

    def _refresh(self, kept: Kept, study_ids: Iterable[str], place: tuple[str, int] | None = None) -> None:
        """Read studies again; the cursor moves to `place` with the last of them."""
        rows: dict[str, StudyRow | None] = {}
        for study_id in study_ids:
            rows[study_id] = read_study(self._archive, kept, study_id)
            if len(rows) == _BATCH:
                self._store.write(rows)
                rows = {}
        if rows or place:
            self._store.write(rows, place)

    def _take_out_deleted(self, kept: Kept) -> None:
        with self._lock:
            deleted = frozenset(self._deleted)
        if not deleted:
            return
        instances = {resource for level, resource in deleted if level == "instances"}
        studies = set(self._store.studies_of(instances).values())
        studies |= {resource for level, resource in deleted if level == "studies"}
        for level, resource in deleted:
            if level == "series" and (study_id := self._store.study_of_series(resource)):
                studies.add(study_id)
        self._refresh(kept, sorted(studies))
        with self._lock:
            self._deleted -= deleted
            self._wants_check = True

    def _build(self, kept: Kept, last: int) -> None:
        """Make the whole index. What comes in meanwhile stands in the log after `last`."""
        log.info("the study index is built anew")
        with self._lock:
            self._wants_build = False
            self._level_at = None
        self._store.forget_cursors()
        self._refresh_all(kept)
        self._remove_gone(kept)
        self._store.move(kept.reader, last)
        self.ask_for_check()
        log.info("the study index is built: %d studies", self._store.totals().studies)

    def _catch_up(self, kept: Kept, last: int) -> None:
        """Compare with an archive whose log has become shorter."""
        with self._lock:
            self._level_at = None
        self._refresh_all(kept, changed_only=True)
        self._remove_gone(kept)
        self._store.move(kept.reader, last)
        self.ask_for_check()

    def _refresh_all(self, kept: Kept, *, changed_only: bool = False) -> None:
        since = 0
        while found := self._page_of_studies(since):
            since += len(found)
            known = self._store.updates(found) if changed_only else {}
            self._refresh(kept, [study_id for study_id, update in found.items() if known.get(study_id) != update])

    def _page_of_studies(self, since: int) -> dict[str, str]:
        """Return studies of the archive with their last update."""
        query = {"Level": "Study", "Query": {}, "ResponseContent": ["Metadata"], "Since": since, "Limit": PAGE}
        return {row["ID"]: str(row.get("Metadata", {}).get("LastUpdate", "")) for row in self._archive.find(query)}

    def _remove_gone(self, kept: Kept) -> None:
        after = ""
        while ids := self._store.page(after, PAGE):
            after = ids[-1]
            self._refresh(kept, [study_id for study_id in ids if self._gone(study_id)])

    def _gone(self, study_id: str) -> bool:
        return self._archive.study_of("studies", study_id) is None

    def _check(self, kept: Kept) -> bool:
        """Compare counts with the archive; return whether there is more to do now."""
        if self._monotonic() < self._not_before:
            return False
        equal = self._equal(kept)
        if equal is False:
            log.warning("the study index differs from the archive: it is mended")
            self._refresh_all(kept)
            self._remove_gone(kept)
            equal = self._equal(kept)
            if equal is False:
                log.error("the study index still differs from the archive: the core answers instead")
                self._not_before = self._monotonic() + _AFTER_FAILURE
                return False
        if equal:
            with self._lock:
                self._wants_check = bool(self._deleted)
        return True

    def _equal(self, kept: Kept) -> bool | None:
        """Compare counts; None: the archive changed meanwhile, or the log is not read to its end."""
        before = self._archive.last_change()
        here, there = self._store.totals(), self._totals()
        if self._archive.last_change() != before or self._store.cursor(kept.reader) != before:
            return None
        return here == there

    def _compare_all(self, kept: Kept) -> None:
        """Read every study again that was changed by a way that the log does not tell of."""
        self._thorough = False
        self._refresh_all(kept, changed_only=True)
        self.ask_for_check()

    def _totals(self) -> Totals:
        found = self._archive.get("/statistics")
        return Totals(found["CountStudies"], found["CountSeries"], found["CountInstances"])
