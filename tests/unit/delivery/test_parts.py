"""Who carries which part of a large object."""

from cami.delivery.order import LAST
from cami.delivery.parts import MOST_PARTS, PartBoard, Shipment, cut
from cami.delivery.right_of_way import Passage


def shipment(rank=LAST, *, urgent=False, size=1000):
    return Shipment(bytes(size), "digest", Passage(urgent=urgent, rank=rank), 100, begun=False)


def test_parts_are_equal_and_make_up_the_whole():
    for length in (1, 99, 100, 101, 1000, 24 * 100 + 1, 10**6):
        parts = cut(length, 100)
        assert sum(part.length for part in parts) == length
        assert [part.start for part in parts] == [sum(it.length for it in parts[:n]) for n in range(len(parts))]
        assert len(parts) <= MOST_PARTS
        assert max(part.length for part in parts) - parts[0].length == 0


def test_what_goes_first_is_helped_first_and_nothing_that_comes_after_what_would_be_taken():
    board, later, earlier = PartBoard(), shipment((2, 50.0)), shipment((2, 10.0))
    with board.offered(later), board.offered(earlier):
        assert board.take(urgent_only=False, before=LAST)[0] is earlier
        assert board.take(urgent_only=False, before=(2, 20.0))[0] is earlier
        assert board.take(urgent_only=False, before=(2, 5.0)) is None
        assert board.take(urgent_only=False, before=(0, 0.0)) is None
        while earlier.take():
            pass
        assert board.take(urgent_only=False, before=LAST)[0] is later


def test_an_emergency_is_taken_before_somebody_who_waits_is_helped():
    board, awaited = PartBoard(), shipment((1, 10.0), urgent=True)
    with board.offered(awaited):
        assert board.take(urgent_only=True, before=(0, 99.0)) is None
        assert board.take(urgent_only=True, before=(1, 99.0))[0] is awaited


def test_what_is_put_down_is_taken_up_again_by_anybody():
    made = shipment(size=200)
    first = made.take()
    made.moved_to(first, 50)
    made.put_down(first)
    assert made.take() is first
    assert first.offset == 50


def test_others_follow_when_all_parts_are_in_somebodys_hands():
    told = []
    made = Shipment(bytes(200), "digest", Passage(urgent=False, on_written=lambda: told.append(1)), 100, begun=False)
    made.take()
    assert told == []
    made.take()
    assert told == [1]
