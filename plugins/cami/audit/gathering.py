"""The journals of the proxies at the centre, so that whoever looks into accesses sees all МО at one place.

A proxy sends its records in order from its own place in its own chain; the centre checks each against the one before
as it comes, keeps them beside its own, and answers how far it is and where its own chain ends. So each side holds what
the other's end was: a proxy's tail cannot be cut off unseen, since its records are here, and the centre's cannot
either, since the proxies have noted it.

A proxy that was restored from a backup writes other records under numbers that are taken. They come all the same, as a
*branch*: a chain of its own (``proxy-42001+2``) that begins after the last record that both have. What was here before
stays as it was, the restore is an event of the kind `integrity`, and `cami.audit.verify` holds the branch to the record
from which it parts. What parts from no record that is here is refused: that is no restore.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from cami.audit.chain import BRANCH, Head, head_of, lock_head, put, server_of, servers
from cami.audit.cursors import Cursors
from cami.audit.event import AuditEvent, Kind, Outcome
from cami.audit.recent import Recent
from cami.audit.record import GENESIS, Record
from cami.audit.trail import AuditTrail
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import audit_anchor, audit_branch, audit_head, audit_record
from cami.errors import Invalid, Transient
from cami.web import Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)

#: Under ``/cami/wire/v1``.
PATH = "/audit"
READER = "centre"
#: Records that go in one call.
MOST = 200
#: An end of the centre's chain is noted at most this often.
ANCHORS = timedelta(minutes=10)


class Broken(Invalid):
    """A proxy's chain does not fit what is here."""


class Gathering:
    """The centre's end. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, trail: AuditTrail) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._trail = trail
        self._alarms = Recent(clock, timedelta(hours=1))

    def handlers(self) -> dict[str, Callable[[str, Request], Response]]:
        """Return what answers proxies, by path; each is called with the МО that has signed the request."""
        return {PATH: self._answer}

    def take(self, mo: str, contents: Sequence[str]) -> int:
        """Add records of the proxy of `mo` that follow what is here; return the number of the last one that is.

        Raises
        ------
        Broken
            One of them is no record of that proxy, or follows none that is here.
        """
        server = f"proxy-{mo}"
        records = [_read(server, content) for content in contents]
        with self._engine.begin() as connection:
            chain = _newest(connection, server)
            try:
                return _add(connection, chain, records)
            except Broken:
                parted = _parting(connection, chain, records)
                if parted is None:
                    raise
            branch, head, rest = parted
            self._part(connection, mo, branch, head)
            return _add(connection, branch, rest)

    def _part(self, connection: Connection, mo: str, branch: str, head: Head) -> None:
        """Begin a branch; the event of it is the last thing in the transaction but for the records."""
        values = {"server": branch, "seq": head.seq, "hash": head.hash, "began_at": self._clock.now()}
        connection.execute(insert(audit_branch).values(values))
        connection.execute(insert(audit_head).values(server=branch, seq=head.seq, hash=head.hash))
        log.critical("the journal of МО %s goes on as %s from record %d on", mo, branch, head.seq)
        details = {"chain": branch, "after": str(head.seq)}
        event = AuditEvent(Kind.INTEGRITY, f"proxy-{mo}", "proxy", mo, owner=mo, reason="restored", details=details)
        self._trail.record_in(connection, event)

    def _answer(self, mo: str, request: Request) -> Response:
        try:
            contents = [str(content) for content in request.json()["records"]][:MOST]
        except (ValueError, KeyError, TypeError):
            return answer_text(400, 'expected JSON {"records": [text]}')
        try:
            seq = self.take(mo, contents)
        except Broken as error:
            what = str(error)
            log.critical("%s: the journal of МО %s was changed", what, mo)
            self._alarms.once(mo, lambda _more: self._alarm(mo, what))
            return answer_json({"seq": -1, "broken": what})
        with self._reader.connect() as connection:
            own = head_of(connection, self._trail.server)
        return answer_json({"seq": seq, "head": {"server": own.server, "seq": own.seq, "hash": own.hash}})

    def _alarm(self, mo: str, what: str) -> None:
        event = AuditEvent(Kind.INTEGRITY, f"proxy-{mo}", "proxy", mo, outcome=Outcome.FAILURE, owner=mo, reason=what)
        self._trail.record(event)


class Shipping:
    """The proxy's end: hands its own chain to the centre. For one thread."""

    def __init__(
        self, engine: Engine, clock: Clock, server: str, tell: Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        """Make it; `tell` posts a document to a path of the centre's wire and returns its answer."""
        self._engine = engine
        self._clock = clock
        self._server = server
        self._tell = tell
        self._cursors = Cursors(engine, clock, READER)
        self._noted: Head | None = None

    def step(self) -> int:
        """Hand on what the centre does not have; return how many records that were.

        Raises
        ------
        cami.errors.Transient
            The line is down, or the centre finds that the chain is broken: an operator must look.
        """
        place = self._cursors.of(self._server)
        records = self._cursors.next(self._server, place, MOST)
        if not records:
            return 0
        answer = self._tell(PATH, {"records": [record.content for record in records]})
        if "broken" in answer:
            raise Transient(f"the centre does not take the journal: {answer['broken']}")
        # No further than what was handed on: a proxy that was restored has fewer records than the centre has of it.
        seq = min(int(answer["seq"]), records[-1].seq)
        # A centre that was restored from a backup has less than was handed on: it gets it again.
        self._cursors.move(self._server, seq)
        self._note(answer.get("head"))
        return max(0, seq - place)

    def waiting(self) -> float:
        """Return the age in seconds of the oldest record that the centre does not have; 0 if it has all."""
        oldest = self._cursors.oldest(self._server)
        return 0.0 if oldest is None else max(0.0, (self._clock.now() - oldest).total_seconds())

    def _note(self, told: Mapping[str, Any] | None) -> None:
        """Keep where the centre's chain ends, now and then."""
        if told is None:
            return
        head = Head(str(told["server"]), int(told["seq"]), str(told["hash"]))
        if not head.seq or head == self._noted:
            return
        with self._engine.begin() as connection:
            query = select(audit_anchor.c.seq, audit_anchor.c.noted_at).where(audit_anchor.c.server == head.server)
            last = connection.execute(query.order_by(audit_anchor.c.noted_at.desc()).limit(1)).first()
            if last is not None and (last.seq >= head.seq or self._clock.now() - last.noted_at < ANCHORS):
                return
            values = {"server": head.server, "seq": head.seq, "hash": head.hash, "noted_at": self._clock.now()}
            connection.execute(insert(audit_anchor).values(values))
        self._noted = head


def _add(connection: Connection, chain: str, records: Sequence[Record]) -> int:
    """Add what follows the end of a chain; return the number of the last record that is here."""
    head = lock_head(connection, chain)
    new: list[Record] = []
    for record in records:
        if record.seq <= head.seq:
            if not new:
                _compare(connection, chain, record)
            continue
        if record.seq > head.seq + 1:
            break  # something between is missing here: the proxy goes on from our answer
        if record.previous != head.hash:
            raise Broken(f"record {record.seq} of {chain} does not follow the one before it")
        new.append(record)
        head = Head(chain, record.seq, record.hash)
    put(connection, new, head)
    return head.seq


def _newest(connection: Connection, server: str) -> str:
    """Return the chain to which a proxy adds: its only one, or its newest branch."""
    query = select(audit_branch.c.server).where(audit_branch.c.server.startswith(server + BRANCH, autoescape=True))
    return max(connection.scalars(query), key=_number, default=server)


def _number(branch: str) -> int:
    return int(branch.partition(BRANCH)[2] or 1)


def _parting(
    connection: Connection, chain: str, records: Sequence[Record]
) -> tuple[str, Head, Sequence[Record]] | None:
    """Return the name of a new branch, the record after which it parts, and what comes after; None: from none here."""
    server = server_of(chain)
    chains = [each for each in servers(connection) if server_of(each) == server]
    branch = f"{server}{BRANCH}{_number(chain) + 1}"
    for place, record in enumerate(records):
        known = audit_record.c.server.in_(chains)
        same = (audit_record.c.seq == record.seq, audit_record.c.hash == record.hash)
        if connection.execute(select(audit_record.c.seq).where(known, *same)).first():
            continue  # both have it
        before = (audit_record.c.seq == record.seq - 1, audit_record.c.hash == record.previous)
        beginning = record.seq == 1 and record.previous == GENESIS
        if beginning or connection.execute(select(audit_record.c.seq).where(known, *before)).first():
            return branch, Head(branch, record.seq - 1, record.previous), records[place:]
        return None
    return None


def _read(server: str, content: str) -> Record:
    try:
        record = Record.parse(content)
    except Invalid as error:
        raise Broken(f"a record of {server} cannot be read") from error
    if record.server != server or record.event != record.event.cleaned():
        raise Broken(f"record {record.seq} is none of {server}")
    return record


def _compare(connection: Connection, chain: str, record: Record) -> None:
    known = connection.scalar(
        select(audit_record.c.hash).where(audit_record.c.server == chain, audit_record.c.seq == record.seq)
    )
    if known not in (None, record.hash):
        raise Broken(f"record {record.seq} of {chain} differs from the one that was here first")
