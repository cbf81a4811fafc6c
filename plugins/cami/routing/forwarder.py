"""Sending to one destination: takes its images in turn, and lets it rest while it fails.

Each destination has a forwarder and a thread of its own, so that a dead one holds up neither the others nor the centre.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from cami.archive import Archive
from cami.errors import CamiError, Permanent
from cami.routing.forwardings import LONGEST_REST, Forwardings, Task
from cami.routing.objects import Header, read_header
from cami.routing.outcomes import Refused, Unavailable

log = logging.getLogger(__name__)

#: How often an image is offered that the destination refuses without saying that it never will take it.
TRIES = 6


class Way(Protocol):
    """How a destination is reached; every method raises `Unavailable` or `Refused`."""

    def store(self, dicom: bytes, header: Header) -> None:
        """Store an image; return when the destination has said that it has stored it."""
        ...

    def holds(self, header: Header) -> bool:
        """Ask whether the destination finds an image."""
        ...

    def greet(self) -> None:
        """See whether the destination is there."""
        ...

    def close(self) -> None:
        """Let go of the connection; the next image opens another one."""
        ...


def _as_it_is(_instance_id: str, dicom: bytes) -> bytes:
    return dicom


class Forwarder:
    """Carries images from the local archive to one destination."""

    def __init__(
        self,
        *,
        destination: str,
        archive: Archive,
        forwardings: Forwardings,
        way: Way,
        verify: bool = False,
        prepare: Callable[[str, bytes], bytes] = _as_it_is,
    ) -> None:
        """Make a forwarder.

        Parameters
        ----------
        verify
            Whether an image counts as delivered only when the destination finds it.
        prepare
            Makes of an instance's stored file what is sent.
        """
        self._destination = destination
        self._archive = archive
        self._forwardings = forwardings
        self._way = way
        self._verify = verify
        self._prepare = prepare

    def step(self) -> bool:
        """Send the image whose turn it is; return False when there is none to send now.

        Raises
        ------
        Unavailable
            The destination fails and rests; the image is back in the queue.
        """
        if self._forwardings.rests_until(self._destination) is not None:
            return False
        task = self._forwardings.take(self._destination)
        if task is None:
            self._way.close()
            return False
        try:
            self._carry(task)
        except Unavailable as error:
            self._forwardings.rest(task, error.code, error.detail)
            raise
        except Refused as error:
            self._take_refusal(task, error)
        except CamiError:
            self._forwardings.give_back(
                task, delay=timedelta(seconds=5)
            )  # the local archive: no fault of anybody there
            raise
        except BaseException:
            self._forwardings.give_back(task, "internal", delay=_pause(task))
            raise
        return True

    def _carry(self, task: Task) -> None:
        dicom = self._archive.read(task.instance_id)
        if dicom is None:
            log.warning("instance %s left the local archive before it was forwarded", task.instance_id)
            self._forwardings.fail(task, "gone")
            return
        try:
            dicom = self._prepare(task.instance_id, dicom)
            header = read_header(dicom)
        except Permanent as error:
            raise Refused("unreadable", final=True) from error
        if not (self._verify and task.attempts and self._way.holds(header)):
            self._way.store(dicom, header)
            if self._verify and not self._way.holds(header):
                raise Refused("unconfirmed", "not found after it was stored")
        self._forwardings.deliver(task)

    def _take_refusal(self, task: Task, error: Refused) -> None:
        if error.final or task.attempts + 1 >= TRIES:
            log.error("instance %s is not taken by %s: %s", task.instance_id, self._destination, error)
            self._forwardings.fail(task, error.code, error.detail)
        else:
            self._forwardings.give_back(task, error.code, error.detail, _pause(task))


def _pause(task: Task) -> timedelta:
    """Return how long a refused image waits: 3 s, four times as long after each try, at most `LONGEST_REST`."""
    return min(timedelta(seconds=3 * 4 ** min(task.attempts, 6)), LONGEST_REST)
