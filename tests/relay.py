"""A line between a proxy and the centre, in this process: it counts what goes through, is slow, and breaks."""

import socket
import threading
import time
from contextlib import suppress

#: Pieces in which bytes go through, small beside what is measured.
PART = 16 * 1024
#: TCP payload and size on the wire of a full Ethernet packet (IP and TCP headers with timestamps).
PAYLOAD, PACKET = 1448, 1500


class Relay:
    """Carries connections from a port of its own to another port of this machine."""

    def __init__(
        self, target: int, *, cut_every: int | None = None, rate: float | None = None, window: int = 64 * 1024
    ) -> None:
        """Break all connections each `cut_every` bytes that go up; let up at most `rate` bytes a second.

        A connection may have some `window` bytes in flight: sent, and not taken from it yet.
        """
        self._target = target
        self._cut_every = cut_every
        self._rate = rate
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        # Before anybody connects: what a connection has been offered is not taken back.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._open: set[socket.socket] = set()
        self._mute: set[socket.socket] = set()
        self._flows = threading.Event()
        self._flows.set()
        self._refuses = False
        self._closed = False
        self.up: list[tuple[float, int]] = []
        """When how many bytes went towards the centre."""
        self.carried = 0
        self.cuts = 0
        self._all: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where a proxy finds the centre."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """End the line."""
        self._closed = True
        self._flows.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(10)
        self.cut()
        for thread in self._threads[1:]:
            thread.join(10)
        for end in self._all:
            end.close()

    def cut(self) -> None:
        """Break all connections, as a line does that takes another route."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def refuse(self) -> None:
        """Go down as a line does whose equipment says so: connections break, new ones come to nothing."""
        self._refuses = True
        self.cut()

    def freeze(self) -> None:
        """Go down as a line does that only loses packets: whoever waits, waits."""
        self._flows.clear()

    def swallow(self) -> None:
        """Leave the present connections half open: what is sent is taken, nothing comes back, nobody is told."""
        with self._lock:
            self._mute |= self._open

    def restore(self) -> None:
        """Carry again; what was left half open stays so."""
        self._refuses = False
        self._flows.set()

    def busiest(self, span: float) -> float:
        """Return the most bytes on the wire in any `span` seconds, in full packets with their headers."""
        most = total = first = 0
        for moment, amount in self.up:
            total += amount
            while self.up[first][0] <= moment - span:
                total -= self.up[first][1]
                first += 1
            most = max(most, total)
        return most * PACKET / PAYLOAD

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._refuses:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            self._all += [near, far]
            for ends in ((near, far, True), (far, near, False)):
                thread = threading.Thread(target=self._carry, args=ends, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while part := source.recv(PART):
                self._flows.wait()
                if source in self._mute:
                    continue
                if up and self._count(len(part)):
                    self.cut()
                    return
                target.sendall(part)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _count(self, amount: int) -> bool:
        """Count what goes up; return whether the line breaks now."""
        with self._lock:
            before = self.carried
            self.carried += amount
            self.up.append((time.monotonic(), amount))
            broken = self._cut_every is not None and before // self._cut_every != self.carried // self._cut_every
            self.cuts += broken
            if self._rate is not None:
                time.sleep(amount / self._rate)
            return broken
