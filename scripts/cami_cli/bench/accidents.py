"""What happens to a server beside a power cut: a volume that fills up, a locked database, a clock that is wrong.

Real ones, for the benchmark and for ``tests/faults``: a small file system of its own, a lock of SQLite held by another
process, a small library before the C library that tells the wrong time of day.
"""

import os
import shutil
import sqlite3
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from cami_cli.errors import Trouble
from cami_cli.runtime.base import BOOT, CONFIGURATION, Server
from cami_cli.runtime.host_tools import find_tool

_SOURCE = Path(__file__).with_name("false_clock.c")
_LIBRARY = "false_clock.so"
_CLOCK = "clock"


@contextmanager
def small_volume(folder: Path, size: int) -> Iterator[None]:
    """Put a file system of `size` bytes under an empty folder.

    Raises
    ------
    cami_cli.errors.Trouble
        This process may not mount.
    """
    options = f"size={size},mode=0700"
    told = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "cami-small", str(folder)], capture_output=True, text=True, check=False
    )
    if told.returncode:
        raise Trouble(
            f"no small volume: {told.stderr.strip()}", "run it as root or in a mount namespace: unshare -rm COMMAND"
        )
    try:
        yield
    finally:
        # Lazily: a server that is being killed may still be in there.
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextmanager
def filled(folder: Path, leaving: int) -> Iterator[None]:
    """Take the room of a volume but for `leaving` bytes, while a server uses it."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb") as file:
            for step in (1 << 20, 4096):  # what the server writes meanwhile comes in between
                _grow(file.fileno(), folder, leaving, step)
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _grow(file: int, folder: Path, leaving: int, step: int) -> None:
    with suppress(OSError):  # nothing is left
        while shutil.disk_usage(folder).free >= leaving + step:
            os.posix_fallocate(file, os.fstat(file).st_size, step)


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Hold the lock of a server's database against all who write."""
    with closing(sqlite3.connect(server.data / "cami.sqlite", timeout=120, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def under_false_clock(server: Server) -> Sequence[str]:
    """Return the command of a server whose clock `set_clock` sets; it is right at first.

    Raises
    ------
    cami_cli.errors.Trouble
        There is no C compiler, or it fails.
    """
    _compile(server.configuration / _LIBRARY)
    (server.configuration / _CLOCK).write_bytes(_seconds(0))
    environment = {
        "LD_PRELOAD": f"{CONFIGURATION}/{_LIBRARY}",
        "CAMI_FALSE_CLOCK": f"{CONFIGURATION}/{_CLOCK}",
    }
    return ("env", *(f"{name}={value}" for name, value in environment.items()), *BOOT)


def set_clock(server: Server, seconds: int) -> None:
    """Let the clock of a server be wrong by so many seconds from now on."""
    # In place: the server has the file in its memory.
    with (server.configuration / _CLOCK).open("r+b") as file:
        file.write(_seconds(seconds))


def _seconds(seconds: int) -> bytes:
    return struct.pack("=q", seconds)


def _compile(library: Path) -> None:
    """Make the library, which needs no more of the C library than every release of it has."""
    if find_tool("cc") is None:
        raise Trouble("missing tool: cc", "install a C compiler: sudo apt-get install gcc libc6-dev")
    command = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", str(_SOURCE), "-o", str(library)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Trouble("the false clock cannot be compiled", made.stderr.strip()[-500:])
