"""Reading Orthanc's change log into the queue.

The log is written in the transaction that stores the instance, and survives every crash; stable-study events and jobs
do not (design §2). An entry whose instance is gone already (deleted before it was read) is passed over.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence

from cami.archive import Archive, InstanceIdentity
from cami.delivery.queue import DeliveryQueue

PAGE = 500


class ChangeFeed:
    """Moves what arrived at the local archive into the delivery queue."""

    def __init__(
        self,
        archive: Archive,
        queue: DeliveryQueue,
        on_arrival: Callable[[], None] = lambda: None,
        *,
        guests: Callable[[Collection[str]], Collection[str]] = lambda _: (),
    ) -> None:
        """Make a feed.

        Parameters
        ----------
        on_arrival
            Called when something was put into the queue.
        guests
            Tells which of some instances are another МО's, kept here by a grant: they are passed over.
        """
        self._guests = guests
        self._archive = archive
        self._queue = queue
        self._on_arrival = on_arrival

    def advance(self) -> bool:
        """Read one page of the change log; return whether there may be more to read now."""
        since = self._queue.cursor()
        if since > self._archive.last_change():
            # The archive's index is younger than our cursor: it was replaced or restored. Look at everything again.
            self.rescan()
            return False
        page = self._archive.changes(since, PAGE)
        new = [change for change in page.changes if change.kind == "NewInstance"]
        found = self._archive.identify_arrivals([change.resource for change in new])
        arrivals = [(change.seq, it) for change, it in zip(new, found, strict=True) if it is not None]
        if page.last != since and self._record(arrivals, page.last):
            self._on_arrival()
        return not page.done

    def rescan(self) -> int:
        """Enter every instance of the archive that the queue does not know; return how many there were."""
        cursor = self._archive.last_change()
        new = offset = 0
        while identifiers := self._archive.list_instances(offset, PAGE):
            offset += len(identifiers)
            found = [self._archive.identify(instance_id) for instance_id in identifiers]
            new += self._record([(cursor, identity) for identity in found if identity is not None], cursor)
        if offset == 0:
            self._queue.record([], cursor)
        if new:
            self._on_arrival()
        return new

    def enter(self, instance_ids: Sequence[str]) -> int:
        """Enter instances of the local archive that the change log did not tell of; return how many are to be sent."""
        place = self._queue.cursor()
        found = [self._archive.identify(instance_id) for instance_id in instance_ids]
        new = self._record([(place, identity) for identity in found if identity is not None], None)
        if new:
            self._on_arrival()
        return new

    def _record(self, arrivals: Sequence[tuple[int, InstanceIdentity]], cursor: int | None) -> int:
        """Enter arrivals. What was evicted and comes back, from the centre or the device, need not go again."""
        guests = self._guests([identity.instance_id for _, identity in arrivals])
        if guests:
            arrivals = [entry for entry in arrivals if entry[1].instance_id not in guests]
        evicted = self._queue.evicted([identity.instance_id for _, identity in arrivals])
        if not evicted:
            return self._queue.record(arrivals, cursor)
        restored: list[str] = []
        received: list[str] = []
        for instance_id, known in evicted.items():
            dicom = self._archive.read(instance_id)
            if dicom is not None:
                same = hashlib.sha256(dicom).hexdigest() in known
                (restored if same else received).append(instance_id)
        return self._queue.record(arrivals, cursor, restored=restored, received=received)
