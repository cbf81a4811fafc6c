"""What rules are held against: tags and origin of an image, as Orthanc tells them.

Orthanc reads text by what the object declares. Where the registry says that a device writes something else, rules that
ask for text see it as the centre gets it, put right (F-10); for those images alone the object itself is read.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from zoneinfo import ZoneInfo

from pydicom import dcmread
from pydicom.datadict import dictionary_VR

from cami.archive import Archive
from cami.clock import Clock
from cami.delivery.order import Priority
from cami.errors import NotFound
from cami.routing.judgement import Facts
from cami.routing.rules import RuleSet

log = logging.getLogger(__name__)

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

#: Value representations whose text depends on the Specific Character Set (PS3.5 §6.1.2.3).
_TEXT = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UT"])

#: ``Origin`` of an image that a plugin has stored: it came back from the centre, or somebody has uploaded it.
_FROM_A_PLUGIN = "Plugins"


@dataclass(frozen=True, slots=True)
class Origin:
    """How an image came in."""

    device: str
    received: datetime
    """In the time zone of the region."""
    returned: bool
    """It came from the centre, not from a device or a person."""


@dataclass(frozen=True, slots=True)
class Text:
    """How text comes out right that Orthanc cannot read."""

    devices: Collection[str]
    """AE titles of those that write other text than they declare."""
    put_right: Callable[[bytes, str, datetime], bytes]
    """Makes of an object, its source and when it came in the object as it goes to the centre."""


class FactReader:
    """Reads facts of images in the local archive."""

    def __init__(
        self,
        archive: Archive,
        mo: str,
        zone: str,
        clock: Clock,
        text: Text | None = None,
        *,
        uploaded: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Make it; `uploaded` tells of an instance that a plugin has stored whether it did so for somebody."""
        self._uploaded = uploaded
        self._text = text
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
            returned=values.get("Origin") == _FROM_A_PLUGIN and not self._uploaded(instance_id),
        )

    def facts(self, instance_id: str, origin: Origin, priority: Priority, rules: RuleSet) -> Facts | None:
        """Return what `rules` are held against, or None if the image is gone; raises what `origin` does."""
        try:
            simplified = self._archive.get(f"/instances/{instance_id}/simplified-tags")
        except NotFound:
            return None
        tags = {str(name): value for name, value in simplified.items() if isinstance(value, str)}
        if self._text is not None and origin.device in self._text.devices and _asks_for_text(rules):
            tags |= self._text_of(instance_id, origin, self._text)
        return Facts(tags, origin.device, self._mo, origin.received, priority)

    def _text_of(self, instance_id: str, origin: Origin, text: Text) -> Mapping[str, str]:
        dicom = self._archive.read(instance_id)
        if dicom is None:
            return {}
        try:
            return _read_text(text.put_right(dicom, origin.device, origin.received))
        except Exception as error:  # noqa: BLE001 - the text of a foreign exception may quote what it stumbled over
            log.warning("the text of instance %s is taken as Orthanc reads it (%s)", instance_id, type(error).__name__)
            return {}

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


def _asks_for_text(rules: RuleSet) -> bool:
    parts = (part for rule in rules.active for part in rule.when.parts())
    return any(part.tag is not None and dictionary_VR(part.tag) in _TEXT for part in parts)


def _read_text(dicom: bytes) -> dict[str, str]:
    dataset = dcmread(BytesIO(dicom), stop_before_pixels=True)
    found = {}
    for element in dataset:
        if element.keyword and element.VR in _TEXT:
            values = element.value if element.VM > 1 else [element.value]
            found[element.keyword] = "\\".join(str(value) for value in values if value is not None)
    return found
