"""Which images are made smaller for the way, by the registry."""

import hashlib
import time

import numpy as np
import pytest

from cami.delivery import Lossless
from cami.delivery import lossless as module
from cami.delivery.items import Item
from cami.delivery.lossless import within_stored_bits
from cami.region import Link

from .conftest import dicom


class Codec:
    """An archive that can make files smaller."""

    def __init__(self, small=b"small"):
        self.small = small
        self.asked = 0

    def in_jpeg_ls(self, dicom):
        self.asked += 1
        return self.small


def prepared(codec, modality="CT", content=b"as the device sent it", **link):
    return Lossless(codec, Link(mbit_s=2, **link)).prepare(Item("i", "s", 0, modality=modality), content)


@pytest.mark.parametrize(
    ("link", "small"),
    [
        ({}, True),
        ({"compression": "none"}, False),
        ({"compression_by_modality": {"CT": "none"}}, False),
        ({"compression_by_modality": {"MR": "none"}}, True),
        ({"compression": "none", "compression_by_modality": {"CT": "jpeg-ls"}}, True),
        ({"compression": "none", "compression_by_modality": {"MR": "jpeg-ls"}}, False),
    ],
    ids=str,
)
def test_the_registry_says_which(link, small):
    codec = Codec()
    assert (prepared(codec, **link) == b"small") is small
    assert codec.asked == small


@pytest.mark.parametrize("made", [None, b"larger than what the device sent", b"as the device sent it"])
def test_what_cannot_be_made_smaller_goes_as_it_is(made):
    assert prepared(Codec(made)) == b"as the device sent it"


def test_what_takes_too_much_memory_goes_as_it_is(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 10)
    codec = Codec()
    assert prepared(codec) == b"as the device sent it"
    assert codec.asked == 0


def test_the_digest_is_of_what_was_sent(region):
    proxy = region.proxy("42001")
    proxy.archive.store(dicom(content="long"))
    smaller = dicom(content="s")
    proxy.courier._prepare = lambda item, whole: smaller
    proxy.work(3)
    assert list(region.central.files.values()) == [smaller]
    (item,) = proxy.queue.manifest(region.central.parse(smaller).study_id).instances.values()
    assert item == hashlib.sha256(smaller).hexdigest()


SAMPLES = np.array([0, 1, 4095, 2048], dtype="<u2")


@pytest.mark.parametrize(
    ("samples", "allocated", "stored", "fits"),
    [
        (SAMPLES, 16, 12, True),
        (SAMPLES | 0x1000, 16, 12, False),
        (SAMPLES + np.array([0, 0, 1, 0], dtype="<u2"), 16, 12, False),
        (SAMPLES.view("<i2") - 1, 16, 12, False),
        (SAMPLES.view("<i2") - 1, 16, 16, True),
        (np.array([255, 0], dtype="u1"), 8, 8, True),
        (np.array([64, 0], dtype="u1"), 8, 6, False),
        (np.array([1 << 20], dtype="<u4"), 32, 16, False),
        (np.array([255], dtype="u1"), 1, 1, False),
        (np.array([255], dtype="u1"), 16, 12, False),
        (SAMPLES, 16, 0, False),
        (SAMPLES, 12, 16, False),
    ],
)
def test_bits_above_the_stored_ones_never_get_to_the_encoder(samples, allocated, stored, fits):
    assert within_stored_bits(samples.tobytes(), allocated, stored) is fits


def test_looking_at_every_bit_of_a_large_frame_takes_milliseconds():
    frame = np.full(2048 * 2048, 4095, dtype="<u2").tobytes()
    began = time.process_time()
    assert within_stored_bits(frame, 16, 12)
    assert time.process_time() - began < 0.5
