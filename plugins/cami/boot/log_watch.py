"""Orthanc's log on its way out: passed on as it comes, and read for callers that Orthanc refuses.

Orthanc decides of an association before any hook of a plugin is asked, and tells of a refusal in its log alone.
"""

import json
import os
import re
import socket
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO

_ADDRESS = rb"([0-9a-fA-F.:]{2,45})"
_ELSEWHERE = re.compile(rb'Forbidding access from AET "(.{0,16})" given its hostname')
_REJECTED = re.compile(rb"Rejected association for remote AET (.{0,16}) on IP " + _ADDRESS)
_FORBIDDEN = re.compile(
    rb"authorization rejected for AET (.{0,16}) on IP " + _ADDRESS + rb": The DICOM command (\S+) is not allowed"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A caller that Orthanc has refused."""

    aet: str
    address: str
    reason: str
    """``unknown``: no such AE title; ``address``: known, from elsewhere; ``service``: known, may not do this."""
    detail: str = ""
    """The service."""

    def to_line(self) -> bytes:
        """Return it as a line for the plugin."""
        return json.dumps(asdict(self)).encode() + b"\n"


class LogReader:
    """Finds refusals in lines that follow each other."""

    def __init__(self) -> None:
        self._elsewhere = b""
        """The AE title of which Orthanc has just said that it came from another address."""

    def read(self, line: bytes) -> Refusal | None:
        """Return the refusal that a line tells of."""
        if found := _ELSEWHERE.search(line):
            self._elsewhere = found.group(1)
        elif found := _REJECTED.search(line):
            aet, address = found.groups()
            reason = "address" if aet == self._elsewhere else "unknown"
            self._elsewhere = b""
            return Refusal(_text(aet), _text(address), reason)
        elif found := _FORBIDDEN.search(line):
            return Refusal(_text(found.group(1)), _text(found.group(2)), "service", _text(found.group(3)))
        return None


class LogWatch:
    """A thread that reads what Orthanc writes. It ends with Orthanc."""

    def __init__(self, source: IO[bytes], target: int, plugin: socket.socket) -> None:
        """Make it.

        Parameters
        ----------
        source
            Orthanc's log.
        target
            File descriptor to which it goes on.
        plugin
            Where the plugin hears of refusals, as lines; when it does not listen they are left out.
        """
        self._source = source
        self._target = target
        self._plugin = plugin
        self._reader = LogReader()
        self._thread = threading.Thread(target=self._run, name="cami-log", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait until all that Orthanc has written before its end has gone on."""
        self._thread.join(seconds)

    def _run(self) -> None:
        for line in iter(lambda: self._source.readline(65536), b""):
            self._pass_on(line)
            refusal = self._reader.read(line)
            if refusal is not None:
                with suppress(OSError):  # full, or nobody listens
                    self._plugin.send(refusal.to_line())

    def _pass_on(self, line: bytes) -> None:
        with suppress(OSError):
            while line:
                line = line[os.write(self._target, line) :]


def _text(raw: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in raw).strip()
