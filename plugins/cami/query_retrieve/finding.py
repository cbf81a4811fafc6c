"""C-FIND answered: one question of one caller to what its МО may see (PS3.4 C.4.1)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydicom.datadict import keyword_for_tag

from cami.archive import Archive
from cami.query_retrieve.answer import encode
from cami.query_retrieve.identifier import Element, Query
from cami.query_retrieve.keys import ARCHIVE_LEVELS, MAIN_TAGS, Level, matched
from cami.query_retrieve.matching import matches
from cami.query_retrieve.nodes import Caller
from cami.query_retrieve.ports import Elsewhere, Finder, Nowhere

#: Answers to one question; with more, the caller is told that they were cut (FE00, as Orthanc says it).
MOST_ANSWERS: Mapping[Level, int] = {Level.PATIENT: 500, Level.STUDY: 1000, Level.SERIES: 2000, Level.IMAGE: 10_000}
#: Studies that patients are put together from.
_STUDIES_OF_PATIENTS = 2000

_LEVEL_NAMES = {"studies": "Study", "series": "Series", "instances": "Instance"}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a caller gets."""

    level: Level
    files: list[bytes]
    """Identifiers, as DICOM files."""
    complete: bool
    studies: tuple[str, ...] = ()
    """Study Instance UIDs of what was found, for the journal."""


class Findings:
    """Answers C-FIND. Thread-safe."""

    def __init__(self, aet: str, archive: Archive, finder: Finder, elsewhere: Elsewhere | None = None) -> None:
        """Make it; `aet` is the archive's own title, from which images can be retrieved."""
        self._aet = aet
        self._archive = archive
        self._finder = finder
        self._elsewhere = elsewhere or Nowhere()

    def answer(self, caller: Caller, elements: Iterable[Element]) -> Answers:
        """Answer one request.

        Raises
        ------
        cami.errors.Invalid
            The identifier is none that is answered.
        cami.errors.Transient
            The archive cannot answer now.
        """
        query = Query.read(elements)
        most = MOST_ANSWERS[query.level]
        found = self._found(caller, query, most + 1)
        kept = found[:most]
        files = [encode(self._identifier(query, attributes), caller.text) for attributes in kept]
        uids = tuple(dict.fromkeys(row["StudyInstanceUID"] for row in kept if row.get("StudyInstanceUID")))
        return Answers(query.level, files, len(found) == len(kept), uids)

    def _found(self, caller: Caller, query: Query, most: int) -> list[dict[str, str]]:
        if query.hopeless:
            return []
        if query.level is Level.PATIENT:
            rows = self._ask(caller, query, _STUDIES_OF_PATIENTS)
            return list(_patients([*rows, *self._away(query)]))[:most]
        rows = self._ask(caller, query, most)
        if query.level is Level.STUDY and len(rows) < most:
            rows += self._away(query)
        if query.level is Level.SERIES and len(rows) < most:
            here = {row.get("SeriesInstanceUID") for row in rows}
            rows += [row for row in self._series_away(query) if row["SeriesInstanceUID"] not in here]
        return rows[:most]

    def _ask(self, caller: Caller, query: Query, most: int) -> list[dict[str, str]]:
        """Ask the archive, as somebody of the caller's МО."""
        level = ARCHIVE_LEVELS[query.level]
        asked = {
            "Level": _LEVEL_NAMES[level],
            "Query": dict(self._matching(query)),
            "Limit": most,
            "Short": True,
            "ResponseContent": ["RequestedTags"],
            "RequestedTags": sorted(self._wanted(query)),
        }
        return [_row(answer) for answer in self._finder.find(caller.identity, asked)]

    def _matching(self, query: Query) -> Iterator[tuple[str, str]]:
        """Yield what the archive can match in its database; the rest matches everything (PS3.4 C.2.2.1.3)."""
        for name, value in query.matching.items():
            if name in self._held or name == "ModalitiesInStudy":
                yield name, value

    def _wanted(self, query: Query) -> frozenset[str]:
        patient = {"PatientBirthDate", "PatientID", "PatientName", "PatientSex"}
        always = {"StudyInstanceUID"} | (patient if query.level is Level.PATIENT else set())
        computed = query.wanted - matched(query.level) | query.wanted & {"ModalitiesInStudy"}
        return frozenset((always | query.wanted) & self._held | computed)

    @cached_property
    def _held(self) -> frozenset[str]:
        """Attributes that this Orthanc has columns for."""
        main = self._archive.get("/system")["MainDicomTags"]
        tags = {tag for level in MAIN_TAGS for tag in main[level].split(";")}
        keywords = {keyword_for_tag(int(tag.replace(",", ""), 16)) for tag in tags if len(tag) == 9}
        return frozenset(keywords) & frozenset().union(*MAIN_TAGS.values())

    def _away(self, query: Query) -> list[dict[str, str]]:
        """Return what is at the centre only: found as what is here, and NEARLINE (PS3.3 C.4.23.1.1)."""
        asked = dict(query.matching)
        found = self._elsewhere.studies(asked.get("StudyDate", ""))
        rows = [{**study.attributes, "InstanceAvailability": "NEARLINE"} for study in found]
        return [row for row in rows if matches(row, asked)]

    def _series_away(self, query: Query) -> list[dict[str, str]]:
        """Return the series of the studies that the question names, as far as they are at the centre only."""
        asked = dict(query.matching)
        uids = [uid for uid in asked.get("StudyInstanceUID", "").split("\\") if uid]
        rows = [{**each.attributes, "InstanceAvailability": "NEARLINE"} for each in self._elsewhere.series(uids)]
        return [row for row in rows if matches(row, asked)]

    def _identifier(self, query: Query, attributes: Mapping[str, str]) -> dict[str, str]:
        """Return an answer: what was asked for, and what every answer has (PS3.4 C.4.1.1.3.2)."""
        unique = {name for name in ("StudyInstanceUID",) if query.level is not Level.PATIENT and name in query.wanted}
        answer = {name: attributes.get(name, "") for name in query.wanted | unique if self._answers(name, attributes)}
        answer["QueryRetrieveLevel"] = query.level.value
        answer["RetrieveAETitle"] = self._aet
        if query.availability:
            answer["InstanceAvailability"] = attributes.get("InstanceAvailability", "ONLINE")
        return answer

    def _answers(self, name: str, attributes: Mapping[str, str]) -> bool:
        return name in attributes or name in self._held


def _row(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes of an answer of the archive, by keyword."""
    tags = answer.get("RequestedTags", {})
    row = {keyword_for_tag(int(tag.replace(",", ""), 16)): value for tag, value in tags.items()}
    return {name: value for name, value in row.items() if isinstance(value, str)}


def _patients(rows: Iterable[Mapping[str, str]]) -> Iterator[dict[str, str]]:
    """Yield the people of these studies: who has the same number but another name is another."""
    seen: set[tuple[str, ...]] = set()
    names = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")
    for row in rows:
        key = tuple(row.get(name, "").rstrip("^ ") for name in names)
        if key not in seen:
            seen.add(key)
            yield {name: row.get(name, "") for name in names}
