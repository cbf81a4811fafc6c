"""The emulator's own process: carries IP packets between two TUN devices as `cami_cli.bench.link_emulator` decides.

Run as ``python -m cami_cli.bench.link_emulator_process NEAR FAR CONTROL LINE``: open descriptors of the two devices and
of a packet socket on which it is asked (JSON) for counts, for another rate, for a cut and its end; the line as JSON. It
runs at real-time priority where it may, so that a busy machine does not pass for an idle line, and tells how late it
ever was.
"""

import gc
import json
import os
import select
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Any

from cami_cli.bench.link_emulator import Direction, Line

_PACKET = 65_536
#: Packets taken from one device before the others are looked at again.
_BURST = 32
#: Every run loses packets at the same places of its sequence, as far as the senders do the same.
_SEED = 20261122


class _Way:
    """A direction with its devices and the packets that travel."""

    def __init__(self, source: int, target: int, direction: Direction) -> None:
        self.source = source
        self.direction = direction
        self.travelling: deque[tuple[float, bytes]] = deque()
        self._target = target

    def take(self) -> None:
        for _ in range(_BURST):
            try:
                packet = os.read(self.source, _PACKET)
            except BlockingIOError:
                return
            except OSError:  # the device is down
                return
            due = self.direction.offer(len(packet), time.monotonic())
            if due is not None:
                self.travelling.append((due, packet))

    def deliver(self, now: float) -> float:
        """Hand over what has arrived; return by how much the latest of it was late."""
        late = 0.0
        while self.travelling and self.travelling[0][0] <= now:
            due, packet = self.travelling.popleft()
            late = max(late, now - due)
            with suppress(OSError):
                os.write(self._target, packet)
        return late


class _Emulator:
    def __init__(self, near: int, far: int, control: socket.socket, line: Line) -> None:
        chance = Random(_SEED)  # noqa: S311 - repeatable, not secret
        self._line = line
        self._ways = {
            "up": _Way(near, far, Direction(line, chance)),
            "down": _Way(far, near, Direction(line, chance)),
        }
        self._control = control
        self._late = 0.0

    def run(self) -> None:
        ways = list(self._ways.values())
        sources = [way.source for way in ways] + [self._control.fileno()]
        while True:
            due = min((way.travelling[0][0] for way in ways if way.travelling), default=None)
            wait = None if due is None else max(0.0, due - time.monotonic())
            ready = select.select(sources, [], [], wait)[0]
            for way in ways:
                if way.source in ready:
                    way.take()
                self._late = max(self._late, way.deliver(time.monotonic()))
            if self._control.fileno() in ready and not self._obey():
                return

    def _obey(self) -> bool:
        """Do what is asked, answer with the counts; return False when whoever asks is gone."""
        asked = self._control.recv(_PACKET)
        if not asked:
            return False
        question = json.loads(asked)
        now = time.monotonic()
        for way in self._ways.values():
            self._change(way, question, now)
        answer: dict[str, Any] = {name: way.direction.counts(now).as_json() for name, way in self._ways.items()}
        answer |= {"at": now, "late": self._late}
        if question["do"] == "change":
            self._late = 0.0
        self._control.send(json.dumps(answer).encode())
        return True

    def _change(self, way: _Way, question: dict[str, Any], now: float) -> None:
        match question["do"]:
            case "cut":
                way.direction.cut(now, len(way.travelling))
                way.travelling.clear()
            case "restore":
                way.direction.restore()
            case "change":
                way.travelling.clear()
                way.direction.change(replace(self._line, **question["line"]), now)


def main(near: str, far: str, control: str, line: str) -> None:
    """Carry packets until whoever asks is gone."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    gc.disable()  # nothing here makes cycles, and a collection would hold packets up
    with socket.socket(fileno=int(control)) as asked:
        _Emulator(int(near), int(far), asked, Line(**json.loads(line))).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
