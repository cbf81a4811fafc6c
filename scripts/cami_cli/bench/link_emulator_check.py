"""Does the emulated line do what it says? A look at it with plain datagrams, before anything is measured over it."""

import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from cami_cli.bench.link_emulator_ends import FAR_ADDRESS, FAR_SIDE_ADDRESS, ThinLine
from cami_cli.errors import Trouble

_PORT = 7
"""Echo (RFC 862)."""
_COUNT = b"count"
_HEADERS = 28
"""Of IPv4 and UDP."""
_ECHOES = 40
_FLOOD_SECONDS = 4.0
_PAYLOAD = 1472


@dataclass(frozen=True, slots=True)
class Checked:
    """What the line was seen to do."""

    round_trip: float
    """Seconds, median of small datagrams on an idle line."""
    mbit_s: float
    """IP bits a second that came out when twice as much was put in, lost ones added."""
    loss: float
    """Part of the serialised packets that did not come out."""
    overflowed: int

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.mbit_s:.2f} Mbit/s, {1000 * self.round_trip:.0f} ms round trip, {100 * self.loss:.1f} % lost"


def check(line: ThinLine, mbit_s: float) -> Checked:
    """Measure a line that was set to `mbit_s`."""
    echo = subprocess.Popen([*line.at_far_end, sys.executable, "-m", __name__], stdout=subprocess.PIPE)
    try:
        if echo.stdout is None or not echo.stdout.readline():
            raise Trouble("nothing answers at the far end of the emulated line", "see what it said above")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1.0)
            client.connect((FAR_ADDRESS, _PORT))
            trips = [trip for trip in (_trip(client) for _ in range(_ECHOES)) if trip]
            before, came_before = line.look(), _came()
            began = time.monotonic()
            _flood(client, 2 * mbit_s)
            seconds = time.monotonic() - began
            time.sleep(1)  # the queue empties
            up = line.look().up.since(before.up)
            came = _came() - came_before
    finally:
        echo.kill()
        echo.wait()
    busy = seconds + min(line.line.queue_bytes, up.bytes) * 8 / (mbit_s * 1e6)
    return Checked(median(trips), up.bytes * 8 / 1e6 / busy, 1 - came / up.packets, up.overflowed)


def _trip(client: socket.socket) -> float:
    began = time.monotonic()
    client.send(b"echo")
    try:
        client.recv(64)
    except TimeoutError:  # lost, as one in a hundred is
        return 0.0
    return time.monotonic() - began


def _flood(client: socket.socket, mbit_s: float) -> None:
    """Send so fast for some seconds, without waiting for anything."""
    payload = b"x" * _PAYLOAD
    gap = (_PAYLOAD + _HEADERS) * 8 / (mbit_s * 1e6)
    began = due = time.monotonic()
    while due - began < _FLOOD_SECONDS:
        client.send(payload)
        due += gap
        time.sleep(max(0.0, due - time.monotonic()))


def _came() -> int:
    """Ask the far end, beside the line, how many large datagrams came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5.0)
        client.connect((FAR_SIDE_ADDRESS, _PORT))
        client.send(_COUNT)
        return int(client.recv(64))


def _answer() -> None:
    """Echo small datagrams, count large ones."""
    came = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", _PORT))  # noqa: S104 - in a namespace of our own
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            data, sender = server.recvfrom(65_536)
            if len(data) == _PAYLOAD:
                came += 1
            else:
                server.sendto(str(came).encode() if data == _COUNT else data, sender)


if __name__ == "__main__":
    _answer()
