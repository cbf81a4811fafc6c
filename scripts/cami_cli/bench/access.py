"""Searches: what they cost in the study index from 10,000 to 1,000,000 studies, and over HTTP against stock Orthanc."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from cami_cli.bench.access_index import Timing, time_searches
from cami_cli.bench.access_live import Ends, both
from cami_cli.bench.access_load import load_rows, timing_rows
from cami_cli.bench.access_rows import fill
from cami_cli.bench.report import Report, Row
from cami_cli.errors import Trouble
from cami_cli.places import HOME
from cami_cli.progress import Progress
from cami_cli.runtime.base import Suite
from cami_cli.runtime.native import NativeRuntime

_MOS = [f"{42001 + number}" for number in range(100)]
_SMALL, _SMALL_STUDIES = "42950", 200
"""One МО that has few studies among the others'."""
_ASKED = "42051"
_MONTH = "StudyDate=20260301-20260331"

Timings = Mapping[str, Timing]


def measure(suite: Suite, *, rows: int, studies: int, large: int, repeats: int, rounds: int, steps: Progress) -> Report:
    """Run the benchmark and return its report.

    Parameters
    ----------
    rows
        Studies of the larger index; 0 leaves the index alone out.
    studies
        Of the archive that all servers answer from.
    large
        Of the archive on which QIDO-RS alone is compared with stock; 0 leaves it out.
    rounds
        Of load, each server once in each.
    """
    found, timings = _indexes(rows, repeats, steps) if rows else ([], {})
    live, runs = _live(suite, studies, repeats, rounds, steps)
    more, large_runs = _large(suite, large, max(5, repeats // 3), steps) if large else ([], {})
    versions = {"Orthanc": NativeRuntime(suite).orthanc_version(), "suite": suite}
    kept = {"index_ms": timings, "live_ms": runs, "large_ms": large_runs}
    return Report("access", versions, [*found, *live, *more], kept)


def _indexes(rows: int, repeats: int, steps: Progress) -> tuple[list[Row], dict[str, dict[str, dict[str, float]]]]:
    """Measure the index alone, without Orthanc."""
    work = HOME / "build" / "bench" / "access-index"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        few = _index(work, 10_000, _ASKED, repeats, steps)
        many = _index(work, rows, _ASKED, repeats, steps)
        among = _index(work, rows, _SMALL, repeats, steps, kept=True)
        alone = _index(work, 0, _SMALL, repeats, steps)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    found = index_rows(few, many, rows) + small_rows(among, alone)
    indexes = {"10000": few, str(rows): many, "200 among": among, "200 alone": alone}
    return found, {name: {what: asdict(one) for what, one in each.items()} for name, each in indexes.items()}


def index_rows(few: Timings, many: Timings, rows: int) -> list[Row]:
    """Compare the index at two sizes."""
    found = []
    for name, one in many.items():
        note = f"95 % within {one.p95:.1f} ms; {one.found} found, {few[name].found} of 10,000"
        figures = (round(one.p50, 2), "the index of 10,000", round(few[name].p50, 2), "ms")
        ratio = round(one.p50 / few[name].p50, 2)
        metric = f"index of {rows:,}, {name}"
        found.append(Row(metric, *figures, ratio, 10, note, "ours", at_most=True))
        found.append(Row(f"{metric}: growth", *figures, ratio, 1.5, at_most=True))
    return found


def small_rows(among: Timings, alone: Timings) -> list[Row]:
    """Compare an МО of 200 studies among the others with the same one alone."""
    return [
        Row(
            f"МО of {_SMALL_STUDIES} among all, {name}",
            round(one.p50, 2),
            "the same МО alone",
            round(alone[name].p50, 2),
            "ms",
            round(one.p50 / alone[name].p50, 2),
            1.5,
            at_most=True,
        )
        for name, one in among.items()
    ]


def _index(work: Path, rows: int, asked: str, repeats: int, steps: Progress, *, kept: bool = False) -> Timings:
    file = work / f"{rows}.sqlite"
    sizes = [(mo, rows // len(_MOS)) for mo in _MOS] if rows else []
    with steps.step(f"searches of МО {asked} in an index of {rows:,} and {_SMALL_STUDIES} studies") as step:
        filled = fill(file, [*sizes, (_SMALL, _SMALL_STUDIES)], asked, kept=kept)
        times = time_searches(filled, asked, repeats=repeats)
        step.show(f"{file.stat().st_size / 1e6:.0f} MB; medians up to {max(one.p50 for one in times.values()):.1f} ms")
    return times


#: QIDO-RS searches over HTTP. Of a patient both find the same; stock finds everybody's newest, ours the МО's.
def _searches(patient: str) -> Mapping[str, str]:
    return {
        "newest 20": "studies?limit=20",
        "by patient": f"studies?PatientID={patient}",
        "month, newest 20": f"studies?{_MONTH}&limit=20",
        "part of a name": "studies?PatientName=*ов*&limit=20",
    }


def _live(
    suite: Suite, studies: int, repeats: int, rounds: int, steps: Progress
) -> tuple[list[Row], dict[str, dict[str, list[float]]]]:
    """Measure load, betrayal by time, and QIDO-RS on one archive."""
    try:
        with both(suite, studies, steps, asking=True) as ends:
            rows = load_rows(ends.places, ends.patient, rounds, steps)
            rows += timing_rows(ends.places["ours"], studies, 20 * repeats, steps)
            with steps.step(f"QIDO-RS of {studies:,} studies, in turns"):
                runs = {name: _in_turns(ends, search, repeats) for name, search in _searches(ends.patient).items()}
    except Trouble as trouble:
        why = f"{trouble.problem}; {trouble.remedy}"
        return [Row("requests over HTTP", None, "stock Orthanc", None, "req/s", None, 0.85, why)], {}
    rows += [_live_row(f"QIDO-RS, {studies:,} studies, {name}", times) for name, times in runs.items()]
    return rows, runs


def _large(
    suite: Suite, studies: int, repeats: int, steps: Progress
) -> tuple[list[Row], dict[str, dict[str, list[float]]]]:
    """Compare QIDO-RS with stock on an archive so large that stock counts long."""
    try:
        with both(suite, studies, steps) as ends, steps.step(f"QIDO-RS of {studies:,} studies, in turns"):
            runs = {name: _in_turns(ends, search, repeats) for name, search in _searches(ends.patient).items()}
    except Trouble as trouble:
        why = f"{trouble.problem}; {trouble.remedy}"
        return [Row(f"QIDO-RS, {studies:,} studies", None, "stock Orthanc", None, "times", None, 50, why)], {}
    return [_times_row(f"QIDO-RS, {studies:,} studies, {name}", times) for name, times in runs.items()], runs


def _times_row(metric: str, times: Mapping[str, Sequence[float]]) -> Row:
    """Say how many times as fast as stock ours is; the issue asks for fifty."""
    ours, stock = median(times["ours"]), median(times["stock"])
    note = f"{len(times['ours'])} each, in turns"
    return Row(metric, round(ours, 2), "stock Orthanc", round(stock, 2), "ms", round(stock / ours, 1), 50, note)


def _live_row(metric: str, times: Mapping[str, Sequence[float]]) -> Row:
    """Compare medians."""
    ours, stock = median(times["ours"]), median(times["stock"])
    return Row(
        metric, round(ours, 2), "stock Orthanc", round(stock, 2), "ms", round(ours / stock, 3), 1.0, at_most=True
    )


def _in_turns(ends: Ends, search: str, repeats: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"ours": [], "stock": []}
    for turn in range(repeats + 1):
        for name, ask in (("ours", ends.ours), ("stock", ends.stock)):
            began = time.perf_counter()
            ask(search)
            if turn:
                times[name].append(1000 * (time.perf_counter() - began))
    return times
