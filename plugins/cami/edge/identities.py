"""Who the instances of the local archive are, asked of Orthanc as seldom as that can be."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cami.archive import InstanceIdentity
from cami.delivery.newcomers import Newcomer
from cami.edge.core import get_json
from cami.errors import NotFound

#: How many series are remembered while their images come in.
_RECENT = 64


@dataclass(frozen=True, slots=True)
class _Series:
    series_id: str
    study_id: str
    series_uid: str
    study_uid: str
    modality: str
    study_description: str


class Identities:
    """Tells who instances are. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: dict[str, _Series] = {}
        self._told: Callable[[Sequence[str]], Mapping[str, Newcomer]] = lambda _instance_ids: {}

    def heed(self, told: Callable[[Sequence[str]], Mapping[str, Newcomer]]) -> None:
        """Let `told` say who instances are that have just come in, so that Orthanc is asked of the others alone."""
        self._told = told

    def of(self, instance_id: str) -> InstanceIdentity | None:
        """Return the identity of an instance, or None if it is gone."""
        try:
            return self._identity(instance_id, _newcomer(get_json(f"/instances/{instance_id}")))
        except NotFound:
            return None

    def of_arrivals(self, instance_ids: Sequence[str]) -> Sequence[InstanceIdentity | None]:
        """Return the identities of instances that came in, in their order, as far as they are not gone."""
        told = self._told(instance_ids)
        return [self._arrived(key, told[key]) if key in told else self.of(key) for key in instance_ids]

    def _arrived(self, instance_id: str, instance: Newcomer) -> InstanceIdentity | None:
        try:
            return self._identity(instance_id, instance)
        except NotFound:
            return None

    def _identity(self, instance_id: str, instance: Newcomer) -> InstanceIdentity:
        series = self._series(instance.series_id)
        return InstanceIdentity(
            instance_id=instance_id,
            series_id=series.series_id,
            study_id=series.study_id,
            sop_uid=instance.sop_uid,
            series_uid=series.series_uid,
            study_uid=series.study_uid,
            modality=series.modality,
            study_description=series.study_description,
            size=instance.size,
            image_type=instance.image_type,
            slice_thickness=instance.slice_thickness,
        )

    def _series(self, series_id: str) -> _Series:
        """Read a series and its study once: Orthanc's answer lists all of their children, longer with each image."""
        with self._lock:
            known = self._recent.get(series_id)
        if known is not None:
            return known
        series = get_json(f"/series/{series_id}")
        study = get_json(f"/studies/{series['ParentStudy']}")
        found = _Series(
            series_id=series_id,
            study_id=study["ID"],
            series_uid=series["MainDicomTags"].get("SeriesInstanceUID", ""),
            study_uid=study["MainDicomTags"].get("StudyInstanceUID", ""),
            modality=series["MainDicomTags"].get("Modality", "")[:16],
            study_description=study["MainDicomTags"].get("StudyDescription", ""),
        )
        with self._lock:
            self._recent[series_id] = found
            if len(self._recent) > _RECENT:
                self._recent.pop(next(iter(self._recent)))
        return found


def _newcomer(instance: Mapping[str, Any]) -> Newcomer:
    tags = instance["MainDicomTags"]
    return Newcomer(
        instance["ParentSeries"],
        tags.get("SOPInstanceUID", ""),
        int(instance["FileSize"]),
        # Not among Orthanc's own main tags: "ExtraMainDicomTags" in orthanc-config/base.json asks for these two.
        tags.get("ImageType", ""),
        tags.get("SliceThickness", ""),
    )
