"""What the centre answers about a study of ours: its images with their digests, and its columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cami.delivery.adoption import RemoteInstance, RemoteStudy
from cami.errors import Invalid, Transient
from cami.retrieval.columns import Columns, Described


@dataclass(frozen=True, slots=True)
class Manifest:
    """A study at the centre."""

    study: RemoteStudy
    described: Described


def parse_manifest(document: Mapping[str, Any]) -> Manifest:
    """Read the answer of ``/cami/wire/v1/studies/{study}/instances``.

    Raises
    ------
    cami.errors.Transient
        It is no such answer.
    """
    try:
        study_id, study_uid = str(document["study_id"]), str(document["study_uid"])
        instances = tuple(
            RemoteInstance(str(one["id"]), str(one["sop_uid"]), str(one["sha256"]), int(one["size"]))
            for one in document["instances"]
        )
        study = RemoteStudy(study_id, study_uid, str(document["modality"]), str(document["description"]), instances)
        described = Described(
            study_id,
            study_uid,
            str(document["patient"]),
            str(document["issuer"]),
            str(document["body_parts"]),
            Columns.parse(document["columns"]),
        )
    except (KeyError, TypeError, ValueError, Invalid) as error:
        raise Transient("the centre's answer is no manifest: is something else at its address?") from error
    return Manifest(study, described)
