"""One cell of the delivery benchmark: one way to send one study, watched until it is there or time is up."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from cami_cli.bench.delivery_images import Batch
from cami_cli.bench.delivery_senders import Sender, preload
from cami_cli.bench.delivery_servers import Pair, Servers
from cami_cli.bench.link_emulator_ends import Seen, ThinLine
from cami_cli.errors import Trouble

#: Seconds between two looks at the centre: nothing is timed more finely than this.
LOOK = 0.1
_BITS = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """What a cell saw. Times count from the first byte that the proxy or, without one, the line was given."""

    sender: str
    modality: str
    mbit_s: float
    sent: int
    delivered: int
    seconds: float
    """Until the last instance was there, or until the cell's time was up."""
    last: float
    """Until the last instance that came in that time was there."""
    first: float | None
    """Until the first instance was there."""
    line_bytes: float
    """IP bytes from the proxy's end to the centre's in `seconds`, retransmissions and lost ones included."""
    raw_bytes: float
    """Of the instances that were there: as the device wrote them."""
    lost_packets: int
    overflowed_packets: int
    late: float
    """Worst lateness of the emulator, in seconds."""

    @property
    def share(self) -> float:
        """Return the part of the line that was used."""
        return self.line_bytes * _BITS / (self.mbit_s * 1e6 * self.seconds)

    @property
    def effect(self) -> float:
        """Return the raw DICOM bits that arrived for each bit that the line could carry meanwhile."""
        return self.raw_bytes * _BITS / (self.mbit_s * 1e6 * self.last) if self.delivered else 0.0

    def __str__(self) -> str:
        """Say it in a line."""
        first = "–" if self.first is None else f"{self.first:.1f} s"
        return (
            f"{self.delivered}/{self.sent} in {self.seconds:.1f} s, first {first}, line {100 * self.share:.0f} %, "
            f"{self.effect:.2f} raw bits per line bit"
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured."""

    sender: Sender
    batch: Batch
    mbit_s: float
    limit: float
    """Seconds after which it is over, delivered or not."""


def measure(servers: Servers, line: ThinLine, cell: Cell) -> Sample:
    """Send a batch into empty servers and watch it.

    Raises
    ------
    cami_cli.errors.Trouble
        A server did not start, or nothing was sent.
    """
    sender, batch = cell.sender, cell.batch
    line.change(cell.mbit_s)  # the registry says how fast the line is
    # Left in this order: servers that are killed free whatever still sends to them.
    with ThreadPoolExecutor(1) as pool, servers.pair(sender.kind, lua=sender.lua) as pair:
        ids = preload(pair, batch) if sender.preloaded else []
        before = line.change(cell.mbit_s)
        return _watch(pair, line, pool.submit(sender.send, pair, batch, ids), cell, before)


def _watch(pair: Pair, line: ThinLine, sending: Future[None], cell: Cell, before: Seen) -> Sample:
    """Look at the centre until everything is there or time is up."""
    batch = cell.batch
    count, first, last, now = 0, None, 0.0, before
    while count < len(batch.files) and now.at - before.at < cell.limit:
        time.sleep(LOOK)
        seen = pair.centre.instances()
        now = line.look()
        if seen > count:
            count, last = seen, now.at - before.at
            first = last if first is None else first
        if sending.done() and (problem := sending.exception()):
            raise problem
    up = now.up.since(before.up)
    return Sample(
        sender=cell.sender.name,
        modality=batch.modality,
        mbit_s=cell.mbit_s,
        sent=len(batch.files),
        delivered=count,
        seconds=now.at - before.at,
        last=last,
        first=first,
        line_bytes=up.bytes,
        raw_bytes=count * batch.mean,
        lost_packets=up.lost,
        overflowed_packets=up.overflowed,
        late=now.late,
    )


def until(holds: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Wait until `holds`; raises `Trouble` that says `otherwise` if it does not in time."""
    if not wait(holds, seconds):
        raise Trouble(f"{otherwise} within {seconds:.0f} s", "see the servers' logs in build/bench/delivery/work")


def wait(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until `holds`, at most so long; say whether it does."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK)
    return True
