"""What a proxy has let go of and the centre keeps: found as what is here, and brought when somebody wants it.

A row of the queue says which image it is only by Orthanc's id, the SHA-1 of its identifiers. So an image's series is
recognised by making that hash of the asked series.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine, exists, select

from cami.archive import Archive, orthanc_id
from cami.db import reading
from cami.db.tables import delivery_item, known_series, known_study
from cami.delivery.order import Priority
from cami.delivery.states import State
from cami.query_retrieve.nodes import Caller
from cami.query_retrieve.ports import AwayInstance, AwayStudy
from cami.retrieval import Catalogue, Fetches
from cami.retrieval.fetches import Cause

_DAY = re.compile(r"\d{8}")
_RANGE = re.compile(r"(\d{8})?-(\d{8})?")
#: Seconds between two looks for an image that is on its way.
_LOOKS = 0.2


class AwayAtCentre:
    """Implements `cami.query_retrieve.ports.Elsewhere` at a proxy. Thread-safe."""

    def __init__(self, engine: Engine, catalogue: Catalogue, fetches: Fetches, wake: Callable[[], None]) -> None:
        """Make it; `wake` lets those who fetch look now."""
        self._reader = reading(engine)
        self._catalogue = catalogue
        self._fetches = fetches
        self._wake = wake

    def studies(self, dates: str) -> Sequence[AwayStudy]:
        """List studies of which nothing is here, the newest first."""
        found = self._catalogue.away(_bounds(dates))
        return [
            AwayStudy(
                {
                    "AccessionNumber": study.columns.accession,
                    "ModalitiesInStudy": study.columns.modalities,
                    "NumberOfStudyRelatedInstances": str(instances),
                    "PatientBirthDate": study.columns.patient_birth_date,
                    "PatientID": study.columns.patient_id,
                    "PatientName": study.columns.patient_name,
                    "PatientSex": study.columns.patient_sex,
                    "StudyDate": study.columns.study_date,
                    "StudyDescription": study.columns.description,
                    "StudyInstanceUID": study.study_uid,
                    "StudyTime": study.columns.study_time,
                }
            )
            for study, instances in found
        ]

    def instances(
        self, study_uid: str, *, series_uids: Sequence[str] = (), sop_uids: Sequence[str] = ()
    ) -> Sequence[AwayInstance]:
        """List images of a study that are away, in the order in which they come back."""
        query = (
            select(
                delivery_item.c.instance_id,
                delivery_item.c.study_id,
                delivery_item.c.sop_uid,
                known_study.c.patient_id,
            )
            .join_from(delivery_item, known_study, delivery_item.c.study_id == known_study.c.study_id)
            .where(known_study.c.study_uid == study_uid, delivery_item.c.state == State.EVICTED)
            .order_by(delivery_item.c.seq, delivery_item.c.instance_id)
        )
        if sop_uids:
            query = query.where(delivery_item.c.sop_uid.in_(sop_uids))
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return [
            AwayInstance(row.instance_id, row.study_id)
            for row in rows
            if not series_uids or _is_in(row, study_uid, series_uids)
        ]

    def series(self, study_uids: Sequence[str]) -> Sequence[AwayStudy]:
        """List the series of studies of which something is away, as they were when it left."""
        item = delivery_item.c
        query = (
            select(known_series.c.attributes, known_study)
            .join_from(known_series, known_study, known_series.c.study_id == known_study.c.study_id)
            .where(
                known_study.c.study_uid.in_(list(study_uids)),
                exists().where(item.study_id == known_study.c.study_id, item.state == State.EVICTED),
            )
            .order_by(known_series.c.series_id)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        return [AwayStudy({**_of_study(row), **json.loads(row.attributes)}) for row in rows]

    def studies_of(self, patient_id: str) -> Sequence[str]:
        """Return the Study Instance UIDs of a patient's studies that came in here, whether they still are or not."""
        query = select(known_study.c.study_uid).where(known_study.c.patient == orthanc_id(patient_id))
        with self._reader.connect() as connection:
            return list(dict.fromkeys(connection.scalars(query)))

    def bring(self, study_id: str, caller: Caller) -> None:
        """Have a study fetched as one that somebody waits for."""
        self._fetches.ask(study_id, Priority.AWAITED, Cause.ASKED, asked_by=caller.identity.login)
        self._wake()


class Waiting:
    """Waits for images that are on their way."""

    def __init__(self, archive: Archive, sleep: Callable[[float], None] = time.sleep) -> None:
        self._archive = archive
        self._sleep = sleep

    def __call__(self, instance_id: str, seconds: float) -> bool:
        """Wait until an image is here; False if it has not come by then."""
        for _ in range(int(seconds / _LOOKS) + 1):
            if self._archive.stored_md5(instance_id) is not None:
                return True
            self._sleep(_LOOKS)
        return False


def _of_study(row: Any) -> dict[str, str]:
    return {
        "AccessionNumber": row.accession,
        "PatientBirthDate": row.patient_birth_date,
        "PatientID": row.patient_id,
        "PatientName": row.patient_name,
        "PatientSex": row.patient_sex,
        "StudyDate": row.study_date,
        "StudyDescription": row.description,
        "StudyInstanceUID": row.study_uid,
        "StudyTime": row.study_time,
    }


def _is_in(row: Any, study_uid: str, series_uids: Sequence[str]) -> bool:
    known = (orthanc_id(row.patient_id, study_uid, series_uid, row.sop_uid) for series_uid in series_uids)
    return row.instance_id in known


def _bounds(dates: str) -> tuple[str, str]:
    """Return first and last day of what is asked for; what is no range bounds nothing."""
    if _DAY.fullmatch(dates):
        return dates, dates
    found = _RANGE.fullmatch(dates)
    return (found.group(1) or "", found.group(2) or "") if found else ("", "")
