"""Messages of the queue over MLLP: one connection for each system, one message after the other, each acknowledged.

What an answer means for the queue (`cami.mis.sender`): ``AA`` and ``CA`` end a message; ``AE`` and ``CE`` park it,
since the same message will be refused again, unless ERR-3 says that a record was locked or the server failed; ``AR``
and ``CR`` are tried again after a pause, as they also say that the system is not ready. Silence, a broken connection
or an answer to another message say nothing of the message: the system rests.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cami.clock import Clock
from cami.errors import NotFound
from cami.hl7v2.framing import Broken, Framing, framed
from cami.hl7v2.message import read
from cami.hl7v2.peers import Peers
from cami.hl7v2.problems import Refused
from cami.hl7v2.rendering import Rendering, control_of
from cami.mis import OutMessage, Sent, Subscription
from cami.region import Send

#: Seconds for a connection, and for an answer.
CONNECT, ANSWER = 5.0, 10.0
#: An answer is short.
_LONGEST = 256 * 1024
#: A connection that was silent for so long may be gone without our knowing: a new one is made.
_STALE = 60.0
_TAKEN, _WRONG = frozenset({"AA", "CA"}), frozenset({"AE", "CE"})
_LATER = frozenset({"206", "207"})
#: Statuses of HTTP by which the queue knows what to do.
_PARK, _AGAIN = 422, 503


class Hl7Sender:
    """Sends messages (`cami.mis.sender.Post`). Thread-safe."""

    def __init__(self, peers: Peers, rendering: Rendering, clock: Clock, secrets: Path) -> None:
        self._peers = peers
        self._rendering = rendering
        self._clock = clock
        self._secrets = secrets
        self._lines: dict[str, Line] = {}
        self._lock = threading.Lock()

    def post(self, subscription: Subscription, message: OutMessage) -> Sent:
        """Send one message; never raises."""
        system = self._peers.system(subscription.client)
        if system is None or system.send is None:
            return Sent(0, "no-answer")
        try:
            data = self._rendering.message(message, system, self._clock.now())
        except (NotFound, ValueError, KeyError, LookupError):
            return Sent(_PARK, "hl7-text")
        with self._lock:
            line = self._lines.setdefault(system.name, Line(system.send, lambda: self._context(system.name)))
        return line.exchange(data, control_of(message))

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            lines, self._lines = list(self._lines.values()), {}
        for each in lines:
            each.close()

    def _context(self, name: str) -> ssl.SSLContext:
        authority = self._secrets / f"{name}.ca.pem"
        context = ssl.create_default_context(cafile=str(authority) if authority.exists() else None)
        shown = self._secrets / "client.pem"
        if shown.exists():
            context.load_cert_chain(shown)
        return context


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    verdict: str
    control: str
    conditions: frozenset[str]


class Line:
    """A connection to one system, made anew when it is needed."""

    def __init__(self, to: Send, context: Callable[[], ssl.SSLContext]) -> None:
        self._to = to
        self._context = context
        self._socket: socket.socket | None = None
        self._used = 0.0
        self._failed = 0.0
        self._lock = threading.Lock()

    def exchange(self, data: bytes, control: str) -> Sent:
        """Send a message and wait for its answer; never raises."""
        with self._lock:
            if self._failed and time.monotonic() - self._failed < 1.0:
                return Sent(0, "no-answer")  # those of the same batch need not wait for it too
            try:
                sent = self._exchange(data, control)
            except ssl.SSLError:
                sent = Sent(0, "tls")
            except TimeoutError:
                sent = Sent(0, "timeout")
            except (OSError, Broken):
                sent = Sent(0, "no-answer")
            except Refused:
                sent = Sent(0, "hl7-answer")
            self._failed = time.monotonic() if sent.status == 0 and sent.reason else 0.0
            if self._failed:
                self._drop()
            return sent

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._drop()

    def _exchange(self, data: bytes, control: str) -> Sent:
        fresh = self._socket is None or time.monotonic() - self._used > _STALE
        if fresh:
            self._drop()
            self._socket = self._connected()
        try:
            answer = self._answer(data, control)
        except (ConnectionError, ssl.SSLEOFError):
            if fresh:
                raise
            # It was closed while nothing was said: it is no failure of the other side, and MSH-10 stays the same.
            self._drop()
            self._socket = self._connected()
            answer = self._answer(data, control)
        self._used = time.monotonic()
        return _meaning(answer)

    def _connected(self) -> socket.socket:
        plain = socket.create_connection((self._to.host, self._to.port), CONNECT)
        plain.settimeout(ANSWER)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._to.tls:
            return plain
        try:
            return self._context().wrap_socket(plain, server_hostname=self._to.host)
        except BaseException:
            plain.close()
            raise

    def _answer(self, data: bytes, control: str) -> _Acknowledged:
        connection = self._socket
        if connection is None:
            raise ConnectionError
        connection.sendall(framed(data))
        framing, until = Framing(_LONGEST), time.monotonic() + ANSWER
        while time.monotonic() < until:
            received = connection.recv(65536)
            if not received:
                raise ConnectionError
            for each in framing.feed(received):
                answer = _read(each)
                if answer.control == control:  # what answers an earlier message that was given up is passed over
                    return answer
        raise TimeoutError

    def _drop(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None


def _read(data: bytes) -> _Acknowledged:
    message = read(data)
    msa = message.first("MSA")
    if msa is None:
        return _Acknowledged("", "", frozenset())
    errors = [each for each in message.segments if each.name == "ERR"]
    conditions = {each.text(3) for each in errors} | {each.text(1, 4) for each in errors}
    return _Acknowledged(msa.text(1), msa.text(2), frozenset(conditions))


def _meaning(answer: _Acknowledged) -> Sent:
    if answer.verdict in _TAKEN:
        return Sent(200)
    if answer.verdict in _WRONG and not answer.conditions & _LATER:
        return Sent(_PARK, "hl7-ae")
    return Sent(_AGAIN, "hl7-ar")
