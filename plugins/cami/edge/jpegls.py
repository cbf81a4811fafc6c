"""JPEG-LS without loss, by the codecs of DCMTK inside Orthanc (GDCM, which crashes servers, is never loaded).

DCMTK's encoder keeps the stored bits of a sample only. Samples with bits above them never get to it: at best the bits
were gone, at worst the server. A HighBit above the stored bits is lost, too. So each image is decoded again and
compared with the original, all of its frames and its data elements; what differs is not used.
"""

import json
from typing import Any

from cami.delivery.lossless import within_stored_bits
from cami.edge import sdk

JPEG_LS = "1.2.840.10008.1.2.4.80"
EXPLICIT = "1.2.840.10008.1.2.1"
#: Implicit and Explicit VR Little Endian: what is not compressed, in the byte order in which frames are compared.
_PLAIN = frozenset(["1.2.840.10008.1.2", EXPLICIT])


def compress(dicom: bytes) -> bytes | None:
    """Return a DICOM file in JPEG-LS, or None if it is compressed already or would not come back bit by bit."""
    try:
        original = sdk.create_dicom_instance(dicom)
        if original.GetInstanceTransferSyntaxUid() not in _PLAIN or not original.HasInstancePixelData():
            return None
        if not _encodable(original):
            return None
        small: bytes = sdk.transcode(dicom, JPEG_LS).SerializeDicomInstance()
        return small if _same(original, small) else None
    except sdk.OrthancException:
        return None


def expand(dicom: bytes) -> bytes | None:
    """Return a DICOM file in Explicit VR Little Endian, or None if DCMTK cannot decode it."""
    try:
        plain: bytes = sdk.transcode(dicom, EXPLICIT).SerializeDicomInstance()
    except sdk.OrthancException:
        return None
    return plain


def _encodable(original: sdk.DicomInstance) -> bool:
    """Say whether the encoder can take every sample of an image."""
    elements = _elements(original)
    try:
        allocated, stored = (int(elements[tag]["Value"]) for tag in ("0028,0100", "0028,0101"))
    except (KeyError, TypeError, ValueError):
        return False
    frames = range(original.GetInstanceFramesCount())
    return all(within_stored_bits(original.GetInstanceRawFrame(frame), allocated, stored) for frame in frames)


def _same(original: sdk.DicomInstance, small: bytes) -> bool:
    packed = sdk.create_dicom_instance(small)
    if packed.GetInstanceTransferSyntaxUid() != JPEG_LS or _elements(packed) != _elements(original):
        return False
    back = sdk.transcode(small, EXPLICIT)
    frames = original.GetInstanceFramesCount()
    return (
        frames > 0
        and back.GetInstanceFramesCount() == frames
        and all(back.GetInstanceRawFrame(frame) == original.GetInstanceRawFrame(frame) for frame in range(frames))
    )


def _elements(instance: sdk.DicomInstance) -> dict[str, Any]:
    elements: dict[str, Any] = json.loads(instance.GetInstanceJson())
    return elements
