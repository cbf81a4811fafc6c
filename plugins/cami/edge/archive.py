"""The archive port on a live Orthanc, through the calls that stay inside the process."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from cami.archive import (
    Change,
    ChangePage,
    InstanceIdentity,
    Level,
    Marks,
    ObjectIdentity,
    Reread,
    StoreOutcome,
    check_uids,
)
from cami.edge import jpegls, sdk
from cami.edge.core import absent, get_json, translate
from cami.edge.identities import Identities
from cami.edge.storage import StorageArea
from cami.errors import NotFound, Permanent, Transient

#: Metadata with lower numbers are Orthanc's own.
_USER_METADATA = 1024


class OrthancArchive:
    """Implements `cami.archive.Archive`. Calls reach the core only: no filter, no route of a plugin."""

    def __init__(self, storage: Path) -> None:
        """Make the port; `storage` is Orthanc's ``StorageDirectory``."""
        self._storage = StorageArea(storage)
        self.identities = Identities()

    def changes(self, since: int, limit: int) -> ChangePage:
        """Read the change log after `since`."""
        page = get_json(f"/changes?since={since}&limit={limit}")
        changes = [Change(row["Seq"], row["ChangeType"], row["ID"]) for row in page["Changes"]]
        return ChangePage(changes, page["Last"], page["Done"])

    def last_change(self) -> int:
        """Return the newest sequence number of the change log."""
        return int(get_json("/changes?last")["Last"])

    def list_instances(self, since: int, limit: int) -> Sequence[str]:
        """List instance ids of the whole archive, paged by offset."""
        return [str(key) for key in get_json(f"/instances?since={since}&limit={limit}")]

    def identify(self, instance_id: str) -> InstanceIdentity | None:
        """Return the identity of an instance, or None if it is gone."""
        return self.identities.of(instance_id)

    def identify_arrivals(self, instance_ids: Sequence[str]) -> Sequence[InstanceIdentity | None]:
        """Return the identities of instances that came in, in their order, as far as they are not gone."""
        return self.identities.of_arrivals(instance_ids)

    def read(self, instance_id: str) -> bytes | None:
        """Return the stored DICOM file, or None if it is gone."""
        try:
            return sdk.rest_get(f"/instances/{instance_id}/file")
        except sdk.OrthancException as error:
            if absent(error):
                return None
            raise Transient(f"Orthanc cannot read an instance ({error.args[1]})") from error

    def in_jpeg_ls(self, dicom: bytes) -> bytes | None:
        """Return a DICOM file in JPEG-LS, or None if it is compressed already or would not come back bit by bit."""
        return jpegls.compress(dicom)

    def in_plain(self, dicom: bytes) -> bytes | None:
        """Return a DICOM file uncompressed, or None if it cannot be decoded."""
        return jpegls.expand(dicom)

    def transcoded(self, dicom: bytes, syntax: str) -> bytes | None:
        """Return a DICOM file in another transfer syntax, or None if it cannot be brought into it."""
        try:
            made: bytes = sdk.transcode(dicom, syntax).SerializeDicomInstance()
        except sdk.OrthancException:
            return None
        return made

    def parse(self, dicom: bytes) -> ObjectIdentity:
        """Read the identity of an object that is not stored yet."""
        try:
            tags = json.loads(sdk.create_dicom_instance(dicom).GetInstanceSimplifiedJson())
        except sdk.OrthancException as error:
            raise Permanent("not a DICOM file that Orthanc can parse") from error
        identity = ObjectIdentity(
            patient_id=_text(tags, "PatientID"),
            study_uid=_text(tags, "StudyInstanceUID"),
            series_uid=_text(tags, "SeriesInstanceUID"),
            sop_uid=_text(tags, "SOPInstanceUID"),
            modality=_text(tags, "Modality"),
            study_description=_text(tags, "StudyDescription"),
            sop_class=_text(tags, "SOPClassUID"),
        )
        check_uids(identity)
        return identity

    def stored_md5(self, instance_id: str) -> str | None:
        """Return the MD5 that Orthanc keeps of the stored file, or None if it is gone."""
        try:
            return sdk.rest_get(f"/instances/{instance_id}/attachments/dicom/md5").decode("ascii")
        except sdk.OrthancException as error:
            if absent(error):
                return None
            raise Transient(f"Orthanc cannot tell a digest ({error.args[1]})") from error

    def has_series(self, series_id: str) -> bool:
        """Tell whether there is a series; True if Orthanc cannot tell."""
        try:
            sdk.rest_get(f"/series/{series_id}/metadata")
        except sdk.OrthancException as error:
            return not absent(error)
        return True

    def reread(self, instance_id: str) -> Reread | None:
        """Read the stored file from the disk again."""
        try:
            info = get_json(f"/instances/{instance_id}/attachments/dicom/info")
        except NotFound:
            return None
        return self._storage.reread(str(info["Uuid"]), str(info["CompressedMD5"]))

    def open_stored(self, instance_id: str) -> BinaryIO | None:
        """Open the stored file as it lies on the disk."""
        try:
            info = get_json(f"/instances/{instance_id}/attachments/dicom/info")
        except NotFound:
            return None
        return self._storage.open(str(info["Uuid"]))

    def delete_instance(self, instance_id: str) -> None:
        """Delete an instance."""
        try:
            sdk.rest_delete(f"/instances/{instance_id}")
        except sdk.OrthancException as error:
            if not absent(error):
                raise Transient(f"Orthanc cannot delete an instance ({error.args[1]})") from error

    def store(self, dicom: bytes) -> StoreOutcome:
        """Store a DICOM file."""
        try:
            answer = json.loads(sdk.rest_post("/instances", dicom))
        except sdk.OrthancException as error:
            if error.args[0] == sdk.ErrorCode.BAD_FILE_FORMAT:
                raise Permanent("not a DICOM file that Orthanc can parse") from error
            raise Transient(f"Orthanc cannot store now ({error.args[1]})") from error
        if answer["Status"] not in ("Success", "AlreadyStored"):
            raise Transient(f"Orthanc did not store ({answer['Status']})")
        return StoreOutcome(answer["ID"], answer["ParentStudy"], answer["Status"] == "AlreadyStored")

    def find(self, query: Mapping[str, Any]) -> list[Any]:
        """Run ``/tools/find`` of the core, as is."""
        answer = self.post("/tools/find", query)
        return answer if isinstance(answer, list) else []

    def post(self, uri: str, body: Mapping[str, Any]) -> Any:
        """POST JSON to a core route and parse its JSON answer."""
        try:
            return json.loads(sdk.rest_post(uri, json.dumps(body).encode()))
        except sdk.OrthancException as error:
            translate(error)

    def get(self, uri: str) -> Any:
        """GET a core route and parse its JSON answer."""
        return get_json(uri)

    def instances_of(self, study_id: str) -> Sequence[str]:
        """List the instance ids of a study; empty when there is no such study."""
        return [str(key) for key in self.find({"Level": "Instance", "ParentStudy": study_id, "Query": {}})]

    def study_of(self, level: Level, resource: str) -> str | None:
        """Return the Orthanc id of the study that holds a resource of that level, or None."""
        try:
            found = get_json(f"/{level}/{quote(resource, safe='')}")
            if level == "studies":
                return str(found["ID"]) if found["Type"] == "Study" else None
            if level == "series":
                return str(found["ParentStudy"])
            if level == "instances":
                return str(get_json(f"/series/{found['ParentSeries']}")["ParentStudy"])
        except NotFound:
            pass
        return None

    def put_label(self, study_id: str, label: str) -> None:
        """Put a label on a study."""
        try:
            sdk.rest_put(f"/studies/{study_id}/labels/{label}", b"")
        except sdk.OrthancException as error:
            translate(error)

    def drop_label(self, study_id: str, label: str) -> None:
        """Take a label off a study; one that is not there is fine."""
        try:
            sdk.rest_delete(f"/studies/{study_id}/labels/{label}")
        except sdk.OrthancException as error:
            translate(error)

    def put_metadata(self, study_id: str, name: str, value: str) -> None:
        """Set user metadata of a study."""
        sdk.rest_put(f"/studies/{study_id}/metadata/{name}", value.encode())

    def marks(self, study_id: str) -> Marks:
        """Return labels and user metadata of a study; none if there is no such study."""
        try:
            labels = get_json(f"/studies/{study_id}/labels")
            metadata = get_json(f"/studies/{study_id}/metadata?expand&numeric")
        except NotFound:
            return Marks()
        own = {number: str(value) for number, value in metadata.items() if int(number) >= _USER_METADATA}
        return Marks(tuple(str(label) for label in labels), own)

    def put_marks(self, study_id: str, marks: Marks) -> None:
        """Put labels and user metadata on a study, beside those that it has."""
        for label in marks.labels:
            self.put_label(study_id, label)
        for name, value in marks.metadata.items():
            self.put_metadata(study_id, name, value)


def _text(tags: Mapping[str, Any], name: str) -> str:
    value = tags.get(name, "")
    return value.strip() if isinstance(value, str) else ""
