"""Putting signed answers into the study that they are about, at the centre: Basic Text SR and Encapsulated PDF.

The owner of the study stays its owner. A study of which no image has come yet waits: an object of ours must not be the
first of it. What a crash leaves is filed again as the same objects. The МО's proxy is then asked to bring both into the
local archive, by an errand that stays open until it has.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, or_, select, update

from cami.archive import Archive
from cami.clock import Clock
from cami.consultations.structured import Origin, document_report, text_report
from cami.consultations.texts import text_of
from cami.db import reading
from cami.db.tables import consultation_report, consultation_study, study
from cami.errands import Study
from cami.errors import CamiError, NotFound, Transient
from cami.region import Region

log = logging.getLogger(__name__)

#: For how long after its signing an answer is tried to be filed when the study is not there.
TRIED_FOR = timedelta(days=30)
#: Images that the report names as evidence.
_MOST_EVIDENCE = 2000
_AT_ONCE = 20


class Filing:
    """Stores what was signed."""

    def __init__(
        self,
        engine: Engine,
        archive: Archive,
        clock: Clock,
        region: Region,
        *,
        store: Callable[[bytes], object] | None = None,
        bring: Callable[[str, Study, list[str]], object] = lambda _mo, _study, _instances: None,
    ) -> None:
        """Make it.

        Parameters
        ----------
        store
            Puts an object into the archive under its owner; without it the archive does.
        bring
            Has objects, by Orthanc id, brought to the proxy of the МО that owns their study.
        """
        self._bring = bring
        self._store = store or archive.store
        self._engine = engine
        self._reader = reading(engine)
        self._archive = archive
        self._clock = clock
        self._region = region
        self._zone = ZoneInfo(region.time_zone)

    def step(self) -> int:
        """File what can be filed; return how many versions were."""
        columns = consultation_report.c
        query = (
            select(consultation_report)
            .where(columns.filed_at.is_(None), columns.signed_at > self._clock.now() - TRIED_FOR)
            .where(or_(columns.filing == "", columns.filing == "no-images"))
            .order_by(columns.id)
            .limit(_AT_ONCE)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return sum(self._file(row) for row in rows)

    def _file(self, row: Any) -> bool:
        found = self._study(row.number)
        if found is None:
            self._note(row.id, "no-images")
            return False
        study_id, owner = found
        try:
            origin = self._origin(row, study_id)
            made = [text_report(origin, text_of(row)), document_report(origin, row.document)]
            for dicom in made:
                self._store(dicom)
            # Before it is noted as filed: after a crash both are done again, to the same effect.
            names = [self._archive.parse(dicom) for dicom in made]
            about = Study(study_id, origin.study["StudyInstanceUID"])
            self._bring(owner, about, [name.instance_id for name in names])
        except Transient:
            raise
        except CamiError as error:
            log.error("the answer of request %d cannot be filed: %s", row.number, type(error).__name__)  # noqa: TRY400
            self._note(row.id, "failed")
            return False
        with self._engine.begin() as connection:
            filed = update(consultation_report).where(consultation_report.c.id == row.id)
            connection.execute(filed.values(filed_at=self._clock.now(), filing=""))
        log.info("the answer of request %d, version %d, is in its study", row.number, row.version)
        return True

    def _study(self, number: int) -> tuple[str, str] | None:
        """Return the study that a request is about, and whose it is, if images of it are here."""
        query = (
            select(study.c.study_id, study.c.owner)
            .join(consultation_study, consultation_study.c.study_id == study.c.study_id)
            .where(consultation_study.c.number == number, consultation_study.c.place == 0)
            .where(study.c.owner == consultation_study.c.owner, study.c.first_stored_at.is_not(None))
        )
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.study_id, row.owner)

    def _origin(self, row: Any, study_id: str) -> Origin:
        found = self._archive.get(f"/studies/{study_id}")
        organization = next((each for each in self._region.organizations if each.code == row.mo), None)
        return Origin(
            number=row.number,
            version=row.version,
            study={**found.get("PatientMainDicomTags", {}), **found["MainDicomTags"]},
            person=row.person,
            organization=organization.short_name if organization else row.mo,
            signed_at=row.signed_at.astimezone(self._zone),
            evidence=self._evidence(study_id),
        )

    def _evidence(self, study_id: str) -> list[tuple[str, str, str]]:
        asked = {
            "Level": "Instance", "ParentStudy": study_id, "Query": {}, "Expand": True, "Limit": _MOST_EVIDENCE,
            "ResponseContent": ["MainDicomTags", "Parent", "Metadata"],
        }  # fmt: skip
        series: dict[str, str] = {}
        found = []
        for instance in self._archive.find(asked):
            parent = instance.get("ParentSeries", "")
            if parent not in series:
                series[parent] = self._series(parent)
            sop_class = instance.get("Metadata", {}).get("SopClassUid", "")
            if sop_class and series[parent]:
                found.append((series[parent], sop_class, instance["MainDicomTags"]["SOPInstanceUID"]))
        return found

    def _series(self, series_id: str) -> str:
        try:
            return str(self._archive.get(f"/series/{series_id}")["MainDicomTags"]["SeriesInstanceUID"])
        except NotFound:
            return ""

    def _note(self, report: int, code: str) -> None:
        with self._engine.begin() as connection:
            noted = update(consultation_report).where(consultation_report.c.id == report)
            connection.execute(noted.values(filing=code))
