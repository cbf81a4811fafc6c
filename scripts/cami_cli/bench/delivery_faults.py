"""What a fault on the way does to a study, ours and stock Orthanc's."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from cami_cli.answering import http
from cami_cli.bench.delivery_breaking import WEAKNESS, Fault, Scene, break_it
from cami_cli.bench.delivery_cells import LOOK, until, wait
from cami_cli.bench.delivery_images import Batch, orthanc_id
from cami_cli.bench.delivery_senders import LUA, OURS
from cami_cli.bench.delivery_servers import MO, Pair, Servers
from cami_cli.bench.link_emulator_ends import Seen, ThinLine

#: A line counts as back at full rate when it carries so much of what it did before, over so many seconds.
_FULL, _WINDOW = 0.9, 2.0
_FLOWING_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault did."""

    fault: Fault
    sent: int
    lost: int
    duplicated: int
    """Instances at the centre that nobody sent."""
    altered: int
    """Instances whose pixels differ from those that were sent."""
    flowing: float | None
    """Seconds until anything went over the line again."""
    full: float | None
    """Seconds until the line was full again."""
    down: float
    """How long the line or the server was away."""
    seconds: float
    """From the first C-STORE until all was at the centre."""
    line_bytes: float
    """IP bytes from the proxy to the centre meanwhile."""
    given: float | None = None
    """Of them, bytes that the proxy gave to its sockets for images and questions; None: it was started again."""
    lost_packets: int = 0
    """By chance, behind the serialiser: each is sent again."""

    def __str__(self) -> str:
        """Say it in a line."""
        full = "" if self.full is None else f", full again after {self.full:.1f} s"
        return (
            f"{self.lost} lost, {self.duplicated} duplicated, {self.altered} altered of {self.sent} in "
            f"{self.seconds:.0f} s{full}, {self.line_bytes / 1e6:.2f} MB on the line"
        )


def break_down(
    servers: Servers, line: ThinLine, batch: Batch, fault: Fault, *, mbit_s: float, outage: float
) -> Outcome:
    """Send a study by ours, break something after a third of it, mend it, and compare what arrived."""
    line.change(mbit_s)
    wanted = len(batch.files)
    with ThreadPoolExecutor(1) as pool, servers.pair("ours", weak=WEAKNESS.get(fault, "none")) as pair:
        began = line.look()
        sending = pool.submit(OURS.send, pair, batch, [])
        until(lambda: pair.centre.instances() >= wanted // 6, 180, "a sixth was not delivered")
        before = line.look()
        until(lambda: pair.centre.instances() >= wanted // 3, 180, "a third was not delivered")
        sending.result()
        usual = _rate(before, line.look())
        down = break_it(fault, Scene(pair, line, outage, lambda: pair.centre.instances() >= wanted))
        flowing, full = (None, None) if fault in ("none", "flaky") else _recovery(pair, line, usual, wanted)
        # What is not there by now is counted as lost, however it got so far.
        wait(lambda: pair.centre.instances() >= wanted, 240)
        ended = line.look()
        lost, duplicated, altered = _compare(pair, batch)
        given = None if fault in ("proxy", "both") else _given(pair, servers.person("technologist", MO))
        return Outcome(
            fault=fault,
            sent=wanted,
            lost=lost,
            duplicated=duplicated,
            altered=altered,
            flowing=flowing,
            full=full,
            down=down,
            seconds=ended.at - began.at,
            line_bytes=ended.up.since(began.up).bytes,
            given=given,
            lost_packets=ended.up.since(began.up).lost,
        )


def _given(pair: Pair, who: tuple[str, str]) -> float | None:
    answer = http().get(f"{pair.proxy.base}/cami/api/delivery?limit=1", auth=who, timeout=20)
    return float(answer.json()["line"]["sent_bytes"]) if answer.status_code == 200 else None


def stock_loss(servers: Servers, line: ThinLine, batch: Batch, *, mbit_s: float, outage: float) -> tuple[int, int]:
    """Cut the line in the middle of stock auto-routing; return how many instances were sent and how many got lost."""
    line.change(mbit_s)
    wanted = len(batch.files)
    with ThreadPoolExecutor(1) as pool, servers.pair(LUA.kind, lua=LUA.lua) as pair:
        sending = pool.submit(LUA.send, pair, batch, [])
        until(lambda: pair.centre.instances() >= wanted // 3, 180, "a third was not delivered")
        line.cut()
        time.sleep(outage)
        line.restore()
        sending.result()
        wait(lambda: not _works(pair), 240)
        return wanted, wanted - pair.centre.instances()


def _works(pair: Pair) -> bool:
    """Say whether the stock proxy still has jobs that have not ended, in success or failure."""
    answer = pair.proxy.get("/jobs?expand")
    return any(job["State"] in ("Pending", "Running", "Retry") for job in answer.json())


def _recovery(pair: Pair, line: ThinLine, usual: float, wanted: int) -> tuple[float | None, float | None]:
    """Return when anything flowed again and when as much as before the fault, in seconds from now."""
    began = line.look()
    seen = [began]
    flowing = None
    while seen[-1].at - began.at < 90 and pair.centre.instances() < wanted:
        time.sleep(LOOK)
        seen.append(line.look())
        if flowing is None and seen[-1].up.bytes - began.up.bytes > _FLOWING_BYTES:
            flowing = seen[-1].at - began.at
        while len(seen) > 2 and seen[-1].at - seen[1].at >= _WINDOW:
            seen.pop(0)
        if seen[-1].at - seen[0].at >= _WINDOW and _rate(seen[0], seen[-1]) >= _FULL * usual:
            return flowing, seen[0].at - began.at
    return flowing, None


def _rate(before: Seen, after: Seen) -> float:
    """Return the bytes a second towards the centre between two looks."""
    return (after.up.bytes - before.up.bytes) / (after.at - before.at)


def _compare(pair: Pair, batch: Batch) -> tuple[int, int, int]:
    """Return how many instances are lost, were not sent, or have other pixels."""
    sent = {orthanc_id(file): file for file in batch.files}
    answer = pair.centre.get("/instances")
    answer.raise_for_status()
    held = set(answer.json())

    def whole(instance: str) -> bool:
        # Decoded, since it may have gone compressed.
        answer = pair.centre.get(f"/instances/{instance}/frames/0/numpy?rescale=false")
        answer.raise_for_status()
        return same_pixels(np.load(BytesIO(answer.content)), dcmread(sent[instance]).pixel_array)

    altered = sum(not whole(instance) for instance in held & sent.keys())
    return len(sent.keys() - held), len(held - sent.keys()), altered


def same_pixels(held: NDArray[Any], sent: NDArray[Any]) -> bool:
    """Return whether an image at the centre (rows, columns, samples) has the values of the one that was sent."""
    return held.size == sent.size and bool(
        np.array_equal(held.reshape(sent.shape).astype(np.int64), sent.astype(np.int64))
    )
