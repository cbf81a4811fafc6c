"""Rows of the delivery benchmark: targets judged by what was measured, and reasons where nothing was."""

from dataclasses import replace

import pytest

from cami_cli.bench.delivery_cells import Sample
from cami_cli.bench.delivery_download import Download
from cami_cli.bench.delivery_emergency import Emergency
from cami_cli.bench.delivery_queue import Picked
from cami_cli.bench.delivery_rows import download_row, emergency_row, queue_rows, sending_rows, unmeasured
from cami_cli.bench.delivery_senders import LUA, PEER
from cami_cli.bench.report import Row

#: 5 MB over 2 Mbit/s in 20 s: the line is full, and each line bit brought a raw bit.
FULL = Sample("ours", "CT", 2.0, 20, 10, 20.0, 20.0, 0.9, 5_000_000.0, 5_000_000.0, 1, 0, 0.001)
STOCK = replace(FULL, sender="lua", line_bytes=3_500_000.0, raw_bytes=3_000_000.0, first=0.5)


def by_metric(rows: list[Row]) -> dict[tuple[str, str], Row]:
    return {(row.metric, row.peer): row for row in rows}


def test_share_is_of_the_rate_and_effect_is_until_the_last_arrival() -> None:
    half = replace(FULL, line_bytes=2_500_000.0, last=10.0)
    assert half.share == pytest.approx(0.5)
    assert half.effect == pytest.approx(2.0)


def test_nothing_delivered_is_no_effect() -> None:
    assert replace(FULL, delivered=0, last=0.0, raw_bytes=0.0).effect == 0.0


def test_ours_against_stock_auto_routing() -> None:
    rows = by_metric(sending_rows([FULL, STOCK], {}, (LUA, PEER)))
    share = rows["CT, 2 Mbit/s: share of the line", LUA.title]
    assert (share.ours, share.peer_value, share.met) == (1.0, 0.7, True)
    effect = rows["CT, 2 Mbit/s: raw bits per line bit", LUA.title]
    assert (effect.ours, effect.target, effect.met) == (1.0, 2.5, False)
    times = rows["CT, 2 Mbit/s: raw bits per line bit, ratio", LUA.title]
    assert (times.ratio, times.target, times.met) == (pytest.approx(1.667), 4.0, False)
    assert rows["CT, 2 Mbit/s: first image", LUA.title].met


@pytest.mark.parametrize(("used", "met"), [(4_850_000.0, True), (4_845_000.0, False)])
def test_the_share_that_is_asked_for(used: float, met: bool) -> None:
    rows = by_metric(sending_rows([replace(FULL, line_bytes=used), STOCK], {}, (LUA,)))
    assert rows["CT, 2 Mbit/s: share of the line", LUA.title].met is met


def test_a_late_first_image_is_not_met() -> None:
    rows = by_metric(sending_rows([replace(FULL, first=1.01), STOCK], {}, (LUA,)))
    assert not rows["CT, 2 Mbit/s: first image", LUA.title].met


def test_a_side_that_broke_has_no_figure_but_its_reason() -> None:
    rows = sending_rows([STOCK], {("CT", 2.0, "ours"): "the proxy did not start"}, (LUA, PEER))
    assert rows
    for row in rows:
        assert row.ours is None
        assert not row.met
        assert "the proxy did not start" in row.note


def test_a_repetition_that_broke_spoils_the_median() -> None:
    rows = sending_rows([FULL, FULL, STOCK], {("CT", 2.0, "ours"): "too busy"}, (LUA,))
    assert all(row.ours is None for row in rows)


def test_a_peer_that_delivered_nothing_gives_no_ratio() -> None:
    nothing = replace(STOCK, delivered=0, first=None, last=0.0, raw_bytes=0.0)
    rows = by_metric(sending_rows([FULL, nothing], {}, (LUA,)))
    assert not rows["CT, 2 Mbit/s: raw bits per line bit, ratio", LUA.title].met
    assert rows["CT, 2 Mbit/s: first image", LUA.title].peer_value is None


def test_a_full_line_on_which_nothing_arrived_is_no_success() -> None:
    nothing = replace(FULL, delivered=0, first=None, last=0.0, raw_bytes=0.0)
    for row in sending_rows([nothing, STOCK], {}, (LUA,)):
        assert (row.ours, row.met) == (None, False)
        assert "nothing arrived in time on 100 % of the line" in row.note


@pytest.mark.parametrize(("busy", "met"), [(13.0, True), (13.1, False)])
def test_an_emergency_may_take_1_3_times_as_long_as_alone(busy: float, met: bool) -> None:
    assert emergency_row(Emergency(10.0, busy, 2_000_000_000, 3960), "2 GB of CT").met is met


def test_the_queue_is_judged_by_its_slow_picks() -> None:
    speed, memory = queue_rows(Picked(1_000_000, p50_ms=0.5, p95_ms=5.1, worst_ms=9.0, memory_mb=0.1))
    assert not speed.met
    assert memory.met


def test_a_host_without_a_line_meets_nothing_and_says_why() -> None:
    rows = unmeasured("no namespaces here")
    assert len(rows) >= 8
    for row in rows:
        assert (row.ours, row.met) == (None, False)
        assert "no namespaces here" in row.note


def test_what_comes_down_is_judged_by_its_share_of_the_line() -> None:
    seen = Download(2.0, images=30, seconds=20.0, first=1.2, line_bytes=4_750_000, raw_bytes=15_750_000)
    row = download_row(seen)
    assert (row.ours, row.met) == (0.95, True)
    assert "3.15 raw bits per line bit" in row.note
    assert not download_row("no line").met
