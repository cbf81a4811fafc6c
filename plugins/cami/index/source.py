"""Reading a study out of Orthanc, as a row of the index and rows of its series.

Counts are made from the lists of children: asking the core to count is what makes stock QIDO-RS slow
(reference/performance.md §4).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cami.archive import Archive
from cami.index.folding import fold, fold_name

_CONTENT = ["Children", "Metadata", "Parent", "RequestedTags"]
#: Rises when rows are made in another way, so that an index of an older release is built anew.
_EDITION = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """The tags that rows hold: the core's own main tags, which it answers without opening a file."""

    study: frozenset[str]
    """Of a study, as ``gggg,eeee``; a configuration can put tags of the patient here."""
    patient: frozenset[str]
    """Of its patient: the core keeps them with the study too."""
    series: frozenset[str]

    @property
    def reader(self) -> str:
        """Name of the cursor of an index that is made like this."""
        text = f"{_EDITION}:{sorted(self.study)}:{sorted(self.patient)}:{sorted(self.series)}"
        return "index-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def kept_tags(archive: Archive) -> Kept:
    """Return the main tags of an Orthanc, which differ by its version and configuration."""
    main = archive.get("/system")["MainDicomTags"]
    study, patient, series = (frozenset(main[level].split(";")) for level in ("Study", "Patient", "Series"))
    return Kept(study, patient, series)


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series, as `cami.db.tables.indexed_series` keeps it."""

    series_id: str
    series_uid: str
    modality: str
    number: str
    description: str
    body_part: str
    instances: int
    last_update: str
    tags: str


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study, as `cami.db.tables.indexed_study` keeps it; the name is that of `indexed_name`."""

    study_id: str
    study_uid: str
    patient_key: str
    patient_id: str
    name: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    accession: str
    study_number: str
    description: str
    institution: str
    referrer: str
    modalities: str
    instances: int
    last_update: str
    tags: str
    series: tuple[SeriesRow, ...]


def read_study(archive: Archive, kept: Kept, study_id: str) -> StudyRow | None:
    """Read a study from Orthanc; None if it is not there (any more)."""
    found = _ask(archive, "Study", study_id, kept.study | kept.patient)
    if not found:
        return None
    children = _ask(archive, "Series", study_id, kept.series)
    return study_row(found[0], children)


def study_row(study: Mapping[str, Any], children: Iterable[Mapping[str, Any]]) -> StudyRow:
    """Make a row of what the core answered for a study and its series."""
    series = tuple(_series_row(child) for child in children)
    tags = study.get("RequestedTags", {})
    return StudyRow(
        study_id=study["ID"],
        study_uid=_text(tags, "0020,000d", 128),
        patient_key=study["ParentPatient"],
        patient_id=fold(_text(tags, "0010,0020", 200)),
        name=fold_name(_text(tags, "0010,0010", 400))[:400],
        birth_date=_date(tags, "0010,0030"),
        sex=fold(_text(tags, "0010,0040", 16)),
        study_date=_date(tags, "0008,0020"),
        study_time=_text(tags, "0008,0030", 64),
        accession=fold(_text(tags, "0008,0050", 200)),
        study_number=fold(_text(tags, "0020,0010", 200)),
        description=fold(_text(tags, "0008,1030", 4000)),
        institution=fold(_text(tags, "0008,0080", 4000)),
        referrer=fold_name(_text(tags, "0008,0090", 4000)),
        modalities=_joined({row.modality for row in series}),
        instances=sum(row.instances for row in series),
        last_update=_last_update(study),
        tags=_packed(tags),
        series=series,
    )


def _ask(archive: Archive, level: str, study_id: str, tags: Iterable[str]) -> Sequence[Any]:
    return archive.find(
        {
            "Level": level,
            "Query": {},
            "ParentStudy": study_id,
            "Full": True,
            "ResponseContent": _CONTENT,
            "RequestedTags": sorted(tags),
        }
    )


def _series_row(series: Mapping[str, Any]) -> SeriesRow:
    tags = series.get("RequestedTags", {})
    return SeriesRow(
        series_id=series["ID"],
        series_uid=_text(tags, "0020,000e", 128),
        modality=fold(_text(tags, "0008,0060", 64)),
        number=_text(tags, "0020,0011", 64),
        description=fold(_text(tags, "0008,103e", 4000)),
        body_part=fold(_text(tags, "0018,0015", 200)),
        instances=len(series.get("Instances", ())),
        last_update=_last_update(series),
        tags=_packed(tags),
    )


def _text(tags: Mapping[str, Any], tag: str, longest: int) -> str:
    value = tags.get(tag, {}).get("Value")
    return value.strip(" \0")[:longest] if isinstance(value, str) else ""


def _date(tags: Mapping[str, Any], tag: str) -> str:
    """Return a date as written; a space for one that is there but empty, which the core finds in ``-YYYYMMDD``."""
    return _text(tags, tag, 64) or (" " if tag in tags else "")


def _last_update(resource: Mapping[str, Any]) -> str:
    return str(resource.get("Metadata", {}).get("LastUpdate", ""))[:32]


def _joined(modalities: Iterable[str]) -> str:
    known = sorted(filter(None, modalities))
    return "\\" + "\\".join(known)[:990] + "\\" if known else ""


def _packed(tags: Mapping[str, Any]) -> str:
    return json.dumps(tags, ensure_ascii=False, separators=(",", ":"))
