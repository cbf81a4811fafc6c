"""Hears from `cami.boot` which callers Orthanc has refused, and notes them."""

import json
import socket
from collections.abc import Iterator

from cami.query_retrieve.strangers import Refused, Strangers

#: Seconds that a read waits; it must end for the server to stop.
_READ_SECONDS = 1.0
#: Seconds between two looks when there is nobody to hear from.
_NOBODY = 60.0
#: Seconds between two writes: one transaction counts all that came meanwhile.
_GATHER = 1.0
_BYTES = 65_536


class RefusedCallers:
    """The other end of `cami.boot.log_watch`. For one thread, but for `listen`."""

    def __init__(self, strangers: Strangers) -> None:
        self._strangers = strangers
        self._starter: socket.socket | None = None
        self._rest = b""

    def listen(self, starter: socket.socket | None) -> None:
        """Hear from here from now on."""
        if starter is not None:
            starter.settimeout(_READ_SECONDS)
        self._starter = starter

    def step(self) -> float:
        """Note what has been told; return how many seconds to wait."""
        if self._starter is None:
            return _NOBODY
        try:
            told = self._starter.recv(_BYTES)
        except TimeoutError:
            return 0.0
        except OSError:
            told = b""
        if not told:
            self._starter = None
            return _NOBODY
        *lines, self._rest = (self._rest + told).split(b"\n")
        self._rest = self._rest[:_BYTES]
        self._strangers.note(_refusals(lines))
        return _GATHER


def _refusals(lines: list[bytes]) -> Iterator[Refused]:
    for line in lines:
        try:
            yield Refused(**json.loads(line))
        except (ValueError, TypeError):  # cut short when the other end was full
            continue
