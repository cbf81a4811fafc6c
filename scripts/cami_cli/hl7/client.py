"""A МИС that sends HL7 v2 over MLLP and reads what it is answered."""

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cami.hl7v2.framing import Framing, framed
from cami.hl7v2.message import Message, read

_LONGEST = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is encrypted."""

    authority: Path | None = None
    """Whose certificates the other side may show; None: those of browsers."""
    shown: Path | None = None
    """What we show, with its key."""

    def context(self) -> ssl.SSLContext:
        """Return the rules of TLS."""
        context = ssl.create_default_context(cafile=str(self.authority) if self.authority else None)
        if self.shown:
            context.load_cert_chain(self.shown)
        return context


class MllpClient:
    """A connection that messages are sent on, one after the other."""

    def __init__(self, host: str, port: int, tls: Tls | None = None, seconds: float = 30.0) -> None:
        plain = socket.create_connection((host, port), seconds)
        self._socket = tls.context().wrap_socket(plain, server_hostname=host) if tls else plain
        self._framing = Framing(_LONGEST)
        self._waiting: list[bytes] = []

    def __enter__(self) -> Self:
        """Use it and close it."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the connection."""
        with suppress(OSError):
            self._socket.close()

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def answer(self) -> bytes:
        """Wait for a message and return it.

        Raises
        ------
        ConnectionError
            The other side has ended the connection.
        """
        while not self._waiting:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the other side has closed the connection")
            self._waiting += self._framing.feed(data)
        return self._waiting.pop(0)

    def tell(self, message: bytes) -> Message:
        """Send a message and return its first answer."""
        self.raw(framed(message))
        return read(self.answer())
