"""The labels ``grant-<number>`` on studies in Orthanc follow the table of grants, never the other way.

They only help the core to find what is granted; nothing is seen by a label alone (`cami.access.owners`), and nothing is
hidden by one that lacks, as far as the study index answers. The trap of an empty list of labels, which the core takes
for "no constraint", is closed where labels are asked for (`cami.access.visibility`).
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, Select, and_, or_, select, update

from cami.access import GrantBook
from cami.access.granted import in_force
from cami.access.owners import grant_label
from cami.archive import Archive
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import study, study_grant
from cami.errors import NotFound

log = logging.getLogger(__name__)

_LABEL = re.compile(r"grant-(\d{1,18})")
#: Grants that one step brings in line.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Differences:
    """Where labels differ from the table: pairs of a study and a label."""

    missing: frozenset[tuple[str, str]]
    """A grant holds, and its label is not on the study."""
    surplus: frozenset[tuple[str, str]]
    """A label is on a study that no such grant opens (any more)."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus)


class LabelMirror:
    """Brings labels in line with the table. One thread calls `step`."""

    def __init__(self, engine: Engine, clock: Clock, archive: Archive, book: GrantBook) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._archive = archive
        self._book = book

    def step(self) -> bool:
        """Write down what has come to its end, and bring some labels in line; return whether there may be more."""
        with self._engine.begin() as connection:
            if ended := self._book.expire(connection):
                log.info("%d grants have come to their end", ended)
        return self._bring(self._to_put(), wanted=True) + self._bring(self._to_take(), wanted=False) > 0

    def differences(self) -> Differences:
        """Compare all labels with the table: what is on the studies, not what our table believes."""
        wanted = {(study_id, grant_label(number)) for number, study_id in self._pairs()}
        there = self._there()
        return Differences(frozenset(wanted - there), frozenset(there - wanted))

    def repair(self) -> Differences:
        """Put right what differs; return what that was."""
        found = self.differences()
        for study_id, label in sorted(found.surplus):
            self._set(study_id, label, wanted=False)
        for study_id, label in sorted(found.missing):
            self._set(study_id, label, wanted=True)
        if found:
            log.warning("labels of grants put right: %d put, %d taken off", len(found.missing), len(found.surplus))
        return found

    def _there(self) -> set[tuple[str, str]]:
        labels = [label for label in self._archive.get("/tools/labels") if _LABEL.fullmatch(label)]
        return {
            (str(study_id), label)
            for label in labels
            for study_id in self._archive.find(
                {"Level": "Study", "Query": {}, "Labels": [label], "LabelsConstraint": "Any", "Expand": False}
            )
        }

    def _pairs(self) -> list[tuple[int, str]]:
        """Return the grants that hold, each with the studies here that it opens."""
        query = _opened().where(in_force(self._clock.now()))
        with self._reader.connect() as connection:
            return [(row.number, row.study_id) for row in connection.execute(query)]

    def _to_put(self) -> dict[int, list[str]]:
        query = _opened().where(in_force(self._clock.now()), ~study_grant.c.labelled)
        return self._grouped(query.limit(_AT_ONCE))

    def _to_take(self) -> dict[int, list[str]]:
        over = or_(study_grant.c.ended_at.is_not(None), study_grant.c.until <= self._clock.now())
        numbers = select(study_grant.c.number).where(study_grant.c.labelled, over).limit(_AT_ONCE)
        with self._reader.connect() as connection:
            found: dict[int, list[str]] = {number: [] for number in connection.scalars(numbers)}
        return found | self._grouped(_opened().where(study_grant.c.number.in_(found)))

    def _grouped(self, query: Select[tuple[int, str]]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        with self._reader.connect() as connection:
            for row in connection.execute(query):
                found.setdefault(row.number, []).append(row.study_id)
        return found

    def _bring(self, grants: Mapping[int, Iterable[str]], *, wanted: bool) -> int:
        for number, study_ids in grants.items():
            for study_id in study_ids:
                self._set(study_id, grant_label(number), wanted=wanted)
            with self._engine.begin() as connection:
                row = study_grant.c.number == number
                connection.execute(update(study_grant).where(row).values(labelled=wanted))
        return len(grants)

    def _set(self, study_id: str, label: str, *, wanted: bool) -> None:
        try:
            if wanted:
                self._archive.put_label(study_id, label)
            else:
                self._archive.drop_label(study_id, label)
        except NotFound:
            log.info("study %s, which a grant names, is not in Orthanc any more", study_id)


def _opened() -> Select[tuple[int, str]]:
    """Return a query for grants and the studies here that they open."""
    names = (study.c.study_uid == study_grant.c.study_uid, study.c.owner == study_grant.c.owner)
    query = select(study_grant.c.number, study.c.study_id).join_from(study_grant, study, and_(*names))
    return query.where(study.c.first_stored_at.is_not(None)).order_by(study_grant.c.number)
