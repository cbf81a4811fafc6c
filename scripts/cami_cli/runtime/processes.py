"""Processes that outlive the command line: found again by process id and start time, so that none is mistaken."""

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """What tells one process from all others, those of later boots included."""

    pid: int
    started: int
    """Clock ticks after boot (proc(5), field 22)."""
    boot: str


def mark_of(pid: int) -> ProcessMark | None:
    """Return the mark of a living process, or None; a zombie does not live."""
    try:
        # The command name stands in parentheses and may hold blanks: fields are counted behind the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in "ZX":
        return None
    return ProcessMark(pid, int(fields[19]), Path("/proc/sys/kernel/random/boot_id").read_text().strip())


def write_mark(file: Path, mark: ProcessMark) -> None:
    """Keep `mark` in `file`, whole or not at all."""
    part = file.with_name(file.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump(asdict(mark), stream)
    part.replace(file)


def read_mark(file: Path) -> ProcessMark | None:
    """Return the mark kept in `file` if that very process lives."""
    try:
        kept = ProcessMark(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return kept if mark_of(kept.pid) == kept else None


def send(mark: ProcessMark, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; return whether it was there to get it."""
    try:
        handle = os.pidfd_open(mark.pid)
    except ProcessLookupError:
        return False
    try:
        # Looked at after opening: the handle keeps meaning the process that was checked.
        if mark_of(mark.pid) != mark:
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def catches(mark: ProcessMark, number: signal.Signals) -> bool:
    """Return whether the process has a handler for a signal.

    The kernel drops a signal for the first process of a PID namespace that has none, as a server that just starts.
    """
    with suppress(OSError):
        for line in Path(f"/proc/{mark.pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def wait_gone(mark: ProcessMark, seconds: float) -> bool:
    """Wait until the process is gone; return whether it is."""
    until = time.monotonic() + seconds
    while mark_of(mark.pid) == mark:
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def terminate(mark: ProcessMark, seconds: float) -> None:
    """End a process in order within `seconds`, else by force."""
    until = time.monotonic() + seconds
    while not catches(mark, signal.SIGTERM) and mark_of(mark.pid) == mark and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    send(mark, signal.SIGTERM)
    if not wait_gone(mark, until - time.monotonic()):
        kill(mark)


def kill(mark: ProcessMark) -> None:
    """End a process at once and wait until it is gone."""
    send(mark, signal.SIGKILL)
    wait_gone(mark, 10)
