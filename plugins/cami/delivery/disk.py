"""The room on the volume of a server, and when it stops taking images (F-03).

A server whose volume is really full loses more than the next image: the databases, the quarantine and Orthanc's index
can no longer be written. So it stops while there is room left for all of them and for what is under way, and raises
the alarm long before. The state is kept, not measured anew for each image: whoever asks needs no disk access.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cami.errors import Transient
from cami.region import Disk

log = logging.getLogger(__name__)

GB = 1_000_000_000


class NoRoom(Transient):
    """The volume has no room for images now."""


class DiskState(StrEnum):
    """How the volume is."""

    WELL = "well"
    LOW = "low"
    """The alarm: an operator should act, or retention should."""
    FULL = "full"
    """No images are taken."""


@dataclass(frozen=True, slots=True)
class Room:
    """The size of a volume, in bytes."""

    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Free bytes below which a volume is low, and full."""

    warn: int
    stop: int

    @classmethod
    def of(cls, wanted: Disk, total: int) -> "Thresholds":
        """Return what the registry says; what it leaves open follows from the size of the volume.

        It stops at 2 % of the volume, between 0.5 and 5 GB: eight associations at once with objects of half a gigabyte
        between two looks, and room for the databases and the quarantine. It warns at 10 %, between 1 and 50 GB: about
        an hour of the busiest devices.
        """
        stop = _gb(wanted.stop_free_gb) or _between(GB // 2, total // 50, 5 * GB)
        warn = _gb(wanted.warn_free_gb) or max(_between(GB, total // 10, 50 * GB), 2 * stop)
        if wanted.stop_free_gb is None:
            stop = min(stop, warn // 2)
        return cls(warn, stop)


class DiskWatch:
    """Knows the state of a server's volume. Thread-safe: reading the state is reading one attribute."""

    def __init__(self, measure: Callable[[], Room], wanted: Disk) -> None:
        """Look once, so that the state is known from the start."""
        self._measure = measure
        self._wanted = wanted
        self._state = DiskState.WELL
        self.room = Room(0, 0)
        self.look()

    @property
    def state(self) -> DiskState:
        """How the volume was at the last look."""
        return self._state

    @property
    def full(self) -> bool:
        """Whether no images may be taken."""
        return self._state is DiskState.FULL

    @property
    def thresholds(self) -> Thresholds:
        """Where the alarm and the stop are, for the size that the volume has now."""
        return Thresholds.of(self._wanted, self.room.total)

    def look(self) -> DiskState:
        """Measure; tell the log when the state changes, and return it.

        Raises
        ------
        OSError
            The volume does not answer. The state stays; Orthanc itself refuses what it cannot write.
        """
        self.room = self._measure()
        before, self._state = self._state, self._judge()
        if before is not self._state:
            self._tell()
        return self._state

    def require_room(self) -> None:
        """Raise if no images may be taken.

        Raises
        ------
        NoRoom
            None may.
        """
        if self.full:
            raise NoRoom("the volume is full")

    def _judge(self) -> DiskState:
        """Judge the room; a state is left only some way above its threshold, so that it does not flap."""
        limits = self.thresholds
        stop = limits.stop + (_margin(limits.stop) if self._state is DiskState.FULL else 0)
        warn = limits.warn + (_margin(limits.warn) if self._state is not DiskState.WELL else 0)
        if self.room.free < stop:
            return DiskState.FULL
        return DiskState.LOW if self.room.free < warn else DiskState.WELL

    def _tell(self) -> None:
        free, limits = self.room.free / GB, self.thresholds
        if self._state is DiskState.FULL:
            log.error("the disk is full: %.2f GB free, no images are taken below %.2f GB", free, limits.stop / GB)
        elif self._state is DiskState.LOW:
            log.warning("the disk is getting full: %.2f GB free, alarm below %.2f GB", free, limits.warn / GB)
        else:
            log.warning("the disk has room again: %.2f GB free", free)


def measure_volume(folder: Path) -> Room:
    """Measure the volume that `folder` is on, as this process may use it."""
    found = os.statvfs(folder)
    return Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def _margin(threshold: int) -> int:
    return min(threshold // 10, GB)


def _gb(value: float | None) -> int:
    return int((value or 0) * GB)


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))
