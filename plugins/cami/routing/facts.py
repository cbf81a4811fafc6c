"""What rules are held against: tags and origin of an image, as Orthanc tells them. Nothing is parsed here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cami.archive import Archive
from cami.clock import Clock
from cami.delivery.order import Priority
from cami.errors import NotFound
from cami.routing.judgement import Facts
from cami.routing.rules import RuleSet

#: Keywords whose values are the same in a whole series (DICOM PS3.3: modules of patient, study, series, equipment).
# fmt: off
_OF_A_SERIES = frozenset([
    "AccessionNumber", "AdmittingDiagnosesDescription", "BodyPartExamined", "DeviceSerialNumber", "InstitutionAddress",
    "InstitutionName", "InstitutionalDepartmentName", "Laterality", "Manufacturer", "ManufacturerModelName", "Modality",
    "NameOfPhysiciansReadingStudy", "OperatorsName", "PatientAge", "PatientPosition", "PatientSex", "PatientSize",
    "PatientWeight", "PerformedProcedureStepDescription", "PerformedProcedureStepID", "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime", "PerformingPhysicianName", "PhysiciansOfRecord", "PregnancyStatus",
    "ProtocolName", "ReferringPhysicianName", "RequestedProcedureDescription", "RequestingPhysician",
    "RequestingService", "SeriesDate", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "SeriesTime",
    "SmokingStatus", "SoftwareVersions", "StationName", "StudyDate", "StudyDescription", "StudyID", "StudyInstanceUID",
    "StudyTime", "TimezoneOffsetFromUTC",
])
# fmt: on

#: ``Origin`` of an image that a plugin has stored: it came back from the centre.
_FROM_A_PLUGIN = "Plugins"


@dataclass(frozen=True, slots=True)
class Origin:
    """How an image came in."""

    device: str
    received: datetime
    """In the time zone of the region."""
    returned: bool
    """It came from the centre, not from a device or a person."""


class FactReader:
    """Reads facts of images in the local archive."""

    def __init__(self, archive: Archive, mo: str, zone: str, clock: Clock) -> None:
        self._archive = archive
        self._mo = mo
        self._zone = ZoneInfo(zone)
        self._clock = clock

    def origin(self, instance_id: str) -> Origin | None:
        """Return how an image came in, or None if it is gone.

        Raises
        ------
        cami.errors.Transient
            Orthanc cannot answer now.
        """
        try:
            known = self._archive.get(f"/instances/{instance_id}/metadata?expand")
        except NotFound:
            return None
        values: Mapping[str, str] = known if isinstance(known, Mapping) else {}
        return Origin(
            str(values.get("RemoteAET", "")),
            self._moment(str(values.get("ReceptionDate", ""))),
            returned=values.get("Origin") == _FROM_A_PLUGIN,
        )

    def facts(self, instance_id: str, origin: Origin, priority: Priority) -> Facts | None:
        """Return what rules are held against, or None if the image is gone; raises what `origin` does."""
        try:
            simplified = self._archive.get(f"/instances/{instance_id}/simplified-tags")
        except NotFound:
            return None
        tags = {str(name): value for name, value in simplified.items() if isinstance(value, str)}
        return Facts(tags, origin.device, self._mo, origin.received, priority)

    def _moment(self, text: str) -> datetime:
        """Read Orthanc's reception date, ``20260131T235959`` in UTC."""
        try:
            moment = datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            moment = self._clock.now()
        return moment.astimezone(self._zone)


def same_in_a_series(rules: RuleSet) -> bool:
    """Say whether one image of each series is enough to know what the rules do with all of its images."""
    for rule in rules.active:
        for part in rule.when.parts():
            if part.kind in ("time", "device") or (part.tag is not None and part.tag not in _OF_A_SERIES):
                return False
    return True
