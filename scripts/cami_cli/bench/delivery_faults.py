"""What goes wrong on the way: a cut line, servers that are killed; and an emergency behind a full queue."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from cami_cli.answering import http, wait_people
from cami_cli.bench.delivery_cells import LOOK
from cami_cli.bench.delivery_images import Batch, orthanc_id, study_id
from cami_cli.bench.delivery_senders import OURS, store
from cami_cli.bench.delivery_servers import MO, Pair, Servers
from cami_cli.bench.link_emulator_ends import ThinLine
from cami_cli.errors import Trouble

Fault = Literal["line", "proxy", "centre"]
_BITS = 8
#: A line counts as back at full rate when it carries so much of its rate over so many seconds.
_FULL, _WINDOW = 0.9, 2.0
_FLOWING_BYTES = 10_000
_EMERGENCY_SECONDS = 60.0


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


def break_down(
    servers: Servers, line: ThinLine, batch: Batch, fault: Fault, *, mbit_s: float, outage: float
) -> Outcome:
    """Send a study by ours, break something after a third of it, mend it, and compare what arrived."""
    line.change(mbit_s)
    with ThreadPoolExecutor(1) as pool, servers.pair("ours") as pair:
        sending = pool.submit(OURS.send, pair, batch, [])
        _until(lambda: pair.centre.instances() >= len(batch.files) // 3, 90, "a third was not delivered")
        sending.result()
        down = _break(pair, line, fault, outage)
        flowing, full = _recovery(pair, line, mbit_s, len(batch.files))
        # What is not there by now is counted as lost, however it got so far.
        _wait(lambda: pair.centre.instances() >= len(batch.files), 120)
        lost, duplicated, altered = _compare(pair, batch)
        return Outcome(fault, len(batch.files), lost, duplicated, altered, flowing, full, down)


def emergency(
    servers: Servers, line: ThinLine, backlog: Batch, idle: Batch, busy: Batch, *, mbit_s: float
) -> tuple[float, float]:
    """Return the seconds that a radiograph takes on the idle line, and while CT is queued; each set to P0."""
    line.change(mbit_s)
    with servers.pair("ours") as pair:
        technologist = servers.person("technologist", MO)
        wait_people(pair.proxy.runtime, pair.proxy.server, [technologist])
        alone = _urgent(pair, idle, technologist)
        store(pair, backlog)
        _until(lambda: pair.centre.instances() > len(idle.files), 60, "the backlog does not move")
        behind = _urgent(pair, busy, technologist)
        if pair.centre.instances() >= len(backlog.files) + len(idle.files) + len(busy.files):
            raise Trouble("the backlog was gone before the emergency was through", "send more of it")
        return alone, behind


def _break(pair: Pair, line: ThinLine, fault: Fault, outage: float) -> float:
    began = time.monotonic()
    if fault == "line":
        line.cut()
        time.sleep(outage)
        line.restore()
    else:
        end = pair.proxy if fault == "proxy" else pair.centre
        end.runtime.kill(end.server)
        end.start()
    return time.monotonic() - began


def _recovery(pair: Pair, line: ThinLine, mbit_s: float, wanted: int) -> tuple[float | None, float | None]:
    """Return when anything flowed again and when the line was full again, in seconds from now."""
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
        span = seen[-1].at - seen[0].at
        rate = (seen[-1].up.bytes - seen[0].up.bytes) * _BITS / (mbit_s * 1e6 * span)
        if span >= _WINDOW and rate >= _FULL:
            return flowing, seen[0].at - began.at
    return flowing, None


def _compare(pair: Pair, batch: Batch) -> tuple[int, int, int]:
    """Return how many instances are lost, were not sent, or have other pixels."""
    sent = {orthanc_id(file): file for file in batch.files}
    answer = pair.centre.get("/instances")
    answer.raise_for_status()
    held = set(answer.json())
    altered = 0
    for instance in held & sent.keys():
        # Decoded, since it may have gone compressed.
        answer = pair.centre.get(f"/instances/{instance}/frames/0/numpy?rescale=false")
        answer.raise_for_status()
        altered += not same_pixels(np.load(BytesIO(answer.content)), dcmread(sent[instance]).pixel_array)
    return len(sent.keys() - held), len(held - sent.keys()), altered


def same_pixels(held: NDArray[Any], sent: NDArray[Any]) -> bool:
    """Return whether an image at the centre (rows, columns, samples) has the values of the one that was sent."""
    return held.size == sent.size and bool(
        np.array_equal(held.reshape(sent.shape).astype(np.int64), sent.astype(np.int64))
    )


def _urgent(pair: Pair, batch: Batch, who: tuple[str, str]) -> float:
    """Store a radiograph, make it an emergency, and return the seconds until the centre has it."""
    wanted = [orthanc_id(file) for file in batch.files]
    began = time.monotonic()
    store(pair, batch)
    body = {"study_id": study_id(batch.files[0]), "priority": 0}

    def urgent() -> bool:
        url = f"{pair.proxy.base}/cami/api/delivery/priority"
        return http().post(url, json=body, auth=who, timeout=10).status_code == 200

    _until(urgent, 15, "the radiograph did not get into the queue")
    _until(lambda: all(map(pair.centre.holds, wanted)), _EMERGENCY_SECONDS, "the emergency did not arrive")
    return time.monotonic() - began


def _until(holds: Callable[[], bool], seconds: float, otherwise: str) -> None:
    if not _wait(holds, seconds):
        raise Trouble(f"{otherwise} within {seconds:.0f} s", "see the servers' logs in build/bench/delivery/work")


def _wait(holds: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(LOOK)
    return True
