"""Events: with their change or not at all, in order, each dealt with once in the database."""

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cami.events import EventLog, NewEvent, Reader
from tests.unit.orders.conftest import centre, make  # noqa: F401 - a fixture


class Crash(Exception):
    """The process died before the transaction ended."""


def transact(centre, *events, crash):  # noqa: F811
    with centre.engine.begin() as connection:
        numbers = [centre.events.append(connection, event) for event in events]
        if crash:
            raise Crash
    return numbers


def append(centre, kind="a.b", key="p", **payload):  # noqa: F811
    with centre.engine.begin() as connection:
        return centre.events.append(connection, NewEvent(kind, key, payload))


def test_an_event_is_there_when_its_transaction_is(centre):  # noqa: F811
    with pytest.raises(Crash):
        transact(centre, NewEvent("a.b", "p"), crash=True)
    number = append(centre, order=7)
    (event,) = centre.events.after(0, ["a.b"], 10)
    assert (event.number, event.kind, event.key, dict(event.payload)) == (number, "a.b", "p", {"order": 7})
    assert event.happened_at == centre.clock.now()
    assert centre.events.after(number, (), 10) == []
    assert centre.events.after(0, ["other"], 10) == []
    assert centre.events.last() == number


def test_two_processes_do_not_take_an_event_twice(centre):  # noqa: F811
    number = append(centre)
    readers = [Reader(centre.engine, centre.clock, centre.events, "out", ["a.b"]) for _ in range(2)]
    both = [reader.read() for reader in readers]
    with centre.engine.begin() as connection:
        assert readers[0].moved_to(connection, both[0][0], number)
    with centre.engine.begin() as connection:
        assert not readers[1].moved_to(connection, both[1][0], number)
    assert readers[1].read() == (number, [])


def test_only_what_everybody_has_read_is_forgotten(centre):  # noqa: F811
    first, second = append(centre), append(centre)
    centre.clock.pass_(days=100)
    assert centre.events.tidy() == 0
    with centre.engine.begin() as connection:
        Reader(centre.engine, centre.clock, centre.events, "out", []).moved_to(connection, 0, first)
    assert centre.events.tidy() == 1
    assert [event.number for event in centre.events.after(0, (), 10)] == [second]
    assert append(centre) > second


class Outbox(RuleBasedStateMachine):
    """Whatever crashes when, a consumer's outcome in the database is each event once, in order."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.centre = make(Path(self.folder.name) / "centre.sqlite")
        self.made = []
        self.dealt = []

    def teardown(self):
        self.centre.engine.dispose()
        self.folder.cleanup()

    @rule(key=st.sampled_from("pq"), crash=st.booleans())
    def happen(self, key, crash):
        with suppress(Crash):
            self.made += [(key, number) for number in transact(self.centre, NewEvent("a.b", key), crash=crash)]

    @rule(limit=st.integers(1, 5), crash=st.booleans())
    def consume(self, limit, crash):
        log = EventLog(self.centre.engine, self.centre.clock)  # a process that has just started
        reader = Reader(self.centre.engine, self.centre.clock, log, "out", ["a.b"])
        position, events = reader.read(limit)
        if not events:
            return
        with suppress(Crash):
            self._deal(reader, position, events, crash)
            self.dealt += [(event.key, event.number) for event in events]

    def _deal(self, reader, position, events, crash):
        with self.centre.engine.begin() as connection:
            assert reader.moved_to(connection, position, events[-1].number)
            if crash:
                raise Crash

    @invariant()
    def nothing_is_lost_or_twice(self):
        assert self.dealt == self.made[: len(self.dealt)]


TestOutbox = Outbox.TestCase
TestOutbox.settings = settings(max_examples=15, stateful_step_count=15)
