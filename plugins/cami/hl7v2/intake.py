"""A message that has come: read, carried out in one transaction with its answer, or refused and kept.

Answers (HL7 v2.5.1 §2.9). Original mode, MSH-15 and MSH-16 empty: one answer, ``AA`` carried out, ``AE`` what it says
is wrong, ``AR`` it cannot be read or must not be.

Enhanced mode: MSH-15 asks for a commit answer (``CA``, ``CE``, ``CR``), MSH-16 for that of the application. Both are
given when the message has been carried out or refused, since nothing is only promised: ``CA`` means that what it said
is in the database, or that an answer of the application follows that says why not.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from cami.audit import AuditEvent
from cami.clock import Clock
from cami.errors import CamiError
from cami.hl7v2.answers import Answer, Header, written
from cami.hl7v2.framing import framed
from cami.hl7v2.kept import KeptMessages
from cami.hl7v2.message import Message, read
from cami.hl7v2.peers import Origin, Peer, Peers
from cami.hl7v2.problems import Refused, of_refusal, reject, wrong
from cami.mis import Caller, MisService
from cami.mis.problems import Refusal
from cami.orders import Order
from cami.web import Request, Response

log = logging.getLogger(__name__)

#: Carries out a message of one kind in a transaction.
Deed = Callable[[Connection, Message, Peer, Caller], tuple[Answer, list[AuditEvent]]]

#: The server could not: the same message is to come again (table 0357).
_LATER = "CAMI-0094"
_ACKNOWLEDGEMENTS = frozenset({"ACK", "ORR", "ORI", "MCF"})


class Hl7Intake:
    """Takes messages. Thread-safe."""

    def __init__(
        self, *, peers: Peers, mis: MisService, kept: KeptMessages, deeds: dict[tuple[str, str], Deed],
        tell: Callable[[Connection, Order, str], None], clock: Clock, zone: ZoneInfo,
    ) -> None:  # fmt: skip
        """Make it; `tell` makes an event of an order, so that who asked for it hears what became of it."""
        self._peers = peers
        self._mis = mis
        self._kept = kept
        self._deeds = deeds
        self._tell = tell
        self._clock = clock
        self._zone = zone

    def take(self, data: bytes, origin: Origin) -> list[bytes]:
        """Take a message; return what goes back, framed. Never raises.

        A message that is itself an answer is answered by nothing.
        """
        header, peer, message = Header(), None, None
        try:
            message = read(data, self._peers.codec(origin))
            header = Header.of(message)
            if message.kind[0] in _ACKNOWLEDGEMENTS:
                return []
            peer = self._peers.sender(message, origin)
            if peer.codec != message.codec and not header.character_set:
                message = read(data, peer.codec)
            answer, exact = self._carried_out(message, peer, origin)
        except Refused as refused:
            header = header if message else glimpse(data)
            answer, exact = Answer(refused.verdict, refused.wrongs), None
        except (SQLAlchemyError, CamiError, OSError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            log.error("a message of HL7 was not carried out: %s", type(error).__name__)  # noqa: TRY400 - may name a patient
            answer, exact = Answer("AR", [wrong(_LATER)]), None
        if answer.verdict != "AA":
            self._keep(data, origin, answer, header, peer)
        elif peer is not None:
            self._kept.came_right(peer.system.name, header.control)
        return [framed(each) for each in self._replies(answer, exact, header, message, peer)]

    def again(self, number: int, by: str) -> bool:
        """Carry out a kept message again; say whether that went well. Its sender is told by events alone."""
        data, origin = self._kept.message(number)
        try:
            message = read(data, self._peers.codec(origin))
            peer = self._peers.sender(message, origin)
            if not message.header.text(18):
                message = read(data, peer.codec)
            self._carried_out(message, peer, origin, by=by)
        except Refused as refused:
            self._keep(data, origin, Answer(refused.verdict, refused.wrongs), Header.of(message), peer)
            return False
        return self._kept.end(number, by)

    def _carried_out(self, message: Message, peer: Peer, origin: Origin, by: str = "") -> tuple[Answer, bytes | None]:
        """Carry a message out; return the answer, and its bytes if it was given before or is to be the same again."""
        deed = self._deed(message, peer)
        header = Header.of(message)
        caller = Caller(peer.system.name, str(uuid4()), origin.address)
        request = Request("HL7", "/", {"idempotency-key": _key(message)}, {}, _without_time(message))
        given: list[Answer] = []

        def work(connection: Connection) -> tuple[Response, list[AuditEvent]]:
            answer, acts = deed(connection, message, peer, caller)
            given[:] = [answer]
            if by:  # who sent it was told that it was refused
                for _, order in answer.orders:
                    self._tell(connection, order, by)
            body = written(answer, header, control=self._control(), now=self._now())
            return Response(200, body, "x-application/hl7-v2+er7", []), acts

        try:
            response = self._mis.writes.once(request, caller, work)
        except Refusal as refusal:
            raise of_refusal(refusal) from refusal
        if by:
            log.info("a kept message of HL7 was carried out for %s", by)
        return (given[0] if given else Answer("AA")), response.body

    def _deed(self, message: Message, peer: Peer) -> Deed:
        if not message.control:
            raise reject("CAMI-0078")
        if message.header.text(11) != peer.system.processing:
            raise reject("CAMI-0077")
        try:
            return self._deeds[message.kind]
        except KeyError:
            raise reject("CAMI-0071") from None

    def _replies(
        self, answer: Answer, exact: bytes | None, header: Header, message: Message | None, peer: Peer | None
    ) -> list[bytes]:
        body = exact or written(answer, header, control=self._control(), now=self._now())
        commit, application = ("", "") if message is None else (message.header.text(15), message.header.text(16))
        original = peer is not None and peer.system.acknowledgement == "original"
        if original or not (commit or application):
            return [body]
        fine = answer.verdict == "AA"
        follows = _wanted(application, fine=fine)
        replies = []
        if _wanted(commit, fine=fine or follows):
            # With nothing to follow, the commit answer is the only one that can tell what is wrong.
            verdict = "CA" if fine or follows else {"AE": "CE", "AR": "CR"}[answer.verdict]
            plain = Answer(verdict, () if follows else answer.wrongs)
            replies.append(written(plain, header, control=self._control(), now=self._now()))
        if follows:
            replies.append(body)
        return replies

    def _keep(self, data: bytes, origin: Origin, answer: Answer, header: Header, peer: Peer | None) -> None:
        try:
            self._kept.keep(
                data, origin, system=peer.system.name if peer else "", kind="^".join(filter(None, header.kind)),
                control=header.control, verdict=answer.verdict, wrongs=answer.wrongs,
            )  # fmt: skip
        except SQLAlchemyError as error:  # the sender has an answer that makes it send again
            log.error("a refused message of HL7 could not be kept: %s", type(error).__name__)  # noqa: TRY400

    def _now(self) -> datetime:
        return self._clock.now().astimezone(self._zone)

    @staticmethod
    def _control() -> str:
        return f"CM{uuid4().hex[:18]}"


def glimpse(data: bytes) -> Header:
    """Return what can be read of the header of a message that cannot be read, for its answer."""
    fields = data.lstrip(b"\r\n").split(b"\r", 1)[0].split(data[3:4] or b"|")[:17]
    try:
        header = Header.of(read((data[3:4] or b"|").join(fields), "latin-1"))
    except Refused:
        return Header()
    return replace(header, codec="utf-8", character_set="UNICODE UTF-8")


def _wanted(asked: str, *, fine: bool) -> bool:
    """Say whether an answer is wanted (table 0155)."""
    return asked == "AL" or (asked == "SU" and fine) or (asked == "ER" and not fine)


def _key(message: Message) -> str:
    """Return under what its answer is kept: MSH-10 is unique for a sending application and facility."""
    header = message.header
    return hashlib.sha256("\n".join(["hl7", header.text(3), header.text(4), message.control]).encode()).hexdigest()


def _without_time(message: Message) -> bytes:
    """Return what makes a repeat the same message: all of it but when it was sent, which some write anew."""
    return "\r".join(each.whole(but=7 if each.name == "MSH" else 0) for each in message.segments).encode("utf-8")


def refused_without_reading(code: str, now: datetime) -> bytes:
    """Return the answer to what is no message at all."""
    return framed(written(Answer("AR", [wrong(code)]), Header(), control=f"CM{uuid4().hex[:18]}", now=now))
