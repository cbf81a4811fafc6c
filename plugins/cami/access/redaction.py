"""What is taken out of the core's answers before a person gets them."""

from collections.abc import Mapping
from typing import Any

#: Metadata that describe the object. Everything else stays inside: addresses and AE titles (``RemoteIP``,
#: ``RemoteAET``, ``CalledAET``), ``HttpUsername`` (which Orthanc takes unverified from a header), and our own.
_METADATA = frozenset(
    {
        "ExpectedNumberOfInstances",
        "IndexInSeries",
        "LastUpdate",
        "MainDicomTagsSequences",
        "MainDicomTagsSignature",
        "PixelDataOffset",
        "PixelDataVR",
        "ReceptionDate",
        "SopClassUid",
        "TransferSyntax",
    }
)
#: Links to other resources, and where the file lies on the disk.
_DROPPED = frozenset({"AnonymizedFrom", "Attachments", "FileUuid", "ModifiedFrom"})


def redact(answer: Any) -> Any:
    """Return one resource as the core describes it, without what is not for people.

    Labels say who else may see a study, so nobody sees them; the field stays, as empty, for clients that read it.
    """
    if not isinstance(answer, Mapping):
        return answer
    shown = {name: value for name, value in answer.items() if name not in _DROPPED}
    if "Labels" in shown:
        shown["Labels"] = []
    if isinstance(shown.get("Metadata"), Mapping):
        shown["Metadata"] = redact_metadata(shown["Metadata"])
    return shown


def redact_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return only the metadata that describe the object."""
    return {name: value for name, value in metadata.items() if name in _METADATA}
