"""Answers to ``/tools/find`` that hold visible studies only. All of DICOMweb rests on this.

Nothing foreign leaves even if a label is wrong, late or forged: labels only help the core to find fast, and each
answer is held against the table of owners before it is handed out.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Engine

from cami.access.indexed import Indexed
from cami.access.owners import Reach, study_owners
from cami.access.question import CORE_LEVELS, Question
from cami.access.redaction import redact
from cami.access.sight import Sight
from cami.archive import Archive, Level
from cami.clock import Clock, SystemClock
from cami.errors import NotFound
from cami.index import StudyIndex, Totals, tag_name
from cami.people.identity import Identity
from cami.settings import Role as ServerRole

#: Instances that one answer holds at most, where it names no study: who wants more asks for the next page.
MOST_INSTANCES = 10_000
#: Tags that the core keeps with the study: with them, a question about series is first asked of studies.
_STUDY_TAGS = frozenset(
    {
        "AccessionNumber", "00080050",
        "InstitutionName", "00080080",
        "ModalitiesInStudy", "00080061",
        "PatientBirthDate", "00100030",
        "PatientID", "00100020",
        "PatientName", "00100010",
        "PatientSex", "00100040",
        "ReferringPhysicianName", "00080090",
        "StudyDate", "00080020",
        "StudyDescription", "00081030",
        "StudyID", "00200010",
        "StudyInstanceUID", "0020000d",
        "StudyTime", "00080030",
    }
)  # fmt: skip
#: Labels in one question to the core.
_LABELS = 500


class Visibility:
    """Searches the archive for a person. Thread-safe."""

    def __init__(
        self,
        role: ServerRole,
        mo: str,
        archive: Archive,
        engine: Engine,
        index: StudyIndex | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        """Make it; `index` answers for tenants what it can, at the centre."""
        self._archive = archive
        self._owners = study_owners(role, mo, engine, clock or SystemClock())
        self.sight = Sight(self._owners, archive)
        self._indexed = Indexed(index, self._owners, archive) if index else None

    def find(self, identity: Identity | None, query: Mapping[str, Any]) -> list[Any]:
        """Answer a body of ``/tools/find`` for somebody; ``[]`` for a stranger.

        Raises
        ------
        cami.errors.Invalid
            The question is malformed, or uses what is not for people.
        """
        reach = self._owners.reach(identity)
        if identity is None or reach is Reach.NOTHING:
            return []
        if reach is Reach.TECHNICAL:
            return self._archive.find(query)
        question = Question.parse(query)
        if question.level == "patients" or question.hopeless:
            # Orthanc's patient is the hash of PatientID alone: it mixes several МО, and people of the same number.
            return []
        if reach is Reach.ARCHIVE:
            answers = self._find_all_but(self._owners.hidden(), question)
        else:
            answers = self._find_own(identity, question)
        return [redact(answer) for answer in answers]

    def count(self, identity: Identity | None, query: Mapping[str, Any]) -> int:
        """Answer a body of ``/tools/count-resources`` for somebody.

        Raises
        ------
        cami.errors.Invalid
            The question is malformed, or uses what is not for people.
        """
        dropped = ("ResponseContent", "RequestedTags", "Since", "Limit")
        only_ids = {name: value for name, value in query.items() if name not in dropped} | {"Expand": False}
        if identity is not None and self._indexed and self._owners.reach(identity) is Reach.OWN:
            counted = self._indexed.count(identity, Question.parse(only_ids))
            if counted is not None:
                return counted
        return len(self.find(identity, only_ids))

    def totals(self, identity: Identity) -> Totals | None:
        """Count all that somebody sees; None where the core's own counts are his."""
        if self._owners.reach(identity) is not Reach.OWN:
            return None
        counted = self._indexed.totals(identity) if self._indexed else None
        if counted is not None:
            return counted
        levels = ("Study", "Series", "Instance")
        studies, series, instances = (self.count(identity, {"Level": level, "Query": {}}) for level in levels)
        return Totals(0, studies, series, instances)

    def newest(self, identity: Identity, words: str, days: str, limit: int) -> list[Any] | None:
        """Return the main tags of the newest visible studies; None if all have to be looked through (`find`).

        Parameters
        ----------
        words
            What must be found of the patient's name, card number or accession number; empty for anything.
        days
            A range as DICOM writes it; empty for any day.
        """
        if self._indexed is None or self._owners.reach(identity) is not Reach.OWN:
            return None
        return self._indexed.newest(identity, words, days, limit)

    def patients(self, identity: Identity) -> Iterator[str] | None:
        """Yield the patients (Orthanc ids) of the visible studies, newest first; None if the index cannot tell."""
        if self._indexed is None or self._owners.reach(identity) is not Reach.OWN:
            return None
        return self._indexed.patients(identity)

    def sees(self, identity: Identity | None, level: Level, resource: str) -> bool:
        """Say whether somebody sees one study, series or instance."""
        return self.sight.sees(identity, level, resource)

    def reach(self, identity: Identity | None) -> Reach:
        """Return how far somebody sees at all."""
        return self._owners.reach(identity)

    def _find_all_but(self, hidden: frozenset[str], question: Question) -> list[Any]:
        """Find in an archive of which all is visible but a few studies, mostly none."""
        if not hidden:
            return self._archive.find(question.to_core(**_page(question)))
        found = self._archive.find(question.to_core(Since=0, Limit=0, **question.parents))
        level = question.level
        seen = [each for each in found if self.sight.study_of(level, _resource_id(each)) not in hidden]
        return seen[question.since :][: question.limit or None]

    def _find_own(self, identity: Identity, question: Question) -> list[Any]:
        """Find among the studies of the own МО: in the index if it can tell, else in the core."""
        if self._indexed and (named := question.one_image()):
            # Each frame that a viewer wants asks this.
            image = self._owners.instance(identity, *named)
            if image is not None:
                return [image]
        found = self._indexed.find(identity, question) if self._indexed else None
        if found is not None:
            return found
        if question.level == "studies":
            return self._find_studies(identity, question)
        if question.level == "instances" and self._indexed and not _names_something(question):
            series = self._indexed.series(identity, question)
            if series is not None:
                return self._find_in(series, question)
        return self._find_below(identity, question)

    def _find_in(self, series: Iterable[tuple[str, int]], question: Question) -> list[Any]:
        """Find instances series by series, passing over without a question those that are before the page."""
        left = min(question.limit or MOST_INSTANCES, MOST_INSTANCES)
        since = question.since
        found: list[Any] = []
        for series_id, instances in series:
            if since >= instances:
                since -= instances
                continue
            body = question.to_core(ParentSeries=series_id, Since=since, Limit=left - len(found))
            found.extend(self._archive.find(body | {"Query": {}}))
            since = 0
            if len(found) >= left:
                break
        return found

    def _find_studies(self, identity: Identity, question: Question) -> list[Any]:
        answers = self._labelled(identity, question)
        visible = self._owners.visible(identity, [_resource_id(answer) for answer in answers])
        return [answer for answer in answers if _resource_id(answer) in visible]

    def _labelled(self, identity: Identity, question: Question) -> list[Any]:
        """Return what the core finds among the studies that carry the labels of what is visible.

        With more labels than go into one question the answers are put in order by id, as the core has them.
        """
        labels = self._owners.labels(identity)
        if not labels:  # the core would take an empty list for "no constraint" and answer with everything
            return []
        if len(labels) <= _LABELS:
            return self._archive.find(question.to_core(**_page(question), **_labels(labels)))
        wanted = question.since + question.limit if question.limit else 0
        part = {"Since": 0, "Limit": wanted, **question.parents}
        found: dict[str, Any] = {}
        for start in range(0, len(labels), _LABELS):
            body = question.to_core(**part, **_labels(labels[start : start + _LABELS]))
            found |= {_resource_id(answer): answer for answer in self._archive.find(body)}
        return [answer for _, answer in sorted(found.items())][question.since : wanted or None]

    def _find_below(self, identity: Identity, question: Question) -> list[Any]:
        """Find series or instances: study by study, newest first, since the core can filter by one parent only."""
        wanted = question.since + question.limit if question.limit else 0
        series = {name: question.parents[name] for name in ("ParentSeries",) if name in question.parents}
        found: list[Any] = []
        for study_id in self._candidates(identity, question):
            left = wanted - len(found) if wanted else 0
            found.extend(self._archive.find(question.to_core(Limit=left, **(series or {"ParentStudy": study_id}))))
            if wanted and len(found) >= wanted:
                break
        return found[question.since :]

    def _candidates(self, identity: Identity, question: Question) -> Iterable[str]:
        """Return visible studies that may hold what is asked for, newest first."""
        uids = question.exact_uids("StudyInstanceUID")
        if uids is not None and not question.parents:
            return self._owners.newest(identity, uids)
        named = self._named_studies(question)
        if named is None:
            ids = self._matching(identity, question, self._owners.newest(identity))
        else:
            ids = sorted(self._owners.visible(identity, named))
        patient = question.parents.get("ParentPatient")
        return ids if patient is None else self._of_patient(ids, patient)

    def _named_studies(self, question: Question) -> frozenset[str] | None:
        """Return the studies of what the question names exactly, whosever they are; None if it names nothing."""
        named: list[frozenset[str]] = []
        if "ParentStudy" in question.parents:
            named.append(self._studies_of("studies", [question.parents["ParentStudy"]]))
        if "ParentSeries" in question.parents:
            named.append(self._studies_of("series", [question.parents["ParentSeries"]]))
        uids = question.exact_uids("SOPInstanceUID") if question.level == "instances" else None
        if uids is not None:
            named.append(self._studies_with("instances", "SOPInstanceUID", uids))
        elif (uids := question.exact_uids("SeriesInstanceUID")) is not None:
            named.append(self._studies_with("series", "SeriesInstanceUID", uids))
        return frozenset.intersection(*named) if named else None

    def _studies_with(self, level: Level, keyword: str, uids: Iterable[str]) -> frozenset[str]:
        body = {"Level": CORE_LEVELS[level], "Query": {keyword: "\\".join(uids)}, "Expand": False}
        return self._studies_of(level, self._archive.find(body))

    def _studies_of(self, level: Level, resources: Iterable[str]) -> frozenset[str]:
        found = (self.sight.study_of(level, resource) for resource in resources)
        return frozenset(study_id for study_id in found if study_id is not None)

    def _matching(self, identity: Identity, question: Question, ids: Iterable[str]) -> Iterable[str]:
        """Leave out studies that the study part of the question rules out: one question instead of many."""
        study_query = {name: value for name, value in question.query.items() if tag_name(name) in _STUDY_TAGS}
        if not study_query:
            return ids
        rest = {name: value for name, value in question.rest.items() if name == "CaseSensitive"}
        body = {"Level": "Study", "Query": study_query, "Expand": False, **rest}
        labels = self._owners.labels(identity)
        matching = {
            study_id
            for start in range(0, len(labels), _LABELS)
            for study_id in self._archive.find(body | _labels(labels[start : start + _LABELS]))
        }
        return (study_id for study_id in ids if study_id in matching)

    def _of_patient(self, ids: Iterable[str], patient: str) -> Iterator[str]:
        for study_id in ids:
            try:
                study = self._archive.get(f"/studies/{study_id}")
            except NotFound:
                continue
            if study["ParentPatient"] == patient:
                yield study_id


def _names_something(question: Question) -> bool:
    """Say whether a question names one study, series or instance, which the core finds at once."""
    return any(question.exact_uids(keyword) for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"))


def _page(question: Question) -> dict[str, Any]:
    return {"Since": question.since, "Limit": question.limit, **question.parents}


def _labels(labels: list[str]) -> dict[str, Any]:
    return {"Labels": labels, "LabelsConstraint": "Any"}


def _resource_id(answer: Any) -> str:
    """Return the id of an answer, which is the id itself or the expanded resource."""
    return str(answer["ID"]) if isinstance(answer, Mapping) else str(answer)
