"""How exactly the cap of a link is kept, by IP bytes on the wire in every span of ten seconds (F-05)."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cami_cli.answering import wait_people
from cami_cli.bench.delivery_cells import LOOK
from cami_cli.bench.delivery_emergency import make_urgent
from cami_cli.bench.delivery_images import Batch, orthanc_id
from cami_cli.bench.delivery_senders import OURS
from cami_cli.bench.delivery_servers import MO, Pair, Servers
from cami_cli.bench.link_emulator_ends import ThinLine
from cami_cli.errors import Trouble

SPAN = 10.0
#: Seconds at the beginning and the end that are no steady sending: the first objects are compressed, the last go alone.
_EDGE = 3.0
_SECONDS = 150.0
_BITS = 8
#: IP bytes for a byte of an image: headers, retransmissions on a line that loses 1 %.
_ON_THE_WIRE = 1.05


@dataclass(frozen=True, slots=True)
class Capped:
    """What was seen of a capped link."""

    cap: float
    """Bytes a second."""
    most: float
    """Bytes in the busiest ten seconds."""
    least: float
    """Bytes in the calmest ten seconds while there was enough to send."""
    exempt: float
    """Bytes that were exempt: so much the busiest ten seconds may have beyond the cap."""
    peak: float
    """Bytes in the busiest second."""
    seconds: float

    @property
    def worst(self) -> float:
        """Return how far ten seconds are at worst from what the cap allows, as a part of it.

        With something exempt, only beyond it: the others stand back for it afterwards, so some ten seconds have less.
        """
        over = self._part(self.most) - self.exempt / (self.cap * SPAN)
        return max(over, 0.0) if self.exempt else max(abs(over), abs(self._part(self.least)))

    def _part(self, amount: float) -> float:
        return amount / (self.cap * SPAN) - 1

    def __str__(self) -> str:
        """Say it in a line."""
        beside = f", {self.exempt / 1e6:.2f} MB of it exempt" if self.exempt else ""
        return (
            f"{100 * self._part(self.least):+.1f} to {100 * self._part(self.most):+.1f} % in {self.seconds:.0f} s"
            f"{beside}; busiest second {self.peak * _BITS / 1e6:.1f} Mbit/s"
        )


def hold_cap(servers: Servers, line: ThinLine, batch: Batch, urgent: Batch | None, *, mbit_s: float) -> Capped:
    """Send a study over a link that is capped at `mbit_s`, with an exempt emergency in the middle, and watch the wire.

    Raises
    ------
    cami_cli.errors.Trouble
        It ended before there was anything to see, or did not end.
    """
    line.change(line.line.mbit_s)
    with ThreadPoolExecutor(2) as pool, servers.pair("ours") as pair:
        who = servers.person("technologist", MO)
        wait_people(pair.proxy.runtime, pair.proxy.server, [who])
        began = line.look()
        sending = [pool.submit(OURS.send, pair, batch, [])]
        seen = [(0.0, 0.0)]
        wanted = len(batch.files) + (len(urgent.files) if urgent else 0)
        while pair.centre.instances() < wanted:
            if urgent and len(sending) == 1 and seen[-1][0] > SPAN:
                sending.append(pool.submit(make_urgent, pair, urgent, who))
            if seen[-1][0] > _SECONDS:
                raise Trouble("a capped link did not deliver the study in time", "see build/bench/delivery/work")
            time.sleep(LOOK)
            now = line.look()
            seen.append((now.at - began.at, now.up.bytes - began.up.bytes))
        for future in sending:
            future.result()
        exempt = _size(pair, urgent) * _ON_THE_WIRE if urgent else 0.0
    least, most = windows(seen)
    return Capped(mbit_s * 1e6 / _BITS, most, least, exempt, windows(seen, 1.0)[1], seen[-1][0])


def windows(seen: Sequence[tuple[float, float]], span: float = SPAN) -> tuple[float, float]:
    """Return the fewest and the most bytes in any span of so many seconds: fewest in the middle, most anywhere.

    Parameters
    ----------
    seen
        Pairs of seconds and all bytes until then.
    """
    first, last = _EDGE, seen[-1][0] - _EDGE
    least, most = float("inf"), 0.0
    start = 0
    for at, amount in seen:
        while start + 1 < len(seen) and at - seen[start + 1][0] >= span:
            start += 1
        began, before = seen[start]
        if at - began < span:
            continue
        inside = (amount - before) * span / (at - began)
        most = max(most, inside)
        if first <= began and at <= last:
            least = min(least, inside)
    if least == float("inf"):
        raise Trouble("the study was through before ten steady seconds were over", "send more of it")
    return least, most


def _size(pair: Pair, batch: Batch) -> float:
    """Return what the images of a batch weigh at the centre: as they went."""
    return sum(
        float(pair.centre.get(f"/instances/{orthanc_id(file)}/attachments/dicom/size").text) for file in batch.files
    )
