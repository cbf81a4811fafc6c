"""Pixel data: the Image Pixel module (PS3.3 C.7.6.3) and the encodings that devices send (PS3.5 8.2, annex A)."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import JPEGLSLosslessEncoder
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
)

#: Quality of the JPEG cine: what ultrasound devices use by default.
_JPEG_QUALITY = 85


def available(syntax: UID) -> UID:
    """Return `syntax`, or JPEG 2000 lossless where its encoder has no build for this Python (CharLS on 3.14)."""
    if syntax == JPEGLSLossless and not JPEGLSLosslessEncoder.is_available:
        return JPEG2000Lossless
    return syntax


def put_grey(
    instance: Dataset, pixels: NDArray[np.generic], *, stored: int, photometric: str = "MONOCHROME2", syntax: UID
) -> None:
    """Put one frame of 16 bit grey values into `instance`, encoded as `syntax`; `stored` is Bits Stored."""
    instance.SamplesPerPixel = 1
    instance.PhotometricInterpretation = photometric
    instance.Rows, instance.Columns = pixels.shape
    instance.BitsAllocated = 16
    instance.BitsStored = stored
    instance.HighBit = stored - 1
    instance.PixelRepresentation = int(pixels.dtype.kind == "i")
    _encode(instance, pixels.astype(pixels.dtype.newbyteorder("<"), copy=False), syntax)


def put_colour(instance: Dataset, frames: NDArray[np.uint8], *, syntax: UID) -> None:
    """Put 8 bit RGB `frames` (frames, rows, columns, 3) into `instance`, encoded as `syntax`."""
    count, rows, columns, _ = frames.shape
    instance.SamplesPerPixel = 3
    instance.PhotometricInterpretation = "RGB"
    instance.PlanarConfiguration = 0
    instance.Rows, instance.Columns = rows, columns
    instance.BitsAllocated = instance.BitsStored = 8
    instance.HighBit = 7
    instance.PixelRepresentation = 0
    if count > 1:
        instance.NumberOfFrames = count
    if syntax == JPEGBaseline8Bit:
        _encode_jpeg(instance, frames)
    else:
        _encode(instance, frames if count > 1 else frames[0], syntax)


def _encode(instance: Dataset, pixels: NDArray[Any], syntax: UID) -> None:
    if syntax == ExplicitVRLittleEndian:
        data = pixels.tobytes()
        instance.PixelData = data + b"\0" * (len(data) % 2)
        instance["PixelData"].VR = "OW" if instance.BitsAllocated == 16 else "OB"
        return
    instance.compress(syntax, pixels, generate_instance_uid=False)


def _encode_jpeg(instance: Dataset, frames: NDArray[np.uint8]) -> None:
    """Encode as JPEG baseline, 4:2:2, as ultrasound devices do; the attributes say that it is lossy (C.7.6.1.1.5)."""
    coded = []
    for frame in frames:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling="4:2:2")
        coded.append(buffer.getvalue())
    instance.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    instance.PhotometricInterpretation = "YBR_FULL_422"
    instance.LossyImageCompression = "01"
    instance.LossyImageCompressionRatio = f"{frames.nbytes / sum(map(len, coded)):.2f}"
    instance.LossyImageCompressionMethod = "ISO_10918_1"
    instance.PixelData = encapsulate(coded)
    instance["PixelData"].VR = "OB"
    instance["PixelData"].is_undefined_length = True
