"""Threads in which HTTP requests are handled: Orthanc's own have too small a stack for it.

Debian's CivetWeb gives its threads 100 KB of stack. Compiling a report's SQL takes more: Python 3.14 measures its stack
and raises RecursionError after some 60 frames, and an older one, which only counts, may crash the server. So Orthanc's
thread waits while one of ours, with the usual stack, does the work.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class _Thread(Generic[T]):
    """A thread that does one piece of work at a time. A daemon: what is not would hold up Orthanc's shutdown."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], T] | None] = SimpleQueue()
        self._done: SimpleQueue[T | BaseException] = SimpleQueue()
        threading.Thread(target=self._run, name="cami-http", daemon=True).start()

    def call(self, work: Callable[[], T]) -> T:
        self._work.put(work)
        answer = self._done.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def end(self) -> None:
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                self._done.put(work())
            except BaseException as error:  # noqa: BLE001 - raised again where it was called
                self._done.put(error)


class HandlerThreads(Generic[T]):
    """As many threads as requests are handled at the same time, made when they are needed. Thread-safe."""

    def __init__(self) -> None:
        self._idle: list[_Thread[T]] = []
        """Last in, first out: what is seldom needed stays asleep. Appending and popping need no lock."""

    def call(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread of its own and return what it returns, or raise what it raises."""
        try:
            thread = self._idle.pop()
        except IndexError:
            thread = _Thread()
        try:
            return thread.call(work)
        finally:
            self._idle.append(thread)

    def end(self) -> None:
        """End the threads that have nothing to do."""
        while self._idle:
            self._idle.pop().end()
