"""Orthanc's log on its way out: passed on line by line, and read for callers that Orthanc refuses.

Orthanc decides of an association before any hook of a plugin is asked, and tells of a refusal in its log alone: the AE
title in a warning, the address in a detail of the category "dicom" before it. So that category is made to tell its
details (``--verbose-dicom``), which end here, and the rest goes on as it came.
"""

import json
import os
import re
import socket
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import IO

#: What Orthanc has to be started with.
OPTIONS = ("--verbose-dicom",)

#: A line of Orthanc's: level, time, thread, place, category. Details of the category "dicom" are not passed on.
_DETAIL = re.compile(rb"^I\d{4} [^\]]*\] \(dicom\) ")
_INCOMING = re.compile(rb"Incoming connection from AET (.{0,16}) on IP ([0-9a-fA-F.:]{2,45}), calling AET ")
_UNKNOWN = re.compile(rb'\] (?:\(\w+\) )?Modality "(.{0,16})" is not listed in the "DicomModalities"')
_ELSEWHERE = re.compile(rb'Forbidding access from AET "(.{0,16})" given its hostname \(([0-9a-fA-F.:]{2,45})\)')
_FORBIDDEN = re.compile(
    rb"authorization rejected for AET (.{0,16}) on IP ([0-9a-fA-F.:]{2,45}): The DICOM command (\S+) is not allowed"
)
#: AE titles whose address is remembered between the two lines that tell of them.
_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Refusal:
    """A caller that Orthanc has refused."""

    aet: str
    address: str
    """Empty if it is not known."""
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
        self._addresses: OrderedDict[bytes, bytes] = OrderedDict()

    def read(self, line: bytes) -> tuple[bool, Refusal | None]:
        """Return whether a line is to be passed on, and the refusal that it tells of."""
        if _DETAIL.match(line):
            self._remember(line)
            return False, None
        return True, self._refusal(line)

    def _remember(self, line: bytes) -> None:
        if found := _INCOMING.search(line):
            aet, address = found.groups()
            self._addresses[aet] = address
            self._addresses.move_to_end(aet)
            if len(self._addresses) > _REMEMBERED:
                self._addresses.popitem(last=False)

    def _refusal(self, line: bytes) -> Refusal | None:
        if found := _UNKNOWN.search(line):
            aet = found.group(1)
            return Refusal(_text(aet), _text(self._addresses.get(aet, b"")), "unknown")
        if found := _ELSEWHERE.search(line):
            return Refusal(_text(found.group(1)), _text(found.group(2)), "address")
        if found := _FORBIDDEN.search(line):
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
            passed, refusal = self._reader.read(line)
            if passed:
                self._pass_on(line)
            if refusal is not None:
                with suppress(OSError):  # full, or nobody listens
                    self._plugin.send(refusal.to_line())

    def _pass_on(self, line: bytes) -> None:
        with suppress(OSError):
            while line:
                line = line[os.write(self._target, line) :]


def _text(raw: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in raw).strip()
