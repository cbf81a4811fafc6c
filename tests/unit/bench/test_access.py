"""The benchmark of searches: its rows are those of a real index, and its targets are the issue's."""

from cami_cli.bench.access import index_rows, small_rows
from cami_cli.bench.access_index import Timing, time_searches
from cami_cli.bench.access_rows import fill


def test_a_filled_index_answers_without_the_core(tmp_path):
    filled = fill(tmp_path / "index.sqlite", [("42001", 60), ("42002", 30)], "42001")
    times = time_searches(filled, "42001", repeats=2)
    assert times["newest 20"].found == 20
    assert times["by patient"].found == 3
    assert times["name that nobody has"].found == 0
    again = fill(tmp_path / "index.sqlite", [("42001", 60)], "42002", kept=True)
    assert again.patient_id.startswith("42002")


def test_targets():
    few, many = {"x": Timing(2.0, 3.0, 20)}, {"x": Timing(2.8, 4.0, 20)}
    cost, growth = index_rows(few, many, 1_000_000)
    assert (cost.met, growth.met) == (True, True)
    cost, growth = index_rows(few, {"x": Timing(10.1, 11.0, 20)}, 1_000_000)
    assert (cost.met, growth.met) == (False, False)
    (row,) = small_rows({"x": Timing(3.1, 4.0, 1)}, {"x": Timing(2.0, 3.0, 1)})
    assert not row.met
