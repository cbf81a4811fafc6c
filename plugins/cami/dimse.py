"""DICOM associations that we open: C-STORE, C-ECHO and C-FIND with the status that the other side really answered.

Orthanc's own senders do not tell it: a refused image, a full disk and a wrong AE title are one error code to a plugin,
and its jobs wait for each other (docs/architecture.md §6, "Forwarding").
"""

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined] # made when the module is imported
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from cami.errors import Permanent, Transient

#: Seconds for a connection, and for the answer to our request for an association.
CONNECT_SECONDS = 10
#: Seconds to wait for the answer to a message, besides the time that the message itself takes on the line.
ANSWER_SECONDS = 60
#: Milliseconds after which a line that acknowledges nothing counts as dead. Left to itself TCP tries for 15 minutes.
_DEAD_AFTER_MS = 20_000
_BYTES_A_SECOND = 20_000
"""The slowest line for which an image is waited for."""

EXPLICIT = "1.2.840.10008.1.2.1"
IMPLICIT = "1.2.840.10008.1.2"


class NoAssociation(Transient):
    """There is no association; `code` says why: ``unreachable``, ``rejected``, ``no-answer`` or ``broken``."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"no DICOM association: {code}{f' ({detail})' if detail else ''}")
        self.code = code
        self.detail = detail


class NotAccepted(Permanent):
    """The other side takes no such object: its SOP class, or none of the transfer syntaxes that were offered."""

    def __init__(self, syntaxes: tuple[str, ...] = ()) -> None:
        """`syntaxes`: of those that were offered, what it does take for this SOP class."""
        super().__init__("the SOP class or the transfer syntax is not accepted")
        self.syntaxes = syntaxes


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to call, and as whom."""

    host: str
    port: int
    aet: str
    calling: str
    tls: ssl.SSLContext | None = None


class Parking(threading.Event):
    """Where pynetdicom's reactor thread waits for as long as we send.

    `Association.send_c_store` parks the reactor for each message, but takes it for parked when it has only come near:
    on a busy machine the reactor then reads the answer from the queue before the sender does, drops it, and the sender
    waits until its time is up (seen with pynetdicom 3.0.4). So it is parked once, surely, until the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._reached = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        """Say that the reactor is here, and keep it."""
        self._reached.set()
        return super().wait(timeout)

    def set(self) -> None:
        """Do nothing: so `send_c_store` does not let the reactor go after each message."""

    def park(self, association: Association) -> bool:
        """Take the place of the association's own checkpoint; return whether the reactor has come."""
        association._reactor_checkpoint = self  # noqa: SLF001 - there is no other way to it
        return self._reached.wait(CONNECT_SECONDS)

    def leave(self) -> None:
        """Let the reactor go on: it ends when the association has ended."""
        super().set()


def send_from_files() -> None:
    """Let pynetdicom send data sets as they lie in their files: no decoding, no encoding."""
    _config.STORE_SEND_CHUNKED_DATASET = True
    _config.LOG_HANDLER_LEVEL = "none"


def send_at_once(event: evt.Event) -> None:
    """Turn off Nagle's algorithm (waiting for the last part of each message costs 40 ms), and notice a dead line."""
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_AFTER_MS)


class Caller:
    """Calls one peer, over one association at a time that stays open between images. For one thread."""

    def __init__(
        self, peer: Peer, on_sent: Callable[[int], None] | None = None, *, originator: tuple[str, int] | None = None
    ) -> None:
        """Make a caller.

        Parameters
        ----------
        on_sent
            Hears of the bytes of each piece that was written, and may wait.
        originator
            Who has asked for these images by C-MOVE, and the Message ID of that request (PS3.7 9.3.1.1).
        """
        self._peer = peer
        self._originator = originator or (None, None)
        self._on_sent = on_sent
        self._association: Association | None = None
        self._contexts: tuple[str, tuple[str, ...]] = ("", ())
        self._parking = Parking()

    def store(self, dicom: bytes, sop_class: str, syntax: str) -> int:
        """Store a DICOM file (PS3.4 annex B) and return the status of the answer (PS3.4 B.2.3).

        Raises
        ------
        NoAssociation
            There is none, or it ended before the answer.
        NotAccepted
            The SOP class or this transfer syntax is not taken.
        """
        send_from_files()
        association = self._opened(sop_class, tuple(dict.fromkeys((syntax, EXPLICIT, IMPLICIT))))
        accepted = [str(context.transfer_syntax[0]) for context in association.accepted_contexts]
        if syntax not in accepted:
            raise NotAccepted(tuple(accepted))
        association.dimse_timeout = ANSWER_SECONDS + len(dicom) / _BYTES_A_SECOND
        # Held in memory, so that nothing is left of it when this process dies.
        file = os.memfd_create("cami-image", os.MFD_CLOEXEC)
        try:
            _write(file, dicom)
            title, message = self._originator
            answer = association.send_c_store(
                f"/proc/self/fd/{file}", originator_aet=title, originator_id=message or None
            )
        except (RuntimeError, ValueError) as error:
            self._drop()
            raise NoAssociation("broken") from error
        finally:
            os.close(file)
        if "Status" not in answer:
            self._drop()
            raise NoAssociation("broken")
        return int(answer.Status)

    def close(self) -> None:
        """Release the association, if one is open."""
        if self._association is not None and self._association.is_established:
            self._association.release()
        self._drop()

    def _opened(self, sop_class: str, syntaxes: tuple[str, ...]) -> Association:
        wanted = (sop_class, syntaxes)
        if self._association is not None and self._contexts == wanted and self._association.is_established:
            return self._association
        self.close()
        contexts = [build_context(sop_class, syntax) for syntax in syntaxes]
        association = _associate(self._peer, contexts, self._on_sent)
        self._parking = Parking()
        if not self._parking.park(association):
            association.abort()
            raise NoAssociation("broken")
        self._association, self._contexts = association, wanted
        return association

    def _drop(self) -> None:
        """Leave a broken association to its reactor, which notices that it has ended."""
        association, self._association = self._association, None
        if association is not None and association.is_established:
            association.abort()
        self._parking.leave()


def echo(peer: Peer) -> int:
    """Say hello (C-ECHO, PS3.4 annex A) and return the status of the answer.

    Raises
    ------
    NoAssociation
        Nobody answers, or we are not let in.
    NotAccepted
        The other side knows no C-ECHO.
    """
    with _short(peer, Verification) as association:
        answer = association.send_c_echo()
    if "Status" not in answer:
        raise NoAssociation("no-answer")
    return int(answer.Status)


def holds(peer: Peer, study_uid: str, series_uid: str, sop_uid: str) -> bool:
    """Ask whether the other side finds an image (C-FIND, Study Root model, PS3.4 C.6.2).

    Raises
    ------
    NoAssociation
        Nobody answers, or the answer is a failure.
    NotAccepted
        The other side answers no C-FIND.
    """
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID, query.SeriesInstanceUID, query.SOPInstanceUID = study_uid, series_uid, sop_uid
    found = False
    with _short(peer, StudyRootQueryRetrieveInformationModelFind) as association:
        for status, match in association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind):
            if "Status" not in status or int(status.Status) not in (0x0000, 0xFF00, 0xFF01):
                raise NoAssociation("no-answer")
            found = found or (match is not None and str(match.get("SOPInstanceUID", "")) == sop_uid)
    return found


@contextmanager
def _short(peer: Peer, sop_class: str) -> Iterator[Association]:
    association = _associate(peer, [build_context(sop_class)], None)
    try:
        if not association.accepted_contexts:
            raise NotAccepted
        yield association
    finally:
        association.release()


def _associate(peer: Peer, contexts: list[PresentationContext], on_sent: Callable[[int], None] | None) -> Association:
    entity = AE(ae_title=peer.calling)
    entity.connection_timeout = entity.acse_timeout = CONNECT_SECONDS
    entity.dimse_timeout = ANSWER_SECONDS
    entity.network_timeout = None
    handlers: list[evt.EventHandlerType] = [(evt.EVT_CONN_OPEN, send_at_once)]
    if on_sent is not None:
        notify = on_sent
        handlers.append((evt.EVT_DATA_SENT, lambda event: notify(len(event.data))))
    association = entity.associate(
        peer.host,
        peer.port,
        contexts=contexts,
        ae_title=peer.aet,
        evt_handlers=handlers,
        tls_args=(peer.tls, peer.host) if peer.tls is not None else None,
    )
    if association.is_established:
        return association
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        raise NoAssociation("rejected", str(answer.reason_str).lower())
    if association.rejected_contexts and not association.accepted_contexts:
        raise NotAccepted
    raise NoAssociation("unreachable")


def _write(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
