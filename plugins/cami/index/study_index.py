"""The index as those see it who search: answers as the core's, or `Beyond`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sqlalchemy import Engine, Row

from cami.archive import Level
from cami.index.answers import Content, series_answer, study_answer
from cami.index.criteria import Beyond, Criteria
from cami.index.follower import State
from cami.index.search import IndexSearch, Page, Place, Scope, place
from cami.index.source import Kept

#: Studies that are read at once when all are gone through.
_WALKED = 500


class Standing(Protocol):
    """How the index stands to the archive; `cami.index.IndexFollower` knows."""

    @property
    def kept(self) -> Kept | None:
        """Which tags the rows hold; None if nobody has looked yet."""
        ...

    @property
    def state(self) -> State:
        """Only a fresh index is asked."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A search, in the terms of ``/tools/find``."""

    level: Level
    query: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    """``ParentPatient``, ``ParentStudy``."""
    rest: Mapping[str, Any] = field(default_factory=dict)
    """Flags, requested tags, response content."""
    words: str = ""
    """Beginnings of words of the patient's name, card number or accession number, or parts of numbers there."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A study or series that a search found."""

    resource: str
    """Orthanc id, of the level that was searched."""
    study_id: str
    uid: str
    """Study or Series Instance UID."""
    answer: Any
    """As the core would answer it: an id or a description; None if the core has to be asked for it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """How much somebody sees in all."""

    patients: int
    studies: int
    series: int
    instances: int


class StudyIndex:
    """Searches among the studies of one МО. Thread-safe."""

    def __init__(self, engine: Engine, follower: Standing) -> None:
        self._search = IndexSearch(engine)
        self._follower = follower

    def find(self, scope: Scope, asked: Asked, page: Page) -> Sequence[Hit]:
        """Return a page of what is found, newest first.

        Raises
        ------
        Beyond
            The index is behind the archive, or cannot say what is asked for: ask the core.
        """
        criteria = self._criteria(asked)
        kept = self._follower.kept
        if kept is None:
            raise Beyond
        content: Content | None = None
        whole, filled = True, True
        try:
            content = Content.read(asked.level, asked.rest, kept)
            whole = content is not None
        except Beyond:
            filled = False
        rows = self._search.rows(scope, criteria, page, whole=whole)
        answer = series_answer if asked.level == "series" else study_answer

        def written(row: Row[Any]) -> Any:
            if not filled:
                return None
            return _resource(row, asked.level) if content is None else answer(row, content, kept)

        return [_hit(row, asked.level, written(row)) for row in rows]

    def count(self, scope: Scope, asked: Asked) -> int:
        """Return how many are found.

        Raises
        ------
        Beyond
            The core has to be asked.
        """
        return self._search.count(scope, self._criteria(asked))

    def series(self, scope: Scope, asked: Asked) -> Iterator[Sequence[tuple[str, str, int]]]:
        """Yield series, their study (Orthanc ids) and number of instances, newest first, in pages.

        Raises
        ------
        Beyond
            The core has to be asked.
        """
        criteria = self._criteria(replace(asked, level="series"))
        after: Place | None = None
        while rows := self._search.rows(scope, criteria, Page(limit=_WALKED, after=after), whole=True):
            after = place(rows[-1])
            yield [(row.series_id, row.study_id, row.series_instances) for row in rows]

    def count_instances(self, scope: Scope, asked: Asked) -> int:
        """Return how many instances the series have that are found.

        Raises
        ------
        Beyond
            The core has to be asked.
        """
        return self._search.instances(scope, self._criteria(replace(asked, level="series")))

    def totals(self, scope: Scope) -> Totals:
        """Return how much there is of everything.

        Raises
        ------
        Beyond
            The core has to be asked.
        """
        studies, series = self._criteria(Asked("studies")), self._criteria(Asked("series"))
        return Totals(
            self._search.patients(scope, studies),
            self._search.count(scope, studies),
            self._search.count(scope, series),
            self._search.instances(scope, studies),
        )

    def patients(self, scope: Scope) -> Iterator[Sequence[tuple[str, str]]]:
        """Yield study and patient (Orthanc ids) of all studies, newest first, in pages that all cost the same.

        Raises
        ------
        Beyond
            The core has to be asked.
        """
        criteria = self._criteria(Asked("studies"))
        after: Place | None = None
        while rows := self._search.rows(scope, criteria, Page(limit=_WALKED, after=after), whole=True):
            after = place(rows[-1])
            yield [(row.study_id, row.patient_key) for row in rows]

    def _criteria(self, asked: Asked) -> Criteria:
        if self._follower.state != "fresh" or (asked.query and asked.rest.get("CaseSensitive")):
            raise Beyond
        return Criteria.read(asked.level, asked.query, asked.parents, asked.words)


def _resource(row: Row[Any], level: Level) -> str:
    return str(row.series_id if level == "series" else row.study_id)


def _hit(row: Row[Any], level: Level, answer: Any) -> Hit:
    uid = getattr(row, "series_uid" if level == "series" else "study_uid", "")
    return Hit(_resource(row, level), row.study_id, uid, answer)
