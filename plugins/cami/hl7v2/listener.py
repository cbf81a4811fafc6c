"""The listener: TCP or TLS, a thread for each connection, many messages on one connection, one after the other.

It takes connections of addresses of the registry alone, only so many at once, and ends those that are silent too long
or send half a message. Nothing of a message lives here: it is in the database before its answer leaves, so a listener
that dies loses nothing that was acknowledged, and what was not acknowledged is sent again.
"""

import hashlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cami.errors import CamiError
from cami.hl7v2.framing import Broken, Framing
from cami.hl7v2.peers import Origin
from cami.region import Listen

log = logging.getLogger(__name__)

#: Seconds in which the listener looks whether it is to end.
_LOOK = 0.5
_HANDSHAKE = 10.0

#: Takes a message; returns what goes back, framed.
Take = Callable[[bytes, Origin], list[bytes]]


class CannotListen(CamiError):
    """The port is in use, or a certificate cannot be read."""


class Listener:
    """Listens by the rules of the registry. `step` is called by one thread, again and again."""

    def __init__(
        self, rules: Listen, take: Take, may_connect: Callable[[Origin], bool], too_long: Callable[[], bytes],
        secrets: Path,
    ) -> None:  # fmt: skip
        """Make it.

        Parameters
        ----------
        may_connect
            Says whether anybody may call from an address, and with which certificate.
        too_long
            Makes the answer to a message that is too long, or is none.
        secrets
            The folder with ``server.pem`` and ``clients.ca.pem``.
        """
        self._rules = rules
        self._take = take
        self._may_connect = may_connect
        self._too_long = too_long
        self._secrets = secrets
        self._listening: socket.socket | None = None
        self._halt = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()

    @property
    def port(self) -> int:
        """Return where it listens; 0: not yet."""
        return 0 if self._listening is None else int(self._listening.getsockname()[1])

    def step(self) -> float:
        """Take connections for a moment; return how long to wait before the next step.

        Raises
        ------
        CannotListen
            The address is not free, or a certificate is missing.
        """
        if self._halt.is_set():
            return _LOOK
        listening = self._listening or self._open()
        try:
            connection, address = listening.accept()
        except TimeoutError:
            return 0.0
        except OSError:
            self._shut()
            return _LOOK
        self._admit(connection, str(address[0]))
        return 0.0

    def stop(self) -> None:
        """End all connections after what they are at."""
        self._halt.set()
        self._shut()
        with self._lock:
            for each in self._connections:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RD)

    def _open(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._rules.address else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            if self._rules.tls:
                self._context()  # a missing certificate is told now, not to the first who calls
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self._rules.address, self._rules.port))
            listening.listen(64)
            listening.settimeout(_LOOK)
        except OSError as error:  # ssl.SSLError is one
            listening.close()
            where = f"{self._rules.address}:{self._rules.port}"
            raise CannotListen(
                f"HL7 is not listened to on {where}: {error.strerror or type(error).__name__}"
            ) from error
        self._listening = listening
        log.info("HL7 is listened to on %s:%d%s", self._rules.address, self._rules.port, " (TLS)" * self._rules.tls)
        return listening

    def _shut(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()

    def _context(self) -> ssl.SSLContext:
        """Return the rules of TLS; certificates are read anew, so that those that were replaced count."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._secrets / "server.pem")
        if self._rules.client_certificates:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self._secrets / "clients.ca.pem")
        return context

    def _admit(self, connection: socket.socket, address: str) -> None:
        address = address.removeprefix("::ffff:")
        with self._lock:
            full = len(self._connections) >= self._rules.connections
            if not full:
                self._connections.add(connection)
        if full:
            log.warning("HL7: %s is turned away, there are %d connections", address, self._rules.connections)
            connection.close()
            return
        threading.Thread(target=self._serve, args=(connection, address), name="cami-hl7", daemon=True).start()

    def _serve(self, plain: socket.socket, address: str) -> None:
        connection = plain
        try:
            plain.settimeout(_HANDSHAKE)
            certificate = ""
            if self._rules.tls:
                secure = self._context().wrap_socket(plain, server_side=True)
                self._exchange_for(plain, secure)
                connection = secure
                shown = secure.getpeercert(binary_form=True)
                certificate = hashlib.sha256(shown).hexdigest() if shown else ""
            origin = Origin(address, certificate)
            if not self._may_connect(origin):
                log.warning("HL7: %s is nobody of the registry", address)
                return
            self._converse(connection, origin)
        except TimeoutError:
            log.info("HL7: %s was silent too long", address)
        except ssl.SSLError as error:
            log.warning("HL7: TLS with %s: %s", address, error.reason)
        except OSError:
            pass  # it went away: what it has no answer to it sends again
        finally:
            with self._lock:
                self._connections -= {plain, connection}
            with suppress(OSError):
                connection.close()

    def _exchange_for(self, plain: socket.socket, secure: socket.socket) -> None:
        with self._lock:
            self._connections.discard(plain)
            self._connections.add(secure)

    def _converse(self, connection: socket.socket, origin: Origin) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        framing = Framing(self._rules.longest_kib * 1024)
        began = 0.0
        while not self._halt.is_set():
            left = self._rules.idle_seconds if not framing.half else began + self._rules.half_seconds - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
            data = connection.recv(65536)
            if not data:
                return
            if not framing.half:
                began = time.monotonic()
            try:
                messages = framing.feed(data)
            except Broken:
                connection.sendall(self._too_long())
                return
            connection.settimeout(_HANDSHAKE)  # who does not read its answers is no peer
            for each in messages:
                for reply in self._take(each, origin):
                    connection.sendall(reply)
            if messages and framing.half:
                began = time.monotonic()
