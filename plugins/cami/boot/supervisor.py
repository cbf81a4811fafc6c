"""Running Orthanc as a child: start, hand over the ports, pass signals on, ask as a stranger, kill when in doubt."""

import ctypes
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

from cami.boot.log_watch import LogWatch
from cami.boot.ports import HeldPort, hold, http_address
from cami.boot.probe import Answered, Finding, ask_as_stranger
from cami.boot.ready import GO, READY, VARIABLE

log = logging.getLogger("cami.boot")

#: Exit status: the server was unsafe and was killed, or ended before its plugin was ready.
UNSAFE = 3

#: How long the plugin may take to register its hooks.
READY_SECONDS = 120.0
#: Between two questions until Orthanc listens, and afterwards.
EAGER_SECONDS = 0.02
CALM_SECONDS = 30.0

#: For what Orthanc has written last.
_LAST_WORDS_SECONDS = 5.0

_PR_SET_PDEATHSIG = 1


class Supervisor:
    """One Orthanc and the process that answers for it."""

    def __init__(
        self,
        command: Sequence[str],
        configuration: Mapping[str, Any],
        *,
        ready_seconds: float = READY_SECONDS,
        calm_seconds: float = CALM_SECONDS,
        may_restart: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make one; `may_restart` is asked when somebody wants Orthanc started anew (SIGHUP)."""
        self._command = command
        self._configuration = configuration
        self._address = http_address(configuration)
        self._port: int = configuration.get("HttpPort", 8042)
        self._ready_seconds = ready_seconds
        self._calm_seconds = calm_seconds
        self._selector = selectors.DefaultSelector()
        self._held: list[HeldPort] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._log: LogWatch | None = None
        self._status: int | None = None
        self._guarded = False  # the plugin has given its word
        self._answers = False  # strangers were refused at least once
        self._unsafe = False  # strangers were answered
        self._stopping = False
        self._may_restart = may_restart
        self._asked_anew = False
        self.anew = False
        """Whether it has ended Orthanc to have it started anew."""
        self._next_event = 0.0

    def run(self) -> int:
        """Run Orthanc until it ends and return the exit status.

        Raises
        ------
        cami.errors.Misconfigured
            One of its ports is in use.
        """
        self._held = hold(self._configuration)
        ours, theirs = socket.socketpair()
        woken, wake = socket.socketpair()
        with ours, theirs, woken, wake:
            for end in (ours, woken, wake):
                end.setblocking(False)
            before = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
            handlers = {number: signal.signal(number, self._on_signal) for number in self._signals()}
            try:
                self._start(theirs, ours)
                self._watch(ours, woken)
            finally:
                self._kill()
                if self._log is not None:
                    self._log.join(_LAST_WORDS_SECONDS)
                self._give_up_ports()
                for number, handler in handlers.items():
                    signal.signal(number, handler)
                signal.set_wakeup_fd(before)
                self._selector.close()
        return self._exit_status()

    @staticmethod
    def _signals() -> tuple[signal.Signals, ...]:
        return (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGCHLD:  # the wake-up socket has told the loop
            return
        if number == signal.SIGHUP:
            self._asked_anew = True
            return
        self._stopping = True
        self._end_child()

    def _end_child(self) -> None:
        if self._child is not None and self._status is None:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGTERM)

    def _consider_restart(self) -> None:
        """End Orthanc in order, if it could be started again; a wrong registry must not stop a server that runs."""
        self._asked_anew = False
        if self._stopping or self.anew or not self._guarded or not self._may_restart():
            return
        log.info("Orthanc is started anew, as was asked for")
        self.anew = True
        self._end_child()

    def _start(self, theirs: socket.socket, ours: socket.socket) -> None:
        parent = os.getpid()
        libc = ctypes.CDLL(None, use_errno=True)

        def tie_to_parent() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)

        self._child = subprocess.Popen(
            self._command,
            env=os.environ | {VARIABLE: str(theirs.fileno()), "TCP_NODELAY": os.environ.get("TCP_NODELAY", "1")},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            preexec_fn=tie_to_parent,  # noqa: PLW1509 - this process has one thread so far
        )
        theirs.close()
        if self._child.stderr is not None:
            self._log = LogWatch(self._child.stderr, sys.stderr.fileno(), ours)
            self._log.start()
        if self._stopping:  # told to stop before there was a child
            self._child.send_signal(signal.SIGTERM)

    def _watch(self, ours: socket.socket, woken: socket.socket) -> None:
        self._selector.register(woken, selectors.EVENT_READ, woken)
        self._selector.register(ours, selectors.EVENT_READ, ours)
        for port in self._held:
            self._selector.register(port, selectors.EVENT_READ, port)
        self._next_event = time.monotonic() + self._ready_seconds
        while self._status is None:
            for key, _ in self._selector.select(max(0.0, self._next_event - time.monotonic())):
                if key.data is ours:
                    self._on_word(ours)
                elif key.data is woken:
                    with suppress(BlockingIOError):
                        woken.recv(4096)
                elif isinstance(key.data, HeldPort) and self._held:
                    key.data.turn_away()
            self._reap()
            if self._asked_anew:
                self._consider_restart()
            if self._status is None and time.monotonic() >= self._next_event:
                self._on_time()

    def _on_word(self, ours: socket.socket) -> None:
        """Hear what comes from inside Orthanc: the plugin's word, or the end of the connection without it."""
        with suppress(ConnectionError):
            if ours.recv(64) == READY:
                self._guarded = True
                self._give_up_ports()
                ours.send(GO)
                self._next_event = 0.0
        self._selector.unregister(ours)

    def _give_up_ports(self) -> None:
        for port in self._held:
            with suppress(KeyError, ValueError):
                self._selector.unregister(port)
            port.release()
        self._held = []

    def _on_time(self) -> None:
        if not self._guarded:
            log.error("the plugin was not ready after %.0f s: the server is killed", self._ready_seconds)
            self._kill()
            return
        try:
            finding = ask_as_stranger(self._address, self._port)
        except Answered as error:
            log.critical("%s: the server is unsafe and is killed", error)
            self._unsafe = True
            self._kill()
            return
        if finding is Finding.REFUSED and not self._answers:
            log.info("Orthanc answers on %s:%d and refuses strangers", self._address, self._port)
            self._answers = True
        elif finding is Finding.SILENT and self._answers and not (self._stopping or self.anew):
            log.warning("Orthanc does not answer on %s:%d", self._address, self._port)
        pause = self._calm_seconds if self._answers else EAGER_SECONDS
        self._next_event = time.monotonic() + pause

    def _reap(self) -> None:
        """Collect ended children; as PID 1 also those that lost their parents."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if self._child is not None and pid == self._child.pid:
                    self._status = self._child.returncode = os.waitstatus_to_exitcode(status)

    def _kill(self) -> None:
        if self._child is None or self._status is not None:
            return
        self._child.kill()
        self._status = self._child.wait()

    def _exit_status(self) -> int:
        status = self._status if self._status is not None else UNSAFE
        if self._unsafe:
            return UNSAFE
        if self._guarded:
            return status if status >= 0 else 128 - status
        if self._stopping:
            return 0
        log.error("Orthanc has ended before its plugin guarded it (status %d): it has answered nobody", status)
        return UNSAFE
