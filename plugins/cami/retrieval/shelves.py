"""What the centre has of an МО's studies, for that МО's proxy and no other: manifests, files in parts, priors.

What is granted to everybody of an МО is handed to its proxy too, by an address of its own (`granted_manifest`): what
the others name a proxy takes for its МО's own.

Another МО's study or image and one that does not exist are the same here: not found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, or_, select

from cami.access import owner_label
from cami.access.granted import Received
from cami.archive import Archive
from cami.clock import Clock, SystemClock
from cami.db import reading
from cami.db.tables import received_instance, study
from cami.errors import NotFound
from cami.retrieval.columns import describe

#: Bytes that one answer holds at most; who wants more asks again.
LARGEST_PART = 8 * 1024 * 1024
#: Earlier studies that are looked at for one patient.
MOST_PRIORS = 60
#: Identifiers in one question to the database.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part of a file."""

    content: bytes
    start: int
    total: int
    sha256: str
    """Of the whole file."""


class Shelves:
    """Reads what the centre has."""

    def __init__(self, archive: Archive, engine: Engine, clock: Clock | None = None) -> None:
        self._archive = archive
        self._reader = reading(engine)
        self._clock = clock or SystemClock()

    def manifest(self, mo: str, study_id: str) -> dict[str, Any]:
        """Return a study of `mo` with each image's digest, in the order in which they had come.

        Raises
        ------
        cami.errors.NotFound
            `mo` has no such study here.
        """
        return self._manifest(study_id, study.c.owner == mo)

    def granted_manifest(self, mo: str, study_id: str) -> dict[str, Any]:
        """Return a study of another МО that is granted to everybody of `mo`, as `manifest` does.

        Raises
        ------
        cami.errors.NotFound
            There is no such study, or it is not granted (any more).
        """
        return self._manifest(study_id, study.c.owner != mo, self._granted(mo))

    def _granted(self, mo: str) -> ColumnElement[bool]:
        return Received(mo, "", self._clock.now()).holds(study.c.owner, study.c.study_uid)

    def _manifest(self, study_id: str, *allowed: ColumnElement[bool]) -> dict[str, Any]:
        query = (
            select(
                received_instance.c.instance_id,
                received_instance.c.sop_uid,
                received_instance.c.sha256,
                received_instance.c.size,
                study.c.study_uid,
                study.c.modality,
                study.c.description,
                study.c.owner,
            )
            .join(study)
            .where(study.c.study_id == study_id, *allowed, received_instance.c.stored_at.is_not(None))
            .order_by(received_instance.c.stored_at, received_instance.c.instance_id)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
        present = set(self._archive.instances_of(study_id)) if rows else set()
        rows = [row for row in rows if row.instance_id in present]
        if not rows:
            raise NotFound("no such study")
        about = describe(self._archive, study_id)
        return {
            "study_id": study_id,
            "study_uid": rows[0].study_uid,
            "owner": rows[0].owner,
            "modality": rows[0].modality,
            "description": rows[0].description,
            "patient": about.patient,
            "issuer": about.issuer,
            "body_parts": about.body_parts,
            "columns": about.columns.to_json(),
            "instances": [
                {"id": row.instance_id, "sop_uid": row.sop_uid, "sha256": row.sha256, "size": row.size} for row in rows
            ],
        }

    def studies_of_uid(self, mo: str, study_uid: str) -> list[str]:
        """Return the Orthanc ids of the studies of `mo` with a Study Instance UID; none if there is none."""
        query = select(study.c.study_id).where(
            study.c.study_uid == study_uid, study.c.owner == mo, study.c.first_stored_at.is_not(None)
        )
        with self._reader.connect() as connection:
            return list(connection.scalars(query))

    def part(self, mo: str, instance_id: str, start: int, size: int) -> FilePart:
        """Return a part of an image that `mo` owns or is granted; at most `LARGEST_PART` bytes, less at its end.

        Raises
        ------
        cami.errors.NotFound
            `mo` has no such image here.
        """
        query = (
            select(received_instance.c.sha256, received_instance.c.size)
            .join(study)
            .where(
                received_instance.c.instance_id == instance_id,
                or_(study.c.owner == mo, self._granted(mo)),
                received_instance.c.stored_at.is_not(None),
            )
        )
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        # From the disk: Orthanc would read the whole file for each part of it.
        file = None if row is None else self._archive.open_stored(instance_id)
        if row is None or file is None:
            raise NotFound("no such image")
        with file:
            file.seek(start)
            content = file.read(min(size, LARGEST_PART))
        return FilePart(content, start, row.size, row.sha256)

    def priors(self, mo: str, patient: str) -> list[dict[str, Any]]:
        """List the studies of a patient that `mo` owns, the newest first.

        Parameters
        ----------
        mo
            The МО that asks; what others have of this patient it does not learn. Grants may widen that one day.
        patient
            Orthanc's id of the patient: the SHA-1 of the Patient ID, so that no number of a patient goes over the line.
        """
        found = self._archive.find(
            {
                "Level": "Study",
                "Query": {},
                "ParentPatient": patient,
                # The label only narrows the search; whose a study is stands in the table.
                "Labels": [owner_label(mo)],
                "LabelsConstraint": "Any",
                "Expand": True,
                "ResponseContent": ["MainDicomTags"],
            }
        )
        found.sort(key=lambda one: str(one["MainDicomTags"].get("StudyDate", "")), reverse=True)
        own = self._own(mo, [str(one["ID"]) for one in found])
        newest = [str(one["ID"]) for one in found if one["ID"] in own][:MOST_PRIORS]
        return [self._prior(study_id, own[study_id]) for study_id in newest]

    def _prior(self, study_id: str, counts: Mapping[str, int]) -> dict[str, Any]:
        about = describe(self._archive, study_id)
        return {
            "study_id": study_id,
            "study_uid": about.study_uid,
            "issuer": about.issuer,
            "study_date": about.columns.study_date,
            "modalities": about.columns.modalities,
            "body_parts": about.body_parts,
            **counts,
        }

    def _own(self, mo: str, study_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        own: dict[str, dict[str, int]] = {}
        with self._reader.connect() as connection:
            for begin in range(0, len(study_ids), _CHUNK):
                query = (
                    select(
                        study.c.study_id,
                        func.count().label("instances"),
                        func.sum(received_instance.c.size).label("size"),
                    )
                    .join_from(study, received_instance)
                    .where(
                        study.c.study_id.in_(study_ids[begin : begin + _CHUNK]),
                        study.c.owner == mo,
                        received_instance.c.stored_at.is_not(None),
                    )
                    .group_by(study.c.study_id)
                )
                for row in connection.execute(query):
                    own[row.study_id] = {"instances": int(row.instances), "size": int(row.size)}
        return own
