"""Callers that were refused, counted."""

import socket

import pytest

from cami.db import open_engine
from cami.db.tables import metadata
from cami.edge.callers import RefusedCallers
from cami.query_retrieve.strangers import MOST, Refused, Strangers
from tests.unit.fakes import Hands

EVIL = Refused("EVIL", "10.0.0.7", "unknown")


@pytest.fixture
def book(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'cami.sqlite'}")
    metadata.create_all(engine)
    yield Strangers(engine, Hands())
    engine.dispose()


def test_each_is_counted_once_for_a_reason(book):
    book.note([EVIL, EVIL, Refused("CT1", "10.0.0.9", "address")])
    book._clock.pass_(minutes=5)
    book.note([EVIL])
    first, second = book.listed()
    assert (first.aet, first.count, first.reason) == ("EVIL", 3, "unknown")
    assert (first.last_at - first.first_at).seconds == 300
    assert (second.aet, second.address, second.count) == ("CT1", "10.0.0.9", 1)


@pytest.mark.parametrize(
    "wrong",
    [
        Refused("A" * 17, "10.0.0.7", "unknown"),
        Refused("A\n", "10.0.0.7", "unknown"),
        Refused("A", "somewhere", "unknown"),
        Refused("A", "10.0.0.7", "other"),
        Refused("A", "10.0.0.7", "service", "x" * 33),
    ],
)
def test_what_is_none_is_passed_over(book, wrong):
    book.note([wrong])
    assert book.listed() == []


def test_a_flood_pushes_out_the_oldest(book):
    book.note([Refused("FIRST", "", "unknown")])
    for number in range(MOST + 20):
        book._clock.pass_(seconds=1)
        book.note([Refused(f"A{number}", "", "unknown")])
    assert len(book.listed(10_000)) == MOST
    assert all(stranger.aet != "FIRST" for stranger in book.listed(10_000))


def test_what_the_starter_tells_is_noted(book):
    ours, theirs = socket.socketpair()
    callers = RefusedCallers(book)
    assert callers.step() > 0
    callers.listen(theirs)
    with theirs:
        line = b'{"aet": "EVIL", "address": "10.0.0.7", "reason": "unknown", "detail": ""}\n'
        ours.send(line + b"broken\n" + b'{"aet": 5}\n' + line[:20])
        callers.step()
        ours.send(line[20:])
        ours.close()
        callers.step()
        assert [stranger.count for stranger in book.listed()] == [2]
        assert callers.step() > 1
