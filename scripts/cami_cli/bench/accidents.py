"""What happens to a server beside a power cut: a volume that fills up, a locked database, a clock that is wrong.

Real ones, for the benchmark and for ``tests/faults``: a small file system of its own, a lock of SQLite held by another
process, Debian's libfaketime before the C library.
"""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from cami_cli.errors import Trouble
from cami_cli.places import locked as locked_file
from cami_cli.places import make_folder, runtime_folder
from cami_cli.progress import Progress
from cami_cli.runtime.base import BOOT, CONFIGURATION, Server
from cami_cli.runtime.debian_root import unpack
from cami_cli.runtime.host_tools import require_tools

_LIBRARY = "libfaketimeMT.so.1"
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
        Debian's libfaketime is not there and cannot be fetched.
    """
    library = faketime(Progress())
    shutil.copyfile(library, server.configuration / _LIBRARY)
    set_clock(server, 0)
    environment = {
        "LD_PRELOAD": f"{CONFIGURATION}/{_LIBRARY}",
        "FAKETIME_TIMESTAMP_FILE": f"{CONFIGURATION}/{_CLOCK}",
        "FAKETIME_CACHE_DURATION": "1",
        # As on a machine whose clock is set: how long something takes stays true.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return ("env", *(f"{name}={value}" for name, value in environment.items()), *BOOT)


def set_clock(server: Server, seconds: int) -> None:
    """Let the clock of a server be wrong by so many seconds, within one."""
    part = server.configuration / f"{_CLOCK}.part"
    part.write_text(f"{seconds:+d}s\n", encoding="ascii")
    part.replace(part.with_suffix(""))


def faketime(steps: Progress) -> Path:
    """Return forky's libfaketime, fetched once: before its 0.9.12 sleeping fails in Python 3.11 and later.

    Raises
    ------
    cami_cli.errors.Trouble
        It cannot be fetched: in a network namespace of one's own there is no network.
    """
    shelf = make_folder(runtime_folder())
    folder = shelf / "libfaketime"
    with locked_file(shelf / ".libfaketime.lock"):
        if not folder.is_dir():
            require_tools(("mmdebstrap",))
            part = Path(tempfile.mkdtemp(prefix=".libfaketime.part-", dir=shelf))
            try:
                with steps.step("libfaketime of Debian forky") as step:
                    unpack("forky", ["libfaketime"], part / "root", shelf / "libfaketime.log", step)
                (part / "root").rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return next(folder.glob(f"usr/lib/*/faketime/{_LIBRARY}"))
