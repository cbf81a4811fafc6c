"""TCP ports of a development region: chosen free, or asked for and checked."""

import errno
import random
import socket
from pathlib import Path

from cami_cli.errors import Trouble

_LOWEST = 10_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port` of every address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that linger after a restart are no obstacle, somebody who listens is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - DICOM listens on all addresses
            probe.listen(1)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return False
    return True


def choose_free(count: int) -> list[int]:
    """Return `count` free ports below those that the kernel gives to outgoing connections.

    So nobody's outgoing connection takes a server's port while the server is down for a moment.
    """
    highest = _first_ephemeral()
    candidates = random.sample(range(_LOWEST, highest), highest - _LOWEST)
    chosen: list[int] = []
    for port in candidates:
        if len(chosen) == count:
            break
        if is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise Trouble(f"no {count} free TCP ports between {_LOWEST} and {highest}", "end some of the servers there")
    return chosen


def consecutive(base: int, count: int) -> list[int]:
    """Return the `count` ports from `base` on.

    Raises
    ------
    cami_cli.errors.Trouble
        There are no such ports.
    """
    if not 1 <= base <= 65_536 - count:
        raise Trouble(f"--base-port {base}: the region needs {count} ports from there", "choose one from 1024 to 60000")
    return list(range(base, base + count))


def require_free(port: int, owner: str) -> None:
    """Make sure that `port` can be listened on.

    Raises
    ------
    cami_cli.errors.Trouble
        Somebody else listens there, or this user may not.
    """
    if not is_free(port):
        raise Trouble(
            f"port {port} is in use, {owner} needs it",
            f"end the program that holds it (ss -ltnp 'sport = :{port}'), or choose other ports with --base-port",
        )


def _first_ephemeral() -> int:
    try:
        first = int(_EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError):
        return 32_768
    return first if first > _LOWEST + 1000 else 32_768
