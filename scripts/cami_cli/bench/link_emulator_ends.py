"""Two network namespaces with nothing between them but the emulated line.

The near end is this process's own network namespace, which has to be a fresh one (`enter`): there the proxy and its
devices live. The far end is a second namespace that lives as long as this process. Each has two addresses: one on the
line, and one on a side channel (a veth pair) over which the benchmark looks at the far end without using the line.
Nothing here touches the host's network, or addresses that it knows.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from cami_cli.bench.link_emulator import Counts, Line
from cami_cli.errors import Trouble

FAR_ADDRESS = "10.231.7.2"
"""The far end, over the line."""
FAR_SIDE_ADDRESS = "10.231.8.2"
"""The far end, beside the line."""
_NEAR_ADDRESS = "10.231.7.1"
_NEAR_SIDE_ADDRESS = "10.231.8.1"

_TUN = Path("/dev/net/tun")
#: linux/if_tun.h: TUNSETIFF, IFF_TUN (IP packets), IFF_NO_PI (nothing before them).
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
#: Says to this program, started again by `enter`, that its network namespace is its own.
_ENTERED = "CAMI_BENCH_NETWORK"
_START_SECONDS = 5.0
_ANSWER_SECONDS = 10.0


def enter() -> str:
    """Run this program again in a fresh network namespace; return "" once there, or why that is not possible here."""
    if os.environ.get(_ENTERED):
        others = {name for _, name in socket.if_nameindex()} - {"lo"}
        return f"the namespace is not a fresh one: it has {', '.join(sorted(others))}" if others else ""
    refusals = []
    # With mounts of its own, too: what is mounted for a fault is gone with this program, however it ends.
    for options in (["--net", "--mount"], ["--user", "--map-root-user", "--net", "--mount"]):
        probe = _run(["unshare", *options, sys.executable, "-c", _PROBE])
        if not probe:
            os.environ[_ENTERED] = "1"
            sys.stdout.flush()
            os.execvp("unshare", ["unshare", *options, sys.executable, "-m", "cami_cli", *sys.argv[1:]])  # noqa: S606
        refusals.append(f"unshare {' '.join(options)}: {probe}")
    return "this host allows no emulated line: " + "; ".join(refusals)


#: What the namespaces need, tried where it harms nobody.
_PROBE = (
    "import sys; sys.path[:0] = [p for p in __import__('os').environ.get('PYTHONPATH', '').split(':') if p]\n"
    "from cami_cli.bench.link_emulator_ends import probe; sys.exit(probe() or 0)"
)


def probe() -> str:
    """Return why there can be no line in this namespace, or ""."""
    try:
        os.close(_tun("probe"))
    except OSError as error:
        return f"{_TUN}: {error.strerror}"
    return _run(["ip", "link", "add", "side", "type", "veth", "peer", "name", "far-side"])


@dataclass(frozen=True, slots=True)
class Seen:
    """What the emulator told at one moment."""

    at: float
    """On the monotonic clock."""
    up: Counts
    """From near to far."""
    down: Counts
    late: float
    """By how many seconds a packet was delivered too late at worst: the machine was too busy."""


class ThinLine:
    """The line with its two ends; a context manager."""

    def __init__(self, line: Line, *, congestion: str = "cubic") -> None:
        """Make a line.

        Parameters
        ----------
        congestion
            TCP's congestion control at both ends: ``cubic`` is what Linux has by default.
        """
        self.line = line
        self._congestion = congestion
        self._stack = ExitStack()
        self._far = 0
        self._control: socket.socket | None = None

    def __enter__(self) -> "ThinLine":
        """Make the far end and start the emulator."""
        with ExitStack() as stack:
            self._far = _hold_namespace(stack)
            near, far = (stack.enter_context(_closing(_tun(name))) for name in ("line", "far-line"))
            self._address()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.enter_context(ours)
            with theirs:
                numbers = [near, far, theirs.fileno()]
                emulator = subprocess.Popen(
                    [sys.executable, "-m", "cami_cli.bench.link_emulator_process", *map(str, numbers), self._json()],
                    pass_fds=numbers,
                    stdin=subprocess.DEVNULL,
                )
            stack.callback(_end, emulator)
            ours.settimeout(_ANSWER_SECONDS)
            self._control = ours
            self.look()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the emulator and the far end."""
        self._control = None
        self._stack.close()

    @property
    def at_far_end(self) -> Sequence[str]:
        """What stands before a command that shall run at the far end."""
        return ("nsenter", f"--net=/proc/{self._far}/ns/net", "--")

    def look(self) -> Seen:
        """Return what has gone over the line so far."""
        return self._ask({"do": "look"})

    def change(self, mbit_s: float) -> Seen:
        """Give the line another rate, and begin to look at lateness anew."""
        self.line = replace(self.line, mbit_s=mbit_s)
        return self._ask({"do": "change", "line": {"mbit_s": mbit_s}})

    def cut(self) -> Seen:
        """Break the line: nothing passes, and what is on its way is lost."""
        return self._ask({"do": "cut"})

    def restore(self) -> Seen:
        """Make the line whole again."""
        return self._ask({"do": "restore"})

    def _ask(self, question: dict[str, Any]) -> Seen:
        if self._control is None:
            raise RuntimeError("the line is not there")
        try:
            self._control.send(json.dumps(question).encode())
            answer = json.loads(self._control.recv(65_536) or b"null")
        except OSError as error:
            raise Trouble(f"the emulated line does not answer: {error}", "run the benchmark again") from error
        if answer is None:
            raise Trouble("the emulated line has ended", "see what it said above")
        return Seen(answer["at"], Counts(**answer["up"]), Counts(**answer["down"]), answer["late"])

    def _json(self) -> str:
        return json.dumps(asdict(self.line))

    def _address(self) -> None:
        """Give each end its devices and addresses; offloading is left to the kernel: a TUN device has none."""
        _must(["ip", "link", "add", "side", "type", "veth", "peer", "name", "far-side"])
        for device in ("far-line", "far-side"):
            _must(["ip", "link", "set", device, "netns", str(self._far)])
        ends: tuple[tuple[Sequence[str], dict[str, str]], ...] = (
            ((), {"line": f"{_NEAR_ADDRESS}/24", "side": f"{_NEAR_SIDE_ADDRESS}/24"}),
            (self.at_far_end, {"far-line": f"{FAR_ADDRESS}/24", "far-side": f"{FAR_SIDE_ADDRESS}/24"}),
        )
        for there, addresses in ends:
            _must([*there, "ip", "link", "set", "lo", "up"])
            for device, address in addresses.items():
                _must([*there, "ip", "addr", "add", address, "dev", device])
                _must([*there, "ip", "link", "set", device, "up"])
        # By route: a namespace's default may only be what the host allows to everybody, which need not hold cubic.
        _must(["ip", "route", "add", FAR_ADDRESS, "dev", "line", "congctl", self._congestion])
        _must([*self.at_far_end, "ip", "route", "add", _NEAR_ADDRESS, "dev", "far-line", "congctl", self._congestion])


def _hold_namespace(stack: ExitStack) -> int:
    """Make a network namespace that lives until `stack` closes or this process ends; return who is in it."""
    # cat ends when its input does, so also when this process dies.
    holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    stack.callback(_end, holder)
    until = time.monotonic() + _START_SECONDS
    own = Path("/proc/self/ns/net").readlink()
    while Path(f"/proc/{holder.pid}/ns/net").readlink() == own:
        if holder.poll() is not None or time.monotonic() > until:
            raise Trouble("no second network namespace", "run as root, or allow user namespaces")
        time.sleep(0.01)
    return holder.pid


def _tun(name: str) -> int:
    """Make a TUN device and return its descriptor; it stays attached when the device moves to another namespace."""
    device = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(device)
        raise
    return device


class _closing:  # noqa: N801 - as contextlib's, for a descriptor
    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> int:
        return self._number

    def __exit__(self, *_: object) -> None:
        os.close(self._number)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        with suppress(OSError):
            process.stdin.close()
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _must(argv: Sequence[str]) -> None:
    problem = _run(argv)
    if problem:
        raise Trouble(f"{' '.join(argv)}: {problem}", "apt-get install iproute2 util-linux, or run as root")


def _run(argv: Sequence[str]) -> str:
    """Run a program; return what it complained about, or ""."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error.strerror)
    return "" if not done.returncode else (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
