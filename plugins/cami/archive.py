"""The archive port: all that the domain packages may ask of an Orthanc.

`cami.edge.archive.OrthancArchive` implements it inside Orthanc; unit tests use `tests.unit.fakes.MemoryArchive`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, Protocol

from cami.errors import Permanent

Level = Literal["patients", "studies", "series", "instances"]


@dataclass(frozen=True, slots=True)
class Change:
    """One row of Orthanc's change log (``/changes``), which is written with the instance in one transaction."""

    seq: int
    kind: str
    """``NewInstance``, ``NewStudy`` … as Orthanc spells it."""
    resource: str
    """Orthanc identifier of the resource."""


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A part of the change log."""

    changes: Sequence[Change]
    last: int
    """Sequence number from which to ask for the next page."""
    done: bool


@dataclass(frozen=True, slots=True)
class InstanceIdentity:
    """Who an instance is: its Orthanc identifiers and the DICOM identifiers that they are made of."""

    instance_id: str
    series_id: str
    study_id: str
    sop_uid: str
    series_uid: str
    study_uid: str
    modality: str
    study_description: str
    size: int
    image_type: str = ""
    """(0008,0008), values joined by backslashes."""
    slice_thickness: str = ""
    """(0018,0050), mm, as written."""


@dataclass(frozen=True, slots=True)
class ObjectIdentity:
    """Who an object says that it is, read from its bytes before it is stored."""

    patient_id: str
    study_uid: str
    series_uid: str
    sop_uid: str
    modality: str
    study_description: str
    sop_class: str = ""

    @property
    def series_id(self) -> str:
        """The Orthanc identifier that its series has or would have."""
        return orthanc_id(self.patient_id, self.study_uid, self.series_uid)

    @property
    def study_id(self) -> str:
        """The Orthanc identifier that its study has or would have: SHA-1 of PatientID|StudyInstanceUID."""
        return orthanc_id(self.patient_id, self.study_uid)

    @property
    def instance_id(self) -> str:
        """The Orthanc identifier that it has or would have."""
        return orthanc_id(self.patient_id, self.study_uid, self.series_uid, self.sop_uid)


#: What a UID may be made of here: more than PS3.5 §9.1 allows (devices err), but no bar, with which the Orthanc
#: identifier of another study could be forged.
_UID = re.compile(r"[!-{}~]{1,128}")


def check_uids(identity: ObjectIdentity) -> None:
    """Refuse an object whose UIDs cannot name it.

    Raises
    ------
    cami.errors.Permanent
        A Study, Series or SOP Instance UID is missing or malformed.
    """
    named = {"Study": identity.study_uid, "Series": identity.series_uid, "SOP": identity.sop_uid}
    for level, uid in named.items():
        if not _UID.fullmatch(uid):
            raise Permanent(f"the object has no usable {level} Instance UID")


def orthanc_id(*identifiers: str) -> str:
    """Return Orthanc's identifier of a resource: the SHA-1 of its DICOM identifiers, in five groups of eight."""
    digest = hashlib.sha1("|".join(identifiers).encode(), usedforsecurity=False).hexdigest()
    return "-".join(digest[start : start + 8] for start in range(0, 40, 8))


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What Orthanc did with an object."""

    instance_id: str
    study_id: str
    already_stored: bool
    """An instance with the same identifiers was there; it was not overwritten, and may differ."""


@dataclass(frozen=True, slots=True)
class Reread:
    """A stored file as it lies on the disk now, past every cache."""

    sha256: str
    intact: bool
    """Whether it is what Orthanc noted when it stored it."""
    size: int = 0
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What others have put on a study, and what goes with its last instance."""

    labels: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    """User metadata, by Orthanc's number of it."""


class Archive(Protocol):
    """An Orthanc, seen from the domain."""

    def changes(self, since: int, limit: int) -> ChangePage:
        """Read the change log after `since`."""
        ...

    def last_change(self) -> int:
        """Return the newest sequence number of the change log (0 for an empty one)."""
        ...

    def list_instances(self, since: int, limit: int) -> Sequence[str]:
        """List instance ids of the whole archive, paged by offset."""
        ...

    def identify(self, instance_id: str) -> InstanceIdentity | None:
        """Return the identity of an instance, or None if it is gone."""
        ...

    def identify_arrivals(self, instance_ids: Sequence[str]) -> Sequence[InstanceIdentity | None]:
        """Return the identities of instances that came in, in their order; None for one that is gone.

        One that has only just gone may still be told of.
        """
        ...

    def read(self, instance_id: str) -> bytes | None:
        """Return the stored DICOM file, or None if it is gone."""
        ...

    def in_jpeg_ls(self, dicom: bytes) -> bytes | None:
        """Return a DICOM file in JPEG-LS, or None if it is compressed already or would not come back bit by bit."""
        ...

    def in_plain(self, dicom: bytes) -> bytes | None:
        """Return a DICOM file uncompressed, in Explicit VR Little Endian, or None if it cannot be decoded."""
        ...

    def transcoded(self, dicom: bytes, syntax: str) -> bytes | None:
        """Return a DICOM file in another transfer syntax, or None if it cannot be brought into it."""
        ...

    def parse(self, dicom: bytes) -> ObjectIdentity:
        """Read the identity of an object that is not stored yet.

        Raises
        ------
        cami.errors.Permanent
            It is not DICOM, or lacks a UID that storing needs.
        """
        ...

    def stored_md5(self, instance_id: str) -> str | None:
        """Return the MD5 that Orthanc keeps of the stored file, or None if it is gone."""
        ...

    def reread(self, instance_id: str) -> Reread | None:
        """Read the stored file from the disk again, or return None if it is gone."""
        ...

    def open_stored(self, instance_id: str) -> BinaryIO | None:
        """Open the stored file as it lies on the disk, past every cache; None if it is gone or cannot be opened."""
        ...

    def delete_instance(self, instance_id: str) -> None:
        """Delete an instance; with the last one its series, study and patient go. One that is gone is fine."""
        ...

    def store(self, dicom: bytes) -> StoreOutcome:
        """Store a DICOM file.

        Raises
        ------
        cami.errors.Permanent
            Orthanc cannot parse the object.
        cami.errors.Transient
            Orthanc cannot store now (disk full, shutting down).
        """
        ...

    def find(self, query: Mapping[str, Any]) -> list[Any]:
        """Run ``/tools/find`` of the core, as is: no scoping. Use `cami.access.visibility` for people."""
        ...

    def get(self, uri: str) -> Any:
        """GET a core route and parse its JSON answer.

        Raises
        ------
        cami.errors.NotFound
            The core answered that there is no such resource.
        """
        ...

    def post(self, uri: str, body: Mapping[str, Any]) -> Any:
        """POST JSON to a core route and parse its JSON answer.

        Raises
        ------
        cami.errors.NotFound, cami.errors.Invalid, cami.errors.Transient
            As the core answered.
        """
        ...

    def instances_of(self, study_id: str) -> Sequence[str]:
        """List the instance ids of a study; empty when there is no such study."""
        ...

    def study_of(self, level: Level, resource: str) -> str | None:
        """Return the Orthanc id of the study that holds a study, series or instance *of that level*, or None."""
        ...

    def put_label(self, study_id: str, label: str) -> None:
        """Put a label on a study.

        Raises
        ------
        cami.errors.NotFound
            There is no such study.
        """
        ...

    def drop_label(self, study_id: str, label: str) -> None:
        """Take a label off a study; one that is not there is fine.

        Raises
        ------
        cami.errors.NotFound
            There is no such study.
        """
        ...

    def put_metadata(self, study_id: str, name: str, value: str) -> None:
        """Set user metadata of a study."""
        ...

    def marks(self, study_id: str) -> Marks:
        """Return labels and user metadata of a study; none if there is no such study."""
        ...

    def put_marks(self, study_id: str, marks: Marks) -> None:
        """Put labels and user metadata on a study, beside those that it has."""
        ...
