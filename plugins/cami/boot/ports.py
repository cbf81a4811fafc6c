"""Holding Orthanc's ports until its plugin guards them.

A port on which somebody listens cannot be bound by another process (without SO_REUSEPORT, which neither civetweb nor
DCMTK sets). So an Orthanc that comes up without our plugin, whatever the reason, does not get its ports and ends by
itself: there is no moment in which it answers anybody.
"""

import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cami.errors import Misconfigured

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - what Orthanc does by default is what has to be held
_RESET = struct.pack("ii", 1, 0)


class HeldPort:
    """A port that we listen on so that nobody else can; who connects is turned away at once."""

    def __init__(self, option: str, address: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Connections of the previous run in TIME_WAIT must not hinder us; a listener still does.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((address, port))
            self._socket.listen(16)
            self._socket.setblocking(False)
        except OSError as error:
            self._socket.close()
            raise Misconfigured(
                f"port {port} of {address} cannot be opened ({error.strerror}): end the program that uses it, or set "
                f'another "{option}"'
            ) from error

    def fileno(self) -> int:
        """Return the file descriptor, for selectors."""
        return self._socket.fileno()

    def turn_away(self) -> None:
        """Reset the connections that wait."""
        with suppress(BlockingIOError, ConnectionError):
            while True:
                caller, _ = self._socket.accept()
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                caller.close()

    def release(self) -> None:
        """Give the port up."""
        self._socket.close()


def http_address(configuration: Mapping[str, Any]) -> str:
    """Return where Orthanc's HTTP server can be called from this machine."""
    addresses = configuration.get("HttpBindAddresses") or [_EVERYWHERE]
    return "127.0.0.1" if _EVERYWHERE in addresses or "127.0.0.1" in addresses else str(addresses[0])


def hold(configuration: Mapping[str, Any]) -> list[HeldPort]:
    """Hold every port that Orthanc would listen on with this configuration.

    Raises
    ------
    cami.errors.Misconfigured
        One of them is in use.
    """
    wanted = [
        ("HttpPort", address, configuration.get("HttpPort", 8042))
        for address in dict.fromkeys(configuration.get("HttpBindAddresses") or [_EVERYWHERE])
    ]
    if configuration.get("DicomServerEnabled", True):
        wanted.append(("DicomPort", _EVERYWHERE, configuration.get("DicomPort", 4242)))
    held: list[HeldPort] = []
    try:
        for option, address, port in wanted:
            held.append(HeldPort(option, address, port))
    except Misconfigured:
        for other in held:
            other.release()
        raise
    return held
