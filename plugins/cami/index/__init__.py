"""The study index: what lists, searches and counts at the centre are answered from.

A table of our own, one row a study and a series, kept in step with Orthanc by its change log. Stock Orthanc needs time
that grows with the archive for a search (reference/performance.md §4) and knows nothing of whose a study is. It is
made from Orthanc and can be made again; what it cannot say, or not yet, the core answers, scoped by `cami.access`.
Public names:

* `StudyIndex`, `Asked`, `Page`, `Scope`, `Granted`, `Hit`, `Beyond`: searching;
* `IndexFollower`, `IndexStore`, `NightlyComparison`: keeping it in step.
"""

from cami.index.criteria import Beyond
from cami.index.follower import IndexFollower
from cami.index.nightly import NightlyComparison
from cami.index.search import Granted, Page, Scope
from cami.index.store import IndexStore
from cami.index.study_index import Asked, Hit, StudyIndex, Totals
from cami.index.tags import tag_name

__all__ = [
    "Asked",
    "Beyond",
    "Granted",
    "Hit",
    "IndexFollower",
    "IndexStore",
    "NightlyComparison",
    "Page",
    "Scope",
    "StudyIndex",
    "Totals",
    "tag_name",
]
