"""The processor time of a server: unlike a rate, it hardly depends on what else the machine is doing."""

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def seconds_of(pid: int) -> float:
    """Return the processor seconds that a process and those that it has started have used so far (proc(5))."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command name stands in parentheses and may hold blanks: fields are counted behind the last one.
            fields = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        number = int(file.parent.name)
        parents[number] = int(fields[1])
        used[number] = int(fields[11]) + int(fields[12])
    return sum(ticks for number, ticks in used.items() if _descends(number, pid, parents)) / _TICK


def _descends(number: int, ancestor: int, parents: dict[int, int]) -> bool:
    while number != ancestor and number in parents:
        number = parents[number]
    return number == ancestor
