"""How delivery stands at a proxy just now: the queue, the line, the rate, how long it will take.

Times are estimates from what the line has carried in the last seconds. While nothing moves there is no honest one, and
none is given.
"""

from dataclasses import dataclass
from datetime import datetime

from cami.delivery.disk import DiskWatch
from cami.delivery.line import Line, Outage
from cami.delivery.meter import KEPT, Counters, Meter
from cami.delivery.pace import Timetable
from cami.delivery.reasons import Cause
from cami.watch.progress import DeliveryProgress
from cami.watch.waiting import Queue, QueueWatch

#: Seconds over which the rate is taken that times are reckoned from: steadier than that of the moment.
_STEADY = KEPT / 2


@dataclass(frozen=True, slots=True)
class StudyTransfer:
    """A study that is on its way."""

    rate: float
    """Bytes a second on the line, of this study alone."""
    over: int
    """Bytes of its images, as stored here, that are over of what is being sent just now."""
    seconds_left: float | None
    """Until all of it that waits is at the centre; None: nobody can say."""
    held: bool = False
    """Whether it waits for the night, as its class does (F-05): nothing is wrong with it."""

    def reason(self, study: DeliveryProgress) -> str:
        """Return the code of what keeps a study, its class's hours included; empty when nothing does."""
        return Cause.NIGHT if self.held and not (study.quarantined or study.lost) else study.reason


@dataclass(frozen=True, slots=True)
class Status:
    """Delivery of the whole proxy."""

    queue: Queue
    rate: float
    """Bytes a second on the line."""
    seconds_left: float | None
    outage: Outage | None
    limit: float | None
    """Bytes a second that the registry allows now; None: as much as the line carries."""
    limit_until: datetime | None
    """When that changes next; None: never."""
    counters: Counters


class Transfer:
    """Looks at the parts of a proxy that know. Thread-safe."""

    def __init__(self, queue: QueueWatch, line: Line, meter: Meter, timetable: Timetable, disk: DiskWatch) -> None:
        self._queue = queue
        self._line = line
        self._meter = meter
        self._timetable = timetable
        self.disk = disk

    def queue(self) -> Queue:
        """Return what waits."""
        return self._queue.queue()

    def status(self) -> Status:
        """Return how the whole of it stands."""
        queue = self._queue.queue()
        over = sum(self._meter.under_way().values())
        held = sum(study.size for study in queue.studies.values() if study.priority in self._timetable.held())
        limit = self._timetable.limit()
        return Status(
            queue=queue,
            rate=self._meter.rate(),
            seconds_left=self._seconds(queue.size - held - over),
            outage=self._line.outage,
            limit=limit,
            limit_until=None if limit is None else self._timetable.changes_at(),
            counters=self._meter.counters(),
        )

    def study(self, study_id: str) -> StudyTransfer:
        """Return how one study stands."""
        under_way = self._meter.under_way()
        queue, held = self._queue.queue(), self._timetable.held()
        own = queue.studies.get(study_id)
        waits = own is not None and own.priority in held and study_id not in under_way
        ahead = 0 if waits else queue.ahead(study_id, held)
        left = self._seconds(ahead - sum(under_way.values())) if ahead else None
        return StudyTransfer(self._meter.rate_of(study_id), under_way.get(study_id, 0), left, waits)

    def _seconds(self, size: int) -> float | None:
        """Return how long `size` bytes of images take at the present rate."""
        rate = self._meter.rate(_STEADY) * self._meter.ratio()
        if self._line.outage is not None or not rate:
            return None
        return max(size, 0) / rate
