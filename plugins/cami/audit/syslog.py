"""Syslog to the collector: RFC 5424, over TLS (RFC 5425), TCP (RFC 6587, counted octets) or UDP (RFC 5426).

Syslog acknowledges nothing. Over TCP and TLS what was written counts as arrived when the other end's kernel has
acknowledged it and the connection still stood a while later; UDP is sent and forgotten, as it is.
"""

import array
import fcntl
import socket
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from cami.audit.record import Record, stamp
from cami.errors import Misconfigured, Transient

#: Facility 10 (security/authorization), severity 5 (notice): PS3.15 A.6.
PRIORITY = 10 * 8 + 5
#: As PS3.15 A.6.2 names its messages.
MESSAGE_ID = "DICOM+RFC3881"
_APPLICATION = "cami"
#: ``SIOCOUTQ`` (tcp(7)): bytes that were sent and are not acknowledged.
_SIOCOUTQ = 0x5411
_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Collector:
    """Where audit messages go."""

    host: str
    port: int
    transport: Literal["tls", "tcp", "udp"] = "tls"
    ca: Path | None = None
    """Whose certificates it may show (PEM); None: the authorities that browsers know."""
    certificate: Path | None = None
    """What we show to it (PEM), and its key."""
    key: Path | None = None


class Connection(Protocol):
    """A way to the collector."""

    def send(self, message: bytes) -> None:
        """Send a message.

        Raises
        ------
        cami.errors.Transient
            It cannot be sent now.
        """
        ...

    def unacknowledged(self) -> int:
        """Return how many bytes are on their way.

        Raises
        ------
        cami.errors.Transient
            The other end has closed the connection: what was sent lately may be lost.
        """
        ...

    def close(self) -> None:
        """Close it."""
        ...


def frame(record: Record, body: bytes) -> bytes:
    """Return the syslog message of a record; the BOM says that the text is UTF-8 (RFC 5424 §6.4)."""
    head = f"<{PRIORITY}>1 {stamp(record.at)} {record.server} {_APPLICATION} - {MESSAGE_ID} - "
    return head.encode("ascii", "replace") + b"\xef\xbb\xbf" + body


def connect(collector: Collector) -> Connection:
    """Open a way to the collector.

    Raises
    ------
    cami.errors.Transient
        It does not answer, or does not prove who it is.
    cami.errors.Misconfigured
        A file of the settings cannot be read.
    """
    address = (collector.host, collector.port)
    try:
        if collector.transport == "udp":
            family = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0][0]
            datagrams = socket.socket(family, socket.SOCK_DGRAM)
            datagrams.connect(address)
            return _Datagrams(datagrams)
        plain = socket.create_connection(address, timeout=_TIMEOUT)
    except OSError as error:
        raise Transient(f"the collector of the journal cannot be reached ({error.strerror})") from error
    if collector.transport == "tcp":
        return _Stream(plain, plain)
    context = _context(collector)
    try:
        return _Stream(context.wrap_socket(plain, server_hostname=collector.host), plain)
    except (OSError, ssl.SSLError) as error:
        plain.close()
        raise Transient("the collector of the journal does not prove who it is, or TLS fails") from error


def _context(collector: Collector) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(collector.ca) if collector.ca else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if collector.certificate:
            context.load_cert_chain(str(collector.certificate), str(collector.key) if collector.key else None)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured("the certificates for the collector of the journal cannot be read") from error
    return context


class _Stream:
    def __init__(self, stream: socket.socket, plain: socket.socket) -> None:
        self._stream = stream
        # TLS takes the descriptor over from the plain socket; either names the same connection.
        self._descriptor = stream.fileno() if plain.fileno() < 0 else plain.fileno()
        self._stream.settimeout(_TIMEOUT)

    def send(self, message: bytes) -> None:
        self._check()
        try:
            self._stream.sendall(b"%d " % len(message) + message)
        except OSError as error:
            raise Transient("the line to the collector of the journal has broken") from error

    def unacknowledged(self) -> int:
        self._check()
        if sys.platform != "linux":
            return 0
        waiting = array.array("i", [0])
        try:
            fcntl.ioctl(self._descriptor, _SIOCOUTQ, waiting)
        except OSError as error:
            raise Transient("the line to the collector of the journal has broken") from error
        return waiting[0]

    def close(self) -> None:
        self._stream.close()

    def _check(self) -> None:
        """Notice that the other end has hung up: it never says anything else."""
        self._stream.settimeout(0)
        try:
            gone = not self._stream.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            gone = False
        except OSError:
            gone = True
        finally:
            self._stream.settimeout(_TIMEOUT)
        if gone:
            raise Transient("the collector of the journal has closed the connection")


class _Datagrams:
    def __init__(self, datagrams: socket.socket) -> None:
        self._socket = datagrams

    def send(self, message: bytes) -> None:
        try:
            self._socket.send(message)
        except OSError as error:
            raise Transient("the collector of the journal cannot be reached") from error

    def unacknowledged(self) -> int:
        return 0

    def close(self) -> None:
        self._socket.close()
