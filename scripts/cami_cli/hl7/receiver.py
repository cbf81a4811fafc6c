"""A МИС that is told by HL7 v2: it answers AA to each message, or what it is asked to, and keeps them."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

from cami.hl7v2.answers import Answer, Header, written
from cami.hl7v2.framing import Broken, Framing, framed
from cami.hl7v2.message import Message, read
from cami.hl7v2.problems import Refused

_LONGEST = 64 * 1024 * 1024

#: Hears each message: as it came, and read (None: it cannot be read).
Hear = Callable[[bytes, Message | None], None]


class Receiver:
    """Listens on this machine until it is closed."""

    def __init__(self, port: int, hear: Hear, verdict: str = "AA") -> None:
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listening.getsockname()[1])
        self._hear = hear
        self._verdict = verdict

    def serve(self) -> None:
        """Take connections until `close`."""
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _converse(self, connection: socket.socket) -> None:
        framing = Framing(_LONGEST)
        with connection, suppress(OSError, Broken):
            while data := connection.recv(65536):
                for each in framing.feed(data):
                    connection.sendall(framed(self._answer(each)))

    def _answer(self, data: bytes) -> bytes:
        try:
            message: Message | None = read(data)
        except Refused:
            message = None
        self._hear(data, message)
        header = Header() if message is None else Header.of(message)
        verdict = self._verdict if message else "AR"
        return written(Answer(verdict), header, control=f"MIS{uuid4().hex[:17]}", now=datetime.now(UTC))
