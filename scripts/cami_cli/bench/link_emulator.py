"""A thin line as arithmetic: what happens to each IP packet that is given to it, and when.

A direction of the line is a serialiser behind a queue of bounded length (what does not fit is dropped at its tail),
then random loss, then a constant delay. Loss comes *after* the serialiser: a lost packet has used the line, as it does
on a real one. No clock and no socket here: `cami_cli.bench.link_emulator_process` gives packets and moments.
"""

from dataclasses import asdict, dataclass, fields
from random import Random

_BITS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """What a line is like, the same in both directions."""

    mbit_s: float
    delay: float = 0.030
    """Seconds each way."""
    loss: float = 0.01
    """Part of the packets that are lost behind the serialiser."""
    queue_bytes: int = 75_000
    """What may wait for the serialiser, the packet in it included."""

    def __post_init__(self) -> None:
        """Refuse what is no line."""
        if self.mbit_s <= 0 or self.delay < 0 or not 0 <= self.loss < 1 or self.queue_bytes <= 0:
            raise ValueError(f"no such line: {self}")

    @property
    def bytes_per_second(self) -> float:
        """Return the rate of the serialiser."""
        return self.mbit_s * 1e6 / _BITS


@dataclass(slots=True)
class Counts:
    """What has happened in one direction."""

    packets: int = 0
    """That have been or are being serialised."""
    bytes: float = 0.0
    """IP bytes that the serialiser has finished, lost ones included."""
    lost: int = 0
    overflowed: int = 0
    cut: int = 0
    """Packets that came, waited or travelled when the line was cut."""

    def since(self, before: "Counts") -> "Counts":
        """Return what has happened after `before`."""
        return Counts(*(getattr(self, one.name) - getattr(before, one.name) for one in fields(self)))

    def as_json(self) -> dict[str, float]:
        """Return the counts for a report."""
        return asdict(self)


class Direction:
    """One direction of a line."""

    def __init__(self, line: Line, chance: Random) -> None:
        self._line = line
        self._chance = chance
        self._free_at = 0.0
        self._whole = True
        self._counts = Counts()

    def offer(self, size: int, now: float) -> float | None:
        """Give a packet of `size` IP bytes to the line; return when it comes out at the other end, or None."""
        if not self._whole:
            self._counts.cut += 1
            return None
        if self._backlog(now) + size > self._line.queue_bytes:
            self._counts.overflowed += 1
            return None
        self._free_at = max(now, self._free_at) + size / self._line.bytes_per_second
        self._counts.packets += 1
        self._counts.bytes += size
        if self._chance.random() < self._line.loss:
            self._counts.lost += 1
            return None
        return self._free_at + self._line.delay

    def change(self, line: Line, now: float) -> None:
        """Become another line; what waits is dropped."""
        self._drop_backlog(now)
        self._line = line

    def cut(self, now: float, travelling: int) -> None:
        """Break the line; `travelling` packets that had been taken are lost with it."""
        self._drop_backlog(now)
        self._whole = False
        self._counts.cut += travelling

    def restore(self) -> None:
        """Make the line whole again, with an empty queue."""
        self._whole = True

    def counts(self, now: float) -> Counts:
        """Return what has happened so far; what still waits for the serialiser has not used the line yet."""
        seen = Counts(**asdict(self._counts))
        seen.bytes -= self._backlog(now)
        return seen

    def _backlog(self, now: float) -> float:
        return max(0.0, self._free_at - now) * self._line.bytes_per_second

    def _drop_backlog(self, now: float) -> None:
        self._counts.bytes -= self._backlog(now)
        self._free_at = now
