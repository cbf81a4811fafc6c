"""Threads of a server: daemons that start with Orthanc and stop with it.

A thread that is not a daemon would hold up Orthanc's shutdown for ever (reference/orthanc.md §1.3).
"""

import logging
import threading
import time
from collections.abc import Callable

from cami.edge.logs import describe
from cami.errors import CamiError

log = logging.getLogger(__name__)

#: Seconds to wait after a step that failed for no reason we know.
AFTER_FAILURE = 5.0
#: Most seconds between two tries of what asks the centre while that cannot be asked. A proxy asks for some ten things,
#: each try costs a connection, and when the line works again all are tried at once (`Worker.retry`).
WHILE_AWAY = 15.0
#: Seconds to wait after the first of several steps that failed as they may, as while the line is down.
AFTER_TROUBLE = 1.0


class Worker:
    """Repeats a step in a thread of its own."""

    def __init__(
        self,
        name: str,
        step: Callable[[], float],
        *,
        gather: float = 0.0,
        gather_most: float = 0.0,
        rest_most: float = AFTER_TROUBLE,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Make a worker.

        Parameters
        ----------
        step
            Does a piece of work and returns how many seconds to wait before the next.
        gather
            Seconds between two steps at least, when woken: so one step does what many wake-ups ask for.
        gather_most
            While wake-ups go on without a pause, the time between two steps doubles up to this many seconds: what comes
            in a burst is taken in few, large portions, which leaves the machine to who brings it.
        rest_most
            While steps fail as they may, the wait after them doubles up to this many seconds. For what is woken, by
            `retry`, once it may succeed.
        on_stop
            Called when the server stops, before the HTTP server waits for its threads.
        """
        self.name = name
        self._step = step
        self._gather = gather
        self._gather_most = max(gather, gather_most)
        self._rest_most = rest_most
        self._on_stop = on_stop
        self._wake = threading.Event()
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"cami-{name}", daemon=True)
        self._last_trouble = ""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """End the present wait: there is something to do."""
        if not self._wake.is_set():  # called for each image that comes in; setting it takes a lock
            self._wake.set()

    def retry(self) -> None:
        """End the present wait if the last step has failed: what was in its way may be gone."""
        if self._last_trouble:
            self.wake()

    def stop(self) -> None:
        """Ask the thread to end after its present step."""
        self._halt.set()
        self._wake.set()
        self._on_stop()

    def join(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for the thread to end; what it was doing is safe in the database anyway."""
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        gather, rest = self._gather, AFTER_TROUBLE
        while not self._halt.is_set():
            began = time.monotonic()
            try:
                wait, rest = self._step(), AFTER_TROUBLE
                self._trouble("")
            except CamiError as error:
                self._trouble(str(error))
                wait, rest = rest, min(2 * rest, self._rest_most)
            except Exception as error:  # noqa: BLE001 - a thread that dies would stop delivery for good
                log.error("%s failed: %s", self.name, describe(error))  # noqa: TRY400
                wait = AFTER_FAILURE
            if self._wake.wait(wait) and gather:
                early = began + gather - time.monotonic()
                self._halt.wait(max(0.0, early))
                gather = min(2 * gather, self._gather_most) if early > 0 else self._gather
            else:
                gather = self._gather
            self._wake.clear()

    def _trouble(self, text: str) -> None:
        # A line that is down for a night must not fill the log: each change of state is one line.
        if text != self._last_trouble:
            if text:
                log.warning("%s: %s", self.name, text)
            else:
                log.info("%s: works again", self.name)
            self._last_trouble = text
