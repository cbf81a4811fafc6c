"""What series a study has that is about to leave a proxy: devices look for them too (PS3.4 C.6.2.1, series level)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cami.archive import Archive

#: What is kept of a series, by keyword; the number of its images besides.
KEPT = (
    "BodyPartExamined",
    "Modality",
    "ProtocolName",
    "SeriesDate",
    "SeriesDescription",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesTime",
    "StationName",
)


@dataclass(frozen=True, slots=True)
class KeptSeries:
    """A series, as it is remembered."""

    series_id: str
    """Orthanc id."""
    attributes: Mapping[str, str]


def series_here(archive: Archive, study_id: str) -> Sequence[KeptSeries]:
    """Describe the series of a study that is here."""
    asked = {
        "Level": "Series",
        "ParentStudy": study_id,
        "Query": {},
        "Expand": True,
        "ResponseContent": ["MainDicomTags", "Children"],
    }
    return [_kept(found) for found in archive.find(asked)]


def _kept(found: Mapping[str, object]) -> KeptSeries:
    tags, images = found.get("MainDicomTags"), found.get("Instances")
    told = tags if isinstance(tags, Mapping) else {}
    known = {name: str(told[name]) for name in KEPT if told.get(name)}
    number = str(len(images)) if isinstance(images, list) else ""
    return KeptSeries(str(found["ID"]), known | {"NumberOfSeriesRelatedInstances": number})
