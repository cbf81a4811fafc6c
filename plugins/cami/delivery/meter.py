"""What goes over the line: bytes by second and by study, and what became of them. In memory, from this start on.

The rate is measured where bytes are handed to the socket, which holds next to nothing back (`cami.delivery.transport`):
a line that stands shows as nothing within seconds.
"""

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

#: Upper bounds (seconds) of the histogram of lags from device to centre; beyond the last one there is one more class.
LAG_BOUNDS: Sequence[float] = (1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400)
#: Seconds that are looked back at, at most.
KEPT = 60
#: Seconds over which the rate of this moment is taken.
NOW = 10
#: Deliveries from which the ratio of image bytes to line bytes is reckoned, and for how long (seconds) one counts.
_DELIVERIES, _RECENT = 200, 600
#: Less than this on the line says nothing about the ratio.
_ENOUGH = 64 * 1024


@dataclass(slots=True)
class _Second:
    number: int
    total: int = 0
    by_study: dict[str, int] = field(default_factory=dict)


class Load:
    """An object that is on its way, whoever of the senders carries parts of it."""

    def __init__(self, meter: "Meter", study_id: str, size: int, length: int) -> None:
        """See `Meter.carrying`."""
        self._meter = meter
        self.study_id = study_id
        self.size = size
        self.length = max(length, 1)
        self.sent = 0
        """Bytes on the line for it, heads and what was sent again among them."""
        self.kept = 0
        """Bytes of it that the centre had from before."""

    def resume(self, offset: int) -> None:
        """Note that the centre has `offset` bytes of it, or of a part of it, from before a break."""
        self._meter.resumed(self, offset)

    @property
    def over(self) -> int:
        """How many bytes of it, as stored here, are over the line."""
        return int(self.size * min((self.sent + self.kept) / self.length, 1.0))


@dataclass(frozen=True, slots=True)
class Lags:
    """Seconds from a device to the centre, image by image, as a histogram."""

    counts: Sequence[int]
    """By `LAG_BOUNDS`, not added up; the last one is of what took longer."""
    total: float

    @property
    def cumulative(self) -> Sequence[int]:
        """Counts of what took no longer than each bound, the last of all, as Prometheus wants them."""
        sums = []
        so_far = 0
        for count in self.counts:
            so_far += count
            sums.append(so_far)
        return sums


@dataclass(frozen=True, slots=True)
class Counters:
    """Counts since this server was started."""

    sent_bytes: int
    delivered: int
    """Images that the centre has answered for."""
    retries: int
    """Images that had to go back to the queue because the line or the centre failed."""
    resumed: int
    """Times that a large object went on where a break had left it."""
    lags: Lags


class Meter:
    """Counts; thread-safe."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._seconds: deque[_Second] = deque()
        self._loads: set[Load] = set()
        self._deliveries: deque[tuple[float, int, int]] = deque(maxlen=_DELIVERIES)
        """When, how many bytes as stored, and how many bytes on the line for it."""
        self._sent = self._delivered = self._retries = self._resumed = 0
        self._lag_counts = [0] * (len(LAG_BOUNDS) + 1)
        self._lag_total = 0.0

    @contextmanager
    def carrying(self, study_id: str, size: int, length: int) -> Iterator[Load]:
        """Ascribe what is sent for an object to its study as long as it is on its way.

        Parameters
        ----------
        study_id
            Orthanc id.
        size
            Bytes of the image as it is stored here.
        length
            Bytes of it as it goes over the line, before gzip.
        """
        load = Load(self, study_id, size, length)
        with self._lock:
            self._loads.add(load)
        try:
            yield load
        finally:
            with self._lock:
                self._loads.discard(load)

    def sent(self, amount: int, load: Load | None = None) -> None:
        """Count bytes that were given to the socket, for a load or for a question to the centre."""
        with self._lock:
            second = int(self._now())
            if not self._seconds or self._seconds[-1].number != second:
                self._seconds.append(_Second(second))
                self._drop_old(second)
            latest = self._seconds[-1]
            latest.total += amount
            self._sent += amount
            if load is not None:
                load.sent += amount
                latest.by_study[load.study_id] = latest.by_study.get(load.study_id, 0) + amount

    def resumed(self, load: Load, offset: int) -> None:
        """Note that the centre had a part of a load from before; counted once a load."""
        with self._lock:
            self._resumed += load.kept == 0
            load.kept += offset

    def delivered(self, load: Load, lag: float) -> None:
        """Note that the centre has an image, `lag` seconds after it came in."""
        with self._lock:
            self._deliveries.append((self._now(), load.size, load.sent + load.kept))
            self._delivered += 1
            self._lag_counts[bisect_left(LAG_BOUNDS, lag)] += 1
            self._lag_total += max(lag, 0.0)

    def retried(self) -> None:
        """Note that an image went back to the queue because the line or the centre failed."""
        with self._lock:
            self._retries += 1

    def rate(self, span: float = NOW) -> float:
        """Return bytes a second over the last `span` seconds."""
        with self._lock:
            return self._rate(span, lambda second: second.total)

    def rate_of(self, study_id: str, span: float = NOW) -> float:
        """Return bytes a second that one study got over the last `span` seconds."""
        with self._lock:
            return self._rate(span, lambda second: second.by_study.get(study_id, 0))

    def under_way(self) -> Mapping[str, int]:
        """Return by study how many bytes of images, as stored here, are over of what is being sent just now."""
        found: dict[str, int] = {}
        with self._lock:
            for load in self._loads:
                found[load.study_id] = found.get(load.study_id, 0) + load.over
        return found

    def ratio(self) -> float:
        """Return how many bytes of stored images a byte on the line stands for: compression, heads, retries and all."""
        with self._lock:
            since = self._now() - _RECENT
            recent = [entry for entry in self._deliveries if entry[0] >= since]
            on_line = sum(sent for _, _, sent in recent)
            return sum(size for _, size, _ in recent) / on_line if on_line >= _ENOUGH else 1.0

    def counters(self) -> Counters:
        """Return the counts."""
        with self._lock:
            lags = Lags(tuple(self._lag_counts), self._lag_total)
            return Counters(self._sent, self._delivered, self._retries, self._resumed, lags)

    def _rate(self, span: float, amount: Callable[[_Second], int]) -> float:
        """Divide by the time since it began, if that is within the span: a line that has just begun is not slow."""
        now = self._now()
        begin = now - span
        found = [
            # Of the second in which the span begins only a part belongs to it.
            (second.number, amount(second) * min(second.number + 1 - begin, 1.0))
            for second in self._seconds
            if second.number + 1 > begin
        ]
        moving = [number for number, bytes_sent in found if bytes_sent]
        if not moving:
            return 0.0
        began = max(float(moving[0]), begin)
        return sum(bytes_sent for _, bytes_sent in found) / max(now - began, 1.0)

    def _drop_old(self, second: int) -> None:
        while self._seconds[0].number < second - KEPT:
            self._seconds.popleft()
