"""Picking the next of a million waiting instances, straight from the proxy's queue."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from cami.clock import SystemClock
from cami_cli.errors import Trouble

_STUDY = 250
"""Instances of a study."""
_COLUMNS = (
    "instance_id, study_id, study_uid, sop_uid, modality, description, size, seq, state, attempts, received_at, "
    "lane, turn"
)


@dataclass(frozen=True, slots=True)
class Picked:
    """What taking from a full queue costs."""

    waiting: int
    p50_ms: float
    p95_ms: float
    worst_ms: float
    memory_mb: float
    """How much this process grew by taking."""

    def __str__(self) -> str:
        """Say it in a line."""
        return f"median {self.p50_ms:.1f} ms, 95 % within {self.p95_ms:.1f} ms, {self.memory_mb:+.1f} MB"


def pick(folder: Path, *, waiting: int = 1_000_000, takes: int = 1000) -> Picked:
    """Fill a queue in a SQLite file and take from it."""
    try:
        from cami.db import open_engine  # noqa: PLC0415 - the database library comes with the development lock only
        from cami.db.migrate import migrate  # noqa: PLC0415
        from cami.delivery.queue import DeliveryQueue  # noqa: PLC0415
    except ImportError as error:
        raise Trouble(
            f"the plugin's database library is missing: {error}", "CAMI_DEV=1 scripts/cami --version"
        ) from error
    file = folder / "queue.sqlite"
    for old in folder.glob("queue.sqlite*"):
        old.unlink()
    url = f"sqlite:///{file}"
    migrate(url)
    with closing(sqlite3.connect(file)) as database, database:
        places = ", ".join("?" * len(_COLUMNS.split(",")))
        database.executemany(f"INSERT INTO delivery_item ({_COLUMNS}) VALUES ({places})", _rows(waiting))  # noqa: S608
    engine = open_engine(url)
    try:
        queue = DeliveryQueue(engine, SystemClock())
        queue.take()  # the first one opens the file
        before, times = _memory_mb(), []
        for _ in range(takes):
            began = time.perf_counter()
            item = queue.take()
            times.append(1000 * (time.perf_counter() - began))
            if item is None:
                raise Trouble("the queue was empty before its time", "look at how the benchmark fills it")
        grown = _memory_mb() - before
    finally:
        engine.dispose()
        for old in folder.glob("queue.sqlite*"):
            old.unlink()
    cuts = quantiles(times, n=20)
    return Picked(waiting, cuts[9], cuts[18], max(times), grown)


def _rows(waiting: int) -> Iterator[tuple[object, ...]]:
    """Yield instances of studies that came one after the other; one in a hundred studies is urgent."""
    for number in range(waiting):
        study = number // _STUDY
        lane = 0 if study % 100 == 99 else 2
        yield (
            f"{number:044x}",
            f"{study:044x}",
            f"2.25.{study}",
            f"2.25.{study}.{number}",
            "CT",
            "CHEST",
            525_000,
            number,
            "queued",
            0,
            "2026-11-22 12:00:00.000000",
            lane,
            1_763_800_000.0 + study * 60 + (number % _STUDY) * 2.1,
        )


def _memory_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
