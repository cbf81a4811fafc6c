"""How a delivery is broken in the middle, one way a fault; each returns how long the line or a server was away."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from typing import Literal

from cami_cli.bench.accidents import filled, locked, set_clock
from cami_cli.bench.delivery_servers import End, Pair, Weakness
from cami_cli.bench.link_emulator_ends import ThinLine

Fault = Literal["none", "line", "flaky", "proxy", "centre", "both", "disk", "database", "clock"]

#: When a line comes and goes, by chance: every run sees the same outages.
SEED = 20261123
#: Seconds of one span of a line that is down for a part of the time, and that part on the average.
_SPAN, _DOWN = 10.0, 0.3
#: Seconds that a disk is full, a database locked, a clock wrong.
_AWHILE = 15.0
_HOUR = 3600

#: What servers need for a fault to be possible.
WEAKNESS: Mapping[Fault, Weakness] = {"disk": "small volumes", "clock": "false clocks"}


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault happens to."""

    pair: Pair
    line: ThinLine
    outage: float
    """Seconds for which the line is cut."""
    delivered: Callable[[], bool]
    """Whether all is at the centre."""


def break_it(fault: Fault, scene: Scene) -> float:
    """Break something and mend it; return for how many seconds it was broken."""
    began = time.monotonic()
    pair = scene.pair
    match fault:
        case "none":
            pass
        case "line":
            _cut(scene.line, scene.outage)
        case "flaky":
            return _come_and_go(scene)
        case "proxy" | "centre" | "both":
            _kill([end for end in (pair.proxy, pair.centre) if fault in ("both", _role(pair, end))])
        case "disk":
            with ExitStack() as stack:
                for end in (pair.proxy, pair.centre):
                    stack.enter_context(filled(end.server.data, leaving=0))
                time.sleep(_AWHILE)
        case "database":
            for end in (pair.proxy, pair.centre):
                with locked(end.server):
                    time.sleep(_AWHILE)
        case "clock":
            _set_clocks(pair)
    return time.monotonic() - began


def _role(pair: Pair, end: End) -> Fault:
    return "proxy" if end is pair.proxy else "centre"


def _cut(line: ThinLine, seconds: float) -> None:
    line.cut()
    time.sleep(seconds)
    line.restore()


def _come_and_go(scene: Scene) -> float:
    """Cut the line somewhere in each span until all is delivered; return how long it was down in all."""
    chance = Random(SEED)  # noqa: S311 - repeatable, not secret
    down = 0.0
    while not scene.delivered():
        gone = chance.uniform(0.1, 2 * _DOWN - 0.1) * _SPAN
        before = chance.uniform(0.0, _SPAN - gone)
        time.sleep(before)
        _cut(scene.line, gone)
        down += gone
        time.sleep(_SPAN - before - gone)
    return down


def _kill(ends: list[End]) -> None:
    for end in ends:
        end.runtime.kill(end.server)
    for end in ends:
        end.runtime.start(end.server)
    for end in ends:
        end.wait()


def _set_clocks(pair: Pair) -> None:
    """Set one clock wrong and right again, forward and back: meanwhile the centre does not believe the proxy."""
    for end, seconds in ((pair.proxy, _HOUR), (pair.centre, -_HOUR)):
        set_clock(end.server, seconds)
        time.sleep(_AWHILE / 2)
        set_clock(end.server, 0)
        time.sleep(2)
