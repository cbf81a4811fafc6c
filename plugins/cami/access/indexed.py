"""Searches of tenants answered from the study index, as far as it can tell.

The index knows the owner of each row; still, what it finds is held against the table of owners before it is handed
out, as the core's answers are: a row that is wrong shows nothing foreign.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from cami.access.owners import StudyOwners
from cami.access.question import Question
from cami.archive import Archive
from cami.index import Asked, Beyond, Hit, Page, StudyIndex, Totals
from cami.people.identity import Identity

log = logging.getLogger(__name__)

#: Rows of a page that the core describes when the index does not hold what is wanted of them.
_DESCRIBED = 500
#: What the index holds of a ``ResponseContent``.
_PARTS = frozenset({"MainDicomTags", "RequestedTags"})


class Indexed:
    """Asks the index for somebody who sees the studies of the own МО. Thread-safe."""

    def __init__(self, index: StudyIndex, owners: StudyOwners, archive: Archive) -> None:
        self._index = index
        self._owners = owners
        self._archive = archive

    def find(self, identity: Identity, question: Question) -> list[Any] | None:
        """Answer a question about studies or series, newest first; None if the core has to."""
        if question.hopeless:
            return []
        if not _PARTS.issuperset(question.rest.get("ResponseContent", ())) and _named(question):
            return None  # what the core describes anyway, it finds by UID as fast
        try:
            hits = self._index.find(
                self._owners.scope(identity), _asked(question), Page(question.since, question.limit)
            )
        except Beyond:
            return None
        visible = self._owners.visible(identity, {hit.study_id for hit in hits})
        if any(hit.study_id not in visible for hit in hits):
            log.error("the study index names a study of another owner: the core answers instead")
            return None
        if any(hit.answer is None for hit in hits):
            return self._described(question, hits)
        return [hit.answer for hit in hits]

    def count(self, identity: Identity, question: Question) -> int | None:
        """Count what a question finds; None if the core has to be asked."""
        if question.level == "patients" or question.hopeless:
            return 0
        try:
            if question.level == "instances":
                return self._index.count_instances(self._owners.scope(identity), _asked(question))
            return self._index.count(self._owners.scope(identity), _asked(question))
        except Beyond:
            return None

    def series(self, identity: Identity, question: Question) -> Iterator[tuple[str, int]] | None:
        """Yield the visible series that a question about instances wants, newest first, and how many each has.

        None if the question says more than what series and studies are known by, or the core has to be asked.
        """
        pages = self._index.series(self._owners.scope(identity), _asked(question))
        try:
            first = next(pages, [])
        except Beyond:
            return None
        return self._series(identity, chain([first], pages))

    def _series(self, identity: Identity, pages: Iterable[Sequence[tuple[str, str, int]]]) -> Iterator[tuple[str, int]]:
        for page in pages:
            visible = self._owners.visible(identity, {study_id for _, study_id, _ in page})
            yield from ((series_id, instances) for series_id, study_id, instances in page if study_id in visible)

    def totals(self, identity: Identity) -> Totals | None:
        """Count all that somebody sees; None if the index cannot tell now."""
        try:
            return self._index.totals(self._owners.scope(identity))
        except Beyond:
            return None

    def newest(self, identity: Identity, words: str, days: str, limit: int) -> list[Any] | None:
        """Return the main tags of the newest studies that words find; None if the index cannot tell now."""
        query = {"StudyDate": days} if days else {}
        asked = Asked("studies", query, rest={"ResponseContent": ["MainDicomTags"]}, words=words)
        try:
            hits = self._index.find(self._owners.scope(identity), asked, Page(0, limit))
        except Beyond:
            return None
        visible = self._owners.visible(identity, [hit.study_id for hit in hits])
        return [hit.answer for hit in hits if hit.study_id in visible]

    def patients(self, identity: Identity) -> Iterator[str] | None:
        """Yield the patients (Orthanc ids) of the visible studies, newest study first; None if the core has to."""
        pages = self._index.patients(self._owners.scope(identity))
        try:
            first = next(pages, None)
        except Beyond:
            return None
        return self._patients(identity, [] if first is None else chain([first], pages))

    def _patients(self, identity: Identity, pages: Iterable[Sequence[tuple[str, str]]]) -> Iterator[str]:
        for page in pages:
            visible = self._owners.visible(identity, [study_id for study_id, _ in page])
            yield from (patient for study_id, patient in page if study_id in visible)

    def _described(self, question: Question, hits: Sequence[Hit]) -> list[Any] | None:
        """Let the core describe what the index has found: it finds a few UIDs fast."""
        if len(hits) > _DESCRIBED or _named(question):
            return None  # one question to the core costs no more
        keyword = "SeriesInstanceUID" if question.level == "series" else "StudyInstanceUID"
        uids = "\\".join(dict.fromkeys(hit.uid for hit in hits))
        body = question.to_core() | {"Query": {keyword: uids}}
        described = {answer["ID"]: answer for answer in self._archive.find(body)}
        return [described[hit.resource] for hit in hits if hit.resource in described]


def _named(question: Question) -> bool:
    """Say whether a question names what it wants by UID."""
    return question.exact_uids("SeriesInstanceUID" if question.level == "series" else "StudyInstanceUID") is not None


def _asked(question: Question) -> Asked:
    return Asked(question.level, question.query, question.parents, question.rest)
