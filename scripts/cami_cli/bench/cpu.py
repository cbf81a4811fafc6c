"""Processor time and memory of a server: unlike a rate, they hardly depend on what else the machine is doing."""

import os
from pathlib import Path

_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
_TICK = os.sysconf("SC_CLK_TCK")


def seconds_of(pid: int) -> float:
    """Return the processor seconds that a process and those that it has started have used so far (proc(5))."""
    return sum(int(fields[11]) + int(fields[12]) for fields in _fields_of(pid)) / _TICK


def resident_mb(pid: int) -> float:
    """Return the megabytes that a process and those that it has started hold in memory, files of programs included."""
    return sum(int(fields[21]) for fields in _fields_of(pid)) * _PAGE_MB


def _fields_of(pid: int) -> list[list[str]]:
    """Return what ``/proc/PID/stat`` says of a process and of those that descend from it, from the state on."""
    parents: dict[int, int] = {}
    found: dict[int, list[str]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command name stands in parentheses and may hold blanks: fields are counted behind the last one.
            fields = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        number = int(file.parent.name)
        parents[number] = int(fields[1])
        found[number] = fields
    return [fields for number, fields in found.items() if _descends(number, pid, parents)]


def _descends(number: int, ancestor: int, parents: dict[int, int]) -> bool:
    while number != ancestor and number in parents:
        number = parents[number]
    return number == ancestor
