"""Large objects on their way in parts, so that idle senders help: one connection alone leaves a lossy line half empty.

A TCP connection over 60 ms that loses one packet in a hundred carries some 2.4 Mbit/s at best and less after each loss.
So the sender that has taken a large object offers its parts, and senders that are free carry them before they take what
comes later: large objects arrive one after the other, and not all of them at the end.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cami.delivery.answers import Receipt
from cami.delivery.order import Rank
from cami.delivery.right_of_way import Passage

#: Parts of one object. They are named in one header when it is put together (``Upload-Concat``).
MOST_PARTS = 24


@dataclass(slots=True)
class Part:
    """A part of an object, carried by one sender at a time."""

    start: int
    """Where it begins in the object."""
    length: int
    offset: int | None = None
    """How far the centre has it, from its beginning; None: nobody has asked."""


def cut(length: int, piece: int) -> list[Part]:
    """Cut an object into equal parts of about one piece, or into the most that there may be; always in the same way."""
    size = -(-length // min(-(-length // piece), MOST_PARTS))
    return [Part(start, min(size, length - start)) for start in range(0, length, size)]


class Shipment:
    """A large object of which several senders carry parts; thread-safe."""

    def __init__(self, dicom: bytes, sha256: str, passage: Passage, piece: int, *, begun: bool) -> None:
        """Make a shipment; `begun`: the centre may have some of it already."""
        self.dicom = dicom
        self.sha256 = sha256
        self.passage = passage
        self.parts = cut(len(dicom), piece)
        self.receipt: Receipt | None = None
        """Set when the centre has said what became of the object."""
        self._change = threading.Condition()
        self._left = deque(self.parts)
        self._carried = 0
        self._moved = 0
        self._over = False
        if not begun:
            for part in self.parts:
                part.offset = 0

    @property
    def moved(self) -> int:
        """How often a piece got through."""
        return self._moved

    @property
    def waiting(self) -> int:
        """How many parts nobody carries; none when it is over."""
        return 0 if self._over else len(self._left)

    def take(self) -> Part | None:
        """Take a part that nobody carries, or None."""
        with self._change:
            if self._over or not self._left:
                return None
            self._carried += 1
            part = self._left.popleft()
            if not self._left:
                # The line has, or will have in a moment, all of it: others may follow.
                self.passage.written()
            return part

    def next(self) -> Part | None:
        """Take a part, waiting for those that others carry if none is left; None when all are there."""
        while True:
            part = self.take()
            if part is not None:
                return part
            with self._change:
                self._change.wait_for(lambda: self._over or self._left or not self._carried)
                if self._over or not (self._left or self._carried):
                    return None

    def moved_to(self, part: Part, offset: int) -> None:
        """Note how far the centre has a part."""
        with self._change:
            part.offset = offset
            self._moved += 1
        self.passage.progressed()

    def put_down(self, part: Part) -> None:
        """Stop carrying a part; what is not all there is for another."""
        with self._change:
            self._carried -= 1
            if part.offset != part.length:
                self._left.appendleft(part)
            self._change.notify_all()

    def settle(self, receipt: Receipt) -> None:
        """Note what became of the object: nothing more has to be carried."""
        with self._change:
            self.receipt = receipt
            self._over = True
            self._change.notify_all()

    def end(self) -> None:
        """Let nobody take another part."""
        with self._change:
            self._over = True
            self._change.notify_all()


class PartBoard:
    """The large objects whose senders can be helped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shipments: list[Shipment] = []

    @contextmanager
    def offered(self, shipment: Shipment) -> Iterator[None]:
        """Offer the parts of an object as long as its own sender carries it."""
        with self._lock:
            self._shipments.append(shipment)
        try:
            yield
        finally:
            shipment.end()
            with self._lock:
                self._shipments.remove(shipment)

    @property
    def empty(self) -> bool:
        """Whether no large object is under way."""
        return not self._shipments

    def take(self, *, urgent_only: bool, before: Rank) -> tuple[Shipment, Part] | None:
        """Take a part of the first object, if that goes `before` something; None when there is nothing to help with."""
        with self._lock:
            wanting = [it for it in self._shipments if it.waiting and (it.passage.urgent or not urgent_only)]
        for shipment in sorted(wanting, key=lambda it: it.passage.rank):
            if shipment.passage.rank > before:
                return None
            part = shipment.take()
            if part is not None:
                return shipment, part
        return None
