"""Requests per second by ``wrk`` on 1 and 8 connections, server by server in turns; what time betrays."""

import base64
import http.client
import json
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist, median
from urllib.parse import urlsplit

from cami_cli.bench.access_archive import Drawn, drawn
from cami_cli.bench.access_live import Place
from cami_cli.bench.report import Row, alone, compare
from cami_cli.errors import Trouble
from cami_cli.progress import Progress
from cami_cli.runtime.host_tools import find_tool, require_tools, tool_environment

CONNECTIONS = (1, 8)
_SECONDS = 3
#: Of stock Orthanc without a plugin, what the issue asks for; and of a design that asks a service, at least all.
_OF_STOCK, _OF_ASKING = 0.85, 1.0


def requests_of(patient: str) -> Mapping[str, tuple[str, str, str]]:
    """Return what is asked, by name: method, path, body. The doctor and stock find the same in all of them."""
    study = drawn(0)
    frame = f"/dicom-web/studies/{study.study_uid}/series/{study.series_uid}/instances/{study.sop_uid}/frames/1"
    find = json.dumps({"Level": "Study", "Query": {"PatientID": patient}, "Expand": True})
    return {
        "instance tags": ("GET", f"/instances/{study.ids[3]}/tags", ""),
        "WADO-RS frame, 128 kB": ("GET", frame, ""),
        "QIDO-RS by patient": ("GET", f"/dicom-web/studies?PatientID={patient}", ""),
        "/tools/find by patient": ("POST", "/tools/find", find),
    }


def load_rows(places: Mapping[str, Place], patient: str, rounds: int, steps: Progress) -> list[Row]:
    """Measure all and compare ours with the others."""
    require_tools(["wrk"])
    rows = []
    for what, (method, path, body) in requests_of(patient).items():
        for connections in CONNECTIONS:
            with steps.step(f"{what}, {connections} connections, {rounds} rounds") as step:
                rates: dict[str, list[float]] = {name: [] for name in places}
                for turn in range(rounds):
                    order = list(places)
                    for name in order[turn % len(order) :] + order[: turn % len(order)]:
                        rates[name].append(_wrk(places[name], method, path, body, connections))
                step.show(", ".join(f"{name} {median(series):.0f}" for name, series in rates.items()))
            metric = f"{what}, {connections} connection{'s' if connections > 1 else ''}"
            for name, target in (("stock", _OF_STOCK), ("asking", _OF_ASKING)):
                if name in places:
                    peer = places[name].name
                    rows.append(compare(metric, rates["ours"], peer, rates[name], unit="req/s", target=target))
    return rows


def _wrk(place: Place, method: str, path: str, body: str, connections: int) -> float:
    lines = [f'wrk.method = "{method}"']
    if body:
        lines += [f"wrk.body = {json.dumps(body)}", 'wrk.headers["Content-Type"] = "application/json"']
    if place.auth is not None:
        lines.append(f'wrk.headers["Authorization"] = "{_basic(place.auth)}"')
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "request.lua"
        script.write_text("\n".join(lines), "utf-8")
        command = [find_tool("wrk") or "wrk", "-t1", f"-c{connections}", f"-d{_SECONDS}s", "-s", str(script)]
        done = subprocess.run(
            [*command, place.url + path], env=tool_environment(), capture_output=True, text=True, check=False
        )
    rate = re.search(r"Requests/sec:\s*([0-9.]+)", done.stdout)
    if rate is None or "Non-2xx" in done.stdout:
        raise Trouble(f"wrk measured nothing of {place.name}: {done.stdout[-300:]}{done.stderr[-300:]}", "see its log")
    return float(rate.group(1))


def _basic(auth: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(auth).encode()).decode()


def timing_rows(place: Place, studies: int, repeats: int, steps: Progress) -> list[Row]:
    """Ask for what is hidden and for what does not exist, in an order of chance, and compare the times."""
    dice = random.Random(1)  # noqa: S311 - the same run each time
    rows = []
    # Of another МО: every study but each hundredth. Never asked twice, so that nothing is remembered.
    hidden = [drawn(number) for number in range(1, studies) if number % 100]
    dice.shuffle(hidden)
    ways: Mapping[str, tuple[Callable[[Drawn], str], Callable[[], str]]] = {
        "a study by its id": (lambda one: f"/studies/{one.ids[1]}", lambda: f"/studies/{_id(dice)}"),
        "an instance's tags": (lambda one: f"/instances/{one.ids[3]}/tags", lambda: f"/instances/{_id(dice)}/tags"),
        "QIDO-RS by UID": (
            lambda one: f"/dicom-web/studies?StudyInstanceUID={one.study_uid}",
            lambda: f"/dicom-web/studies?StudyInstanceUID=1.2.826.0.1.3680043.98.{dice.randrange(10**6)}",
        ),
        "WADO-RS metadata": (
            lambda one: f"/dicom-web/studies/{one.study_uid}/metadata",
            lambda: f"/dicom-web/studies/1.2.826.0.1.3680043.98.{dice.randrange(10**6)}/metadata",
        ),
    }
    for what, (foreign, absent) in ways.items():
        with steps.step(f"time of {what}: hidden and absent, {repeats} of each") as step:
            times = _times(
                place, [foreign(hidden.pop()) for _ in range(repeats)], [absent() for _ in range(repeats)], dice
            )
            row = _betrayal(what, *times)
            step.show(row.note)
        rows.append(row)
    return rows


def _times(
    place: Place, hidden: Sequence[str], absent: Sequence[str], dice: random.Random
) -> tuple[list[float], list[float]]:
    asked = [(0, path) for path in hidden] + [(1, path) for path in absent]
    dice.shuffle(asked)
    found: tuple[list[float], list[float]] = ([], [])
    headers = {"Authorization": _basic(place.auth)} if place.auth else {}
    line = http.client.HTTPConnection(urlsplit(place.url).netloc, timeout=30)
    answers: tuple[set[tuple[int, bytes]], set[tuple[int, bytes]]] = (set(), set())
    for which, path in asked:
        began = time.perf_counter()
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        content = answer.read()
        found[which].append(1000 * (time.perf_counter() - began))
        answers[which].add((answer.status, content))
    line.close()
    if answers[0] != answers[1]:
        raise Trouble("what is hidden is answered otherwise than what does not exist", "this is a leak: mend it first")
    return found


def _betrayal(what: str, hidden: Sequence[float], absent: Sequence[float]) -> Row:
    """Compare two series by ranks (Mann-Whitney): how often a guess by the time alone would be right."""
    ranked = sorted([(value, 0) for value in hidden] + [(value, 1) for value in absent])
    ranks = sum(place + 1 for place, (_, which) in enumerate(ranked) if which == 0)
    first, second = len(hidden), len(absent)
    above = ranks - first * (first + 1) / 2
    right = above / (first * second)
    spread = (first * second * (first + second + 1) / 12) ** 0.5
    z = (above - first * second / 2) / spread
    p = 2 * (1 - NormalDist().cdf(abs(z)))
    note = f"medians {median(hidden):.3f} and {median(absent):.3f} ms, {first} of each, p = {p:.3f}"
    metric = f"hidden or absent, told by the time of {what}"
    return alone(metric, round(100 * max(right, 1 - right), 1), "% of guesses right", 55.0, note)


def _id(dice: random.Random) -> str:
    return "-".join(f"{dice.getrandbits(32):08x}" for _ in range(5))
