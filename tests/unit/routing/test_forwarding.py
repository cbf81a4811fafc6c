"""Sending to destinations that fail in every way: nothing is lost, nobody waits for somebody else's destination."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cami.routing.forwarder import TRIES
from cami.routing.forwardings import LONGEST_REST
from cami.routing.outcomes import Refused, Unavailable, check_status
from cami.routing.states import State
from tests.unit.routing.conftest import Way, rule

TO_BOTH = rule("{always: true}", "{send_to: [rsc, web]}")


@pytest.fixture
def loaded(proxy):
    """A proxy with three images for two destinations."""
    proxy.rules(TO_BOTH)
    for key in ("a", "b", "c"):
        proxy.archive.add(key)
    proxy.read()
    return proxy


def run(proxy, forwarder, rounds=200, seconds=10):
    """Run a sender until nothing is left, with the clock going on."""
    for _ in range(rounds):
        try:
            while forwarder.step():
                pass
        except Unavailable:
            pass
        proxy.clock.pass_(seconds=seconds)


def states(proxy, name="rsc"):
    return {key: state for (destination, key), state in proxy.wanted().items() if destination == name}


def test_images_go_in_the_order_in_which_they_came(loaded):
    way = Way()
    run(loaded, loaded.forwarder(way), 1)
    assert way.stored == ["a", "b", "c"]
    assert set(states(loaded).values()) == {State.DELIVERED}
    assert way.closed == 1


def test_a_dead_destination_holds_up_no_other_and_gets_all_when_it_is_back(loaded):
    dead, well = Way(), Way()
    dead.faults = [Unavailable("unreachable") for _ in range(7)]
    sender = loaded.forwarder(dead)
    with pytest.raises(Unavailable):
        sender.step()
    assert not sender.step()  # it rests
    run(loaded, loaded.forwarder(well, "web"), 1)
    assert well.stored == ["a", "b", "c"]
    assert loaded.forwardings.totals()["rsc"].reason == "unreachable"
    run(loaded, sender)
    assert dead.stored == ["a", "b", "c"]
    assert dead.faults == []
    totals = loaded.forwardings.totals()["rsc"]
    assert (totals.counts, totals.reason, totals.rests_until) == ({State.DELIVERED: 3}, "", None)


def test_the_rests_grow_to_some_minutes_and_survive_a_restart(loaded):
    way, rests = Way(), []
    way.faults = [Unavailable("unreachable") for _ in range(12)]
    for _ in range(12):
        with pytest.raises(Unavailable):
            loaded.forwarder(way).step()
        loaded.restart()
        until = loaded.forwardings.rests_until("rsc")
        rests.append((until - loaded.clock.now()).total_seconds())
        loaded.clock.time = until
    assert rests == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert states(loaded) == {"a": "queued", "b": "queued", "c": "queued"}


def test_a_clock_that_was_set_back_does_not_stop_a_destination(loaded):
    way = Way()
    way.faults = [Unavailable("unreachable")]
    with pytest.raises(Unavailable):
        loaded.forwarder(way).step()
    loaded.clock.pass_(days=-30)
    assert loaded.forwardings.rests_until("rsc") is None


def test_an_image_that_is_refused_for_good_is_told_and_the_others_go(loaded):
    way = Way()
    way.faults = [Refused("not-supported", "0x0122", final=True)]
    run(loaded, loaded.forwarder(way), 1)
    assert way.stored == ["b", "c"]
    assert states(loaded) == {"a": "failed", "b": "delivered", "c": "delivered"}
    assert loaded.forwardings.totals()["rsc"].refused == {"not-supported": 1}


def test_an_image_that_is_refused_is_offered_again_and_then_told(loaded):
    way = Way()
    sender = loaded.forwarder(way)
    offered = []

    def refuse(dicom, header):
        offered.append((header, loaded.clock.now()))
        if header == "a":
            raise Refused("refused", "0xC000")
        Way.store(way, dicom, header)

    way.store = refuse
    run(loaded, sender)
    assert way.stored == ["b", "c"]
    assert states(loaded)["a"] == "failed"
    times = [when for header, when in offered if header == "a"]
    assert len(times) == TRIES
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= LONGEST_REST + timedelta(seconds=10)
    way.store = lambda dicom, header: Way.store(way, dicom, header)
    assert loaded.forwardings.resend("rsc") == 1
    run(loaded, sender, 1)
    assert way.stored == ["b", "c", "a"]


def test_one_image_over_which_a_destination_fails_does_not_hold_up_the_others(loaded):
    way = Way()

    def fail(dicom, header):
        if header == "a":
            raise Unavailable("broken")
        Way.store(way, dicom, header)

    way.store = fail
    run(loaded, loaded.forwarder(way), 3, seconds=3)
    assert way.stored == ["b", "c"]
    assert states(loaded)["a"] == "queued"  # never dropped


def test_what_is_gone_here_is_told(loaded):
    del loaded.archive.images["a"]
    way = Way()
    run(loaded, loaded.forwarder(way), 1)
    assert states(loaded) == {"a": "failed", "b": "delivered", "c": "delivered"}
    assert loaded.forwardings.totals()["rsc"].refused == {"gone": 1}


def test_calling_off(loaded):
    assert loaded.forwardings.cancel("rsc") == 3
    way = Way()
    assert not loaded.forwarder(way).step()
    assert set(states(loaded).values()) == {State.CANCELLED}
    assert set(states(loaded, "web").values()) == {State.QUEUED}


def test_an_unexpected_error_leaves_the_image_in_the_queue(loaded):
    way = Way()
    way.faults = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        loaded.forwarder(way).step()
    assert set(states(loaded).values()) == {State.QUEUED}


class TestVerification:
    def test_what_is_not_found_is_not_delivered(self, loaded):
        way = Way()
        way.searchable = False
        sender = loaded.forwarder(way, verify=True)
        sender.step()
        assert states(loaded)["a"] == "queued"
        way.searchable = True
        loaded.clock.pass_(minutes=1)
        run(loaded, sender, 3)
        assert sorted(way.stored) == ["a", "b", "c"]  # found at the second try, so not sent twice
        assert set(states(loaded).values()) == {State.DELIVERED}


def test_statuses():
    for stored in (0x0000, 0x0001, 0xB000, 0xB006, 0xB007, 0x0111):
        check_status(stored)
    for unavailable in (0xA700, 0xA7FF, 0x0124, 0x0213):
        with pytest.raises(Unavailable):
            check_status(unavailable)
    for refused, final in ((0xA900, False), (0xC000, False), (0x0110, False), (0x0122, True), (0xFE00, False)):
        with pytest.raises(Refused) as caught:
            check_status(refused)
        assert caught.value.final is final


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["ok", "unreachable", "broken", "refused", "crash"]), max_size=40))
def test_whatever_happens_every_image_is_delivered_or_told(tmp_path_factory, faults):
    from tests.unit.routing.conftest import Proxy

    with pytest.MonkeyPatch.context() as patch:
        proxy = Proxy(tmp_path_factory.mktemp("proxy"), patch)
        proxy.rules(TO_BOTH)
        for key in ("a", "b"):
            proxy.archive.add(key)
        proxy.read()
        way = Way()

        def store(dicom, header):
            fault = faults.pop(0) if faults else "ok"
            if fault == "refused":
                raise Refused("refused", "0xC000")
            if fault in ("unreachable", "broken"):
                raise Unavailable(fault)
            way.stored.append(header)
            if fault == "crash":
                raise KeyboardInterrupt  # after the destination has it, before we know

        way.store = store
        for _ in range(60):
            try:
                while proxy.forwarder(way).step():
                    pass
            except Unavailable:
                pass
            except KeyboardInterrupt:
                proxy.restart()
            proxy.clock.pass_(seconds=300)
        ended = states(proxy)
        assert set(ended.values()) <= {State.DELIVERED, State.FAILED}
        assert {key for key, state in ended.items() if state is State.DELIVERED or state == "delivered"} <= set(
            way.stored
        )
        assert set(states(proxy, "web").values()) == {State.QUEUED}
        proxy.engine.dispose()
