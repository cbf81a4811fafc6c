"""Recording events: durable when the call returns, many of them in one transaction when many come at once."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from cami.audit.chain import append
from cami.audit.event import AuditEvent
from cami.clock import Clock
from cami.errors import Transient

#: Events that one transaction takes at most.
MOST = 200
#: Seconds that a caller waits; longer than a busy database keeps a transaction waiting (`cami.db.engine`).
PATIENCE = 40.0
#: Seconds without events after which the writing thread ends; the next event starts another.
IDLE = 5.0
_FAILED = "the journal cannot be written"


class AuditTrail:
    """The journal of one server. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, server: str) -> None:
        """Make it; `server` names the chain: ``central`` or ``proxy-42001``."""
        self._engine = engine
        self._clock = clock
        self.server = server
        self._writer = _Writer(self._write)

    def record(self, event: AuditEvent) -> None:
        """Write an event; it is durable when this returns.

        Never inside a transaction of one's own: SQLite would wait for it in vain (`record_in` is for that).

        Raises
        ------
        cami.errors.Transient
            It cannot be written now: the act must be refused.
        """
        self._writer.write(event.cleaned())

    def record_in(self, connection: Connection, event: AuditEvent) -> None:
        """Write an event in the caller's transaction, as the last thing in it: it holds up the other writers."""
        append(connection, self.server, [event.cleaned()], self._clock.now())

    def close(self) -> None:
        """End the writing thread, after what it has been given."""
        self._writer.close()

    def _write(self, events: Sequence[AuditEvent]) -> None:
        with self._engine.begin() as connection:
            append(connection, self.server, events, self._clock.now())


class _Writer:
    """A thread that writes what others hand in. What comes while it writes shares its next transaction.

    Orthanc's own threads have too small a stack for it (`cami.edge.handler_threads`), and one transaction with one
    write to the disk serves all who came meanwhile.
    """

    def __init__(self, write: Callable[[Sequence[AuditEvent]], None]) -> None:
        self._write = write
        self._changed = threading.Condition()
        self._waiting: list[tuple[AuditEvent, Future[None]]] = []
        self._thread: threading.Thread | None = None
        self._closing = False

    def write(self, event: AuditEvent) -> None:
        done: Future[None] = Future()
        with self._changed:
            self._waiting.append((event, done))
            if self._thread is None:
                self._closing = False
                self._thread = threading.Thread(target=self._run, name="cami-audit", daemon=True)
                self._thread.start()
            self._changed.notify()
        try:
            done.result(PATIENCE)
        except TimeoutError as error:
            raise Transient(_FAILED) from error

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(PATIENCE)

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._write([event for event, _ in batch])
            except SQLAlchemyError as error:
                for _, done in batch:
                    refusal = Transient(_FAILED)
                    refusal.__cause__ = error
                    done.set_exception(refusal)
            except BaseException as error:  # noqa: BLE001 - raised again in the threads that wait
                for _, done in batch:
                    done.set_exception(error)
            else:
                for _, done in batch:
                    done.set_result(None)

    def _next(self) -> list[tuple[AuditEvent, Future[None]]]:
        """Wait for something to write; nothing: the thread ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing, IDLE)
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if not batch:
                self._thread = None
            return batch
