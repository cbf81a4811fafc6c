"""The thin line as arithmetic: rate, queue, delay, loss, cuts, and what counts as used."""

from random import Random

import pytest

from cami_cli.bench.link_emulator import Counts, Direction, Line

#: A thousand bytes a second make the figures below readable.
LINE = Line(mbit_s=0.008, delay=0.5, loss=0.0, queue_bytes=3000)


def direction(line: Line = LINE) -> Direction:
    return Direction(line, Random(1))


def test_a_packet_comes_out_after_its_serialising_and_the_delay() -> None:
    assert direction().offer(1000, now=10.0) == pytest.approx(11.5)


def test_packets_wait_for_those_before_them() -> None:
    way = direction()
    assert [way.offer(1000, now=0.0) for _ in range(3)] == pytest.approx([1.5, 2.5, 3.5])


def test_what_does_not_fit_into_the_queue_is_dropped_and_does_not_use_the_line() -> None:
    way = direction()
    delivered = [way.offer(1000, now=0.0) for _ in range(5)]
    assert delivered[3:] == [None, None]
    assert way.counts(100.0) == Counts(packets=3, bytes=3000, overflowed=2)


def test_bytes_count_when_they_have_been_serialised() -> None:
    way = direction()
    way.offer(1000, now=0.0)
    way.offer(1000, now=0.0)
    assert [way.counts(now).bytes for now in (0.0, 0.5, 1.5, 2.0, 9.0)] == pytest.approx([0, 500, 1500, 2000, 2000])


def test_never_more_than_the_rate() -> None:
    way = direction(Line(mbit_s=2, loss=0.01))
    for step in range(20_000):  # twice what the line carries
        way.offer(1500, now=step * 0.003)
    used = way.counts(60.0).bytes / (Line(mbit_s=2).bytes_per_second * 60)
    assert used == pytest.approx(1.0, abs=0.001)


def test_a_lost_packet_has_used_the_line() -> None:
    way = direction(Line(mbit_s=10, loss=0.2))
    outcomes = [way.offer(1000, now=step) for step in range(2000)]
    lost = outcomes.count(None)
    assert 300 < lost < 500
    counts = way.counts(3000.0)
    assert (counts.lost, counts.packets, counts.bytes) == (lost, 2000, 2_000_000)


def test_nothing_passes_a_cut_line_and_what_waited_is_gone() -> None:
    way = direction()
    way.offer(2000, now=0.0)
    way.cut(now=0.5, travelling=1)
    assert way.offer(1000, now=1.0) is None
    assert way.counts(9.0).bytes == pytest.approx(500)
    assert way.counts(9.0).cut == 2
    way.restore()
    assert way.offer(1000, now=10.0) == pytest.approx(11.5)


def test_another_rate_begins_with_an_empty_queue() -> None:
    way = direction()
    way.offer(2000, now=0.0)
    way.change(Line(mbit_s=0.016, delay=0, loss=0), now=1.0)
    assert way.offer(1000, now=1.0) == pytest.approx(1.5)
    assert way.counts(9.0).bytes == pytest.approx(2000)


def test_counts_between_two_moments() -> None:
    way = direction()
    way.offer(1000, now=0.0)
    before = way.counts(5.0)
    way.offer(500, now=5.0)
    assert way.counts(9.0).since(before) == Counts(packets=1, bytes=500)


@pytest.mark.parametrize("wrong", [{"mbit_s": 0}, {"mbit_s": 1, "loss": 1.0}, {"mbit_s": 1, "delay": -1.0}])
def test_what_is_no_line_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no such line"):
        Line(**wrong)  # type: ignore[arg-type]
