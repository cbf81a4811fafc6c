"""The worklist: from an order to what findscu sees, and findscu when the proxy has 100,000 entries.

A region of its own. Orders are placed in the centre's database, as the МИС's face does; a device asks for one of them
again and again until it finds it. What is asked with 100,000 entries is what consoles ask: the day, a number, a name.
"""

import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from cami_cli.bench.access_rows import draw_name
from cami_cli.bench.report import Row, alone
from cami_cli.errors import Trouble
from cami_cli.places import HOME
from cami_cli.progress import Progress
from cami_cli.runtime.base import Suite
from cami_cli.runtime.native import NativeRuntime

MO = "42001"
_DEVICES = (("CT42001", "CT"), ("MR42001", "MR"), ("DX42001", "DX"), ("MG42001", "MG"), ("US42001", "US"))
#: Days over which entries lie: 200 a device and day, as many as a device can do, ten times over.
_DAYS = 100
_WAIT = 60.0
#: Seconds between two samples of how long an order takes.
_SAMPLED = 2.0
_STEP = "ScheduledProcedureStepSequence[0]"


@dataclass(frozen=True, slots=True)
class _Region:
    """A region that runs."""

    about: dict[str, Any]
    runtime: NativeRuntime
    state: Path

    def ask(self, *keys: str, aet: str = "CT42001", times: int = 1) -> tuple[list[float], str]:
        """Run findscu so many times; return the seconds of each, and what the last has printed."""
        proxy = next(each for each in self.about["proxies"] if each["mo"] == MO)["dicom"]
        asked = ["AccessionNumber", "PatientName", "PatientID", f"{_STEP}.Modality", *keys]
        options = " ".join(f"-k '{key}'" for key in asked)
        call = f"findscu -W -v -aet {aet} -aec {proxy['aet']} {options} {proxy['host']} {proxy['port']}"
        loop = f"i=0; while [ $i -lt {times} ]; do a=$(date +%s%N); {call} >/tmp/out 2>&1 || exit 1; "
        loop += 'b=$(date +%s%N); echo "TOOK $((b-a))"; i=$((i+1)); done; cat /tmp/out'
        done = self.runtime.tool(["sh", "-c", loop])
        if done.returncode:
            raise Trouble("findscu got no answer", done.stdout[-500:])
        took = [int(line[5:]) / 1e9 for line in done.stdout.splitlines() if line.startswith("TOOK ")]
        return took, done.stdout


def worklist_rows(
    suite: Suite, *, entries: int, seconds: int, rate: int, repeats: int, steps: Progress
) -> tuple[list[Row], dict[str, list[float]]]:
    """Measure; return the rows and every single time, in seconds."""
    with _region(suite, steps) as region:
        with steps.step(f"{rate} orders a second for {seconds} s") as step:
            times, placed = _place(region, seconds, rate)
            step.show(f"{placed} orders; median {median(times):.2f} s")
        lost = _missing(region, placed)
        with steps.step(f"{entries:,} entries at the proxy"):
            _fill(region, entries)
        today = datetime.now().astimezone().strftime("%Y%m%d")
        some = f"T{entries // 2:08d}"
        questions = {
            "the day of a device": (f"{_STEP}.ScheduledProcedureStepStartDate={today}",),
            "by number": (f"AccessionNumber={some}",),
            "by the beginning of a name, a week": (
                "PatientName=IVANO*",
                f"{_STEP}.ScheduledProcedureStepStartDate={today}-",
            ),
        }
        runs = {}
        for what, keys in questions.items():
            with steps.step(f"findscu, {what}") as step:
                runs[what], printed = region.ask("0008,0005=ISO_IR 192", *keys, times=repeats)
                step.show(f"{printed.count('Find Response:')} answers, median {1000 * median(runs[what]):.0f} ms")
    rows = [
        alone("order → findscu at the proxy, p95", _p95(times), "s", 5.0, f"{len(times)} of {placed} orders, {rate}/s"),
        alone("orders that did not reach the worklist", float(lost), "orders", 0.0, f"of {placed}"),
    ]
    for what, found in runs.items():
        note = f"median {1000 * median(found):.0f} ms; a process of findscu each time"
        rows.append(alone(f"findscu -W, {entries:,} entries, {what}, p95", 1000 * _p95(found), "ms", 200.0, note))
    return rows, {"order": times, **runs}


def _p95(times: Sequence[float]) -> float:
    return round(quantiles(times, n=20)[18], 3) if len(times) > 1 else round(times[0], 3)


@contextmanager
def _region(suite: Suite, steps: Progress) -> Iterator[_Region]:
    state = HOME / "build" / "bench" / "worklist"
    shutil.rmtree(state, ignore_errors=True)
    cami = HOME / "scripts" / "cami"
    with steps.step("a region"):
        up: list[str | Path] = [cami, "region", "up", "--state", state, "--suite", suite, "--detach", "--json"]
        done = subprocess.run(up, capture_output=True, text=True, check=False)
    try:
        if done.returncode:
            raise Trouble("the region does not start", done.stderr[-500:])
        region = _Region(json.loads(done.stdout), NativeRuntime(suite), state)
        _until("the worklist answers", lambda: bool(region.ask()[0]))
        yield region
    finally:
        subprocess.run([cami, "region", "down", "--state", state], capture_output=True, check=False)


def _place(region: _Region, seconds: int, rate: int) -> tuple[list[float], int]:
    """Place orders evenly; every two seconds measure how long the one just placed takes to be found."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    from cami.clock import SystemClock  # noqa: PLC0415 - the database library comes with the development lock only
    from cami.db import open_engine  # noqa: PLC0415
    from cami.events import EventLog  # noqa: PLC0415
    from cami.orders import Identifier, NewOrder, Orders, Patients, Person  # noqa: PLC0415

    engine = open_engine(f"sqlite:///{region.state}/servers/central/data/cami.sqlite")
    clock = SystemClock()
    events = EventLog(engine, clock)
    patients = Patients(engine, clock, events)
    orders = Orders(engine, clock, events, patients)

    def place(number: int) -> str:
        aet, modality = _DEVICES[number % len(_DEVICES)]
        person = Person("Иванова", "Анна", "", "1961-03-14", "F", (Identifier("urn:oid:1.2.100.1.1.10", str(number)),))
        with engine.begin() as connection:
            key = patients.put(connection, person, "mis:bench").patient.key
            order, _ = orders.place(
                connection,
                NewOrder(
                    placer_system="urn:bench", placer_number=str(number), source="mis:bench", patient=key, mo=MO,
                    device_aet=aet, modality=modality, procedure_text="Исследование", scheduled_at=clock.now(),
                ),
            )  # fmt: skip
        return order.accession

    def watch(accession: str, aet: str, began: float) -> float:
        while time.monotonic() - began < _WAIT:
            if "Find Response:" in region.ask(f"AccessionNumber={accession}", aet=aet)[1]:
                return time.monotonic() - began
        return _WAIT

    begin, placed, sampled = time.monotonic(), 0, 0.0
    try:
        with ThreadPoolExecutor(8) as threads:
            watched = []
            while (now := time.monotonic() - begin) < seconds:
                if placed > now * rate:
                    time.sleep(placed / rate - now)
                accession = place(placed)
                if time.monotonic() - begin >= sampled:
                    sampled += _SAMPLED
                    aet = _DEVICES[placed % len(_DEVICES)][0]
                    watched.append(threads.submit(watch, accession, aet, time.monotonic()))
                placed += 1
            return [each.result() for each in watched], placed
    finally:
        engine.dispose()


def _missing(region: _Region, placed: int) -> int:
    """Return how many orders are not on the proxy's worklist when it has had time to read them."""
    from sqlalchemy import func, select  # noqa: PLC0415

    from cami.db import open_engine  # noqa: PLC0415
    from cami.db.tables import worklist_entry  # noqa: PLC0415

    engine = open_engine(f"sqlite:///{region.state}/servers/proxy-{MO}/data/cami.sqlite")

    def here() -> int:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(worklist_entry)) or 0

    try:
        end = time.monotonic() + _WAIT
        while here() < placed and time.monotonic() < end:
            time.sleep(0.5)
        return placed - here()
    finally:
        engine.dispose()


def _fill(region: _Region, entries: int) -> None:
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    from cami.clock import SystemClock  # noqa: PLC0415
    from cami.db import open_engine  # noqa: PLC0415
    from cami.worklist import Entries, Entry  # noqa: PLC0415
    from cami.worklist.entries import Page  # noqa: PLC0415

    engine = open_engine(f"sqlite:///{region.state}/servers/proxy-{MO}/data/cami.sqlite")
    here = Entries(engine, SystemClock(), ZoneInfo("Asia/Novokuznetsk"))
    chance = random.Random(1)  # noqa: S311 - no secret
    begin = datetime.now(UTC) - timedelta(days=_DAYS // 2)

    def entry(number: int) -> Entry:
        aet, modality = _DEVICES[number % len(_DEVICES)]
        return Entry(
            number=f"b{number}", accession=f"T{number:08d}", study_uid=f"2.25.9{number}", modality=modality, device=aet,
            patient_id=f"P{number}", patient_name=draw_name(f"P{number}"), birth_date="19700101", sex="F",
            scheduled_at=begin + timedelta(minutes=chance.randrange(_DAYS * 1440)), procedure_text="Исследование",
        )  # fmt: skip

    try:
        at = here.place()
        for start in range(0, entries, 5000):
            part = [(at.place, entry(number)) for number in range(start, min(start + 5000, entries))]
            here.apply(Page(at.epoch, False, part, [], at.place, False))
    finally:
        engine.dispose()


def _until(what: str, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _WAIT
    while True:
        try:
            if holds():
                return
        except Trouble:
            if time.monotonic() > end:
                raise
        if time.monotonic() > end:
            raise Trouble(f"not within {_WAIT:.0f} s: {what}", "see the logs of the servers in build/bench/worklist")
        time.sleep(0.2)
