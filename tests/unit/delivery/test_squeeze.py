"""gzip of bodies: same bytes, only where it pays, and no bomb goes off."""

import gzip
import random
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cami.delivery import squeeze
from cami.delivery.squeeze import TooLarge, expanded, squeezed
from cami.errors import Invalid

NOISE = random.Random(1).randbytes(200_000)
TEXT = b"Patient comments " * 20_000


def test_what_repeats_itself_becomes_small_and_comes_back():
    small = squeezed(TEXT)
    assert len(small) < len(TEXT) / 10
    assert expanded(small) == TEXT


@given(st.binary(max_size=3000), st.integers(1, 40))
def test_whatever_is_squeezed_comes_back(part, times):
    body = part * times
    small = squeezed(body)
    if small is not None:
        assert len(small) < len(body)
        assert expanded(small) == body


@pytest.mark.parametrize("body", [b"", b"a" * 100, NOISE, NOISE[:5000]], ids=len)
def test_what_would_not_get_smaller_goes_as_it_is(body):
    assert squeezed(body) is None


def test_a_long_header_before_packed_pixels_is_seen():
    assert squeezed(TEXT + NOISE[: len(TEXT)]) is not None


def test_the_whole_is_not_tried_when_its_parts_say_no(monkeypatch):
    tried = []
    real = zlib.compress
    monkeypatch.setattr(zlib, "compress", lambda data, level: (tried.append(len(data)), real(data, level))[1])
    monkeypatch.setattr(zlib, "compressobj", lambda *_: pytest.fail("the whole was tried"))
    assert squeezed(NOISE) is None
    assert tried == [3 * squeeze.SAMPLE]


def test_a_bomb_is_refused_without_being_expanded():
    bomb = gzip.compress(bytes(50_000_000), 9)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            expanded(bomb, 100_000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_exactly_the_limit_is_let_through():
    assert len(expanded(gzip.compress(bytes(1000)), 1000)) == 1000
    with pytest.raises(TooLarge):
        expanded(gzip.compress(bytes(1001)), 1000)


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(TEXT)[:-1], gzip.compress(b"a") + gzip.compress(b"b"), zlib.compress(TEXT)],
    # Names, since gzip puts the time into what it writes and the test's name would change with it.
    ids=["empty", "noise", "cut", "two", "zlib"],
)
def test_what_is_not_one_whole_gzip_is_refused(body):
    with pytest.raises(Invalid):
        expanded(body)
