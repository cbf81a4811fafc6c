"""When a fault counts as survived, and the cap as kept."""

from dataclasses import replace

import pytest

from cami_cli.bench.delivery_cap import Capped, windows
from cami_cli.bench.delivery_fault_rows import TITLES, all_fault_rows, cap_rows, fault_rows, stock_row
from cami_cli.bench.delivery_faults import Outcome
from cami_cli.errors import Trouble

CALM = Outcome("none", 60, 0, 0, 0, None, None, 0.0, 40.0, 10e6)
CUT = Outcome("line", 60, 0, 0, 0, 1.0, 2.0, 60.0, 100.0, 10.1e6)


def test_one_lost_instance_is_too_many() -> None:
    for outcome, met in ((CUT, True), (replace(CUT, lost=1), False), (replace(CUT, altered=1), False)):
        assert fault_rows("line", outcome, CALM)[0].met is met


@pytest.mark.parametrize(("full", "met"), [(9.9, True), (10.1, False), (None, False)])
def test_the_line_is_full_again_within_ten_seconds(full: float | None, met: bool) -> None:
    assert fault_rows("proxy", replace(CUT, fault="proxy", full=full), CALM)[1].met is met


@pytest.mark.parametrize(("line_bytes", "met"), [(10.19e6, True), (10.21e6, False)])
def test_two_percent_may_be_resent(line_bytes: float, met: bool) -> None:
    row = fault_rows("line", replace(CUT, line_bytes=line_bytes), CALM)[2]
    assert row.metric.endswith("resent")
    assert row.met is met


def test_without_the_calm_run_nothing_is_known_of_what_was_resent() -> None:
    wrong, back, resent = fault_rows("line", CUT, "the machine was too busy")
    assert (wrong.met, back.met) == (True, True)
    assert (resent.ours, resent.note) == (None, "the machine was too busy")


def test_a_fault_that_could_not_be_made_is_not_survived() -> None:
    rows = all_fault_rows(dict.fromkeys(TITLES, "no namespaces here"), "no namespaces here")
    assert {row.metric.partition(":")[0] for row in rows} == set(TITLES.values())
    assert not [row for row in rows if row.met or "no namespaces here" not in row.note]


def test_what_stock_loses_stands_beside_what_we_lose() -> None:
    row = stock_row(CUT, (300, 240))
    assert (row.ours, row.peer_value, row.met) == (0.0, 80.0, True)
    assert not stock_row(replace(CUT, lost=1), (300, 240)).met


def steady(rate: float, seconds: int) -> list[tuple[float, float]]:
    return [(tick / 10, rate * tick / 10) for tick in range(10 * seconds + 1)]


def test_a_steady_rate_has_the_same_bytes_in_all_windows() -> None:
    assert windows(steady(500_000, 30)) == (pytest.approx(5e6), pytest.approx(5e6))


def test_a_burst_counts_in_the_window_that_it_is_in() -> None:
    seen = [(at, amount + (300_000 if at >= 15 else 0)) for at, amount in steady(500_000, 30)]
    least, most = windows(seen)
    assert most == pytest.approx(5.3e6)
    assert least == pytest.approx(5e6)


def test_a_pause_counts_too_but_not_at_the_ends() -> None:
    seen = [(at, min(amount, 6e6) if at < 14 else amount - 1e6) for at, amount in steady(500_000, 32)]
    assert windows(seen)[0] == pytest.approx(4e6)
    late = [(at, max(0.0, amount - 1e6)) for at, amount in steady(500_000, 30)]
    assert windows(late)[0] == pytest.approx(5e6)


def test_too_little_to_watch_is_no_proof() -> None:
    with pytest.raises(Trouble, match="ten steady seconds"):
        windows(steady(500_000, 12))


@pytest.mark.parametrize(
    ("most", "least", "exempt", "met"),
    [
        (5.2e6, 4.8e6, 0, True),
        (5.3e6, 5e6, 0, False),
        (5e6, 4.7e6, 0, False),
        (6.2e6, 4.9e6, 1e6, True),
        (5.1e6, 4.9e6, 1e6, True),
        (6.3e6, 4.9e6, 1e6, False),
        (5.3e6, 4.5e6, 1e6, True),
        (4.7e6, 4.7e6, 0, False),
    ],
)
def test_the_cap_is_kept_within_five_percent(most: float, least: float, exempt: float, met: bool) -> None:
    (row,) = cap_rows([("", Capped(500_000, most, least, exempt, 600_000, 40.0))])
    assert row.met is met
