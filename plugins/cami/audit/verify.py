"""Is a journal whole? Finds what was changed, taken out, put in, moved or cut off, and says which record it is.

What the chain alone cannot show: who can write to the database can make the chain anew from some record on, or cut off
its end and set the noted end back. Heads that others keep (`audit_anchor` of another server, the server's log, the
collector) show both, as far as they reach: `verify` holds the chain against all that it is given.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, select

from cami.audit.chain import BRANCH, PAGE, Head, columns, server_of
from cami.audit.record import GENESIS, Record
from cami.db import reading
from cami.db.tables import audit_anchor, audit_archive, audit_branch, audit_head, audit_record, audit_study
from cami.errors import Invalid


class Fault(StrEnum):
    """What is wrong with a journal."""

    CHANGED = "changed"
    """The record is not what its hash was made of, or its columns are not what it says."""
    REMOVED = "removed"
    """Records are missing before this one, or at the end."""
    MOVED = "moved"
    """The record belongs to another place of the chain, or to another chain."""
    UNLINKED = "unlinked"
    """It does not follow the one before: one of the two was put in, or made anew, or what was between is gone."""
    REWRITTEN = "rewritten"
    """It is not what somebody else has noted of it: the chain was made anew from some record on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, at one record."""

    server: str
    seq: int
    fault: Fault
    last: int = 0
    """Of several that are missing: the last one."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it lies in the table."""

    server: str
    seq: int
    content: str
    hash: str
    columns: Mapping[str, Any]
    studies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Chain:
    """What was looked at of one server."""

    server: str
    first: int
    end: Head
    records: int


@dataclass(slots=True)
class Report:
    """What `verify` has found."""

    chains: list[Chain] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify(engine: Engine, anchors: Iterable[Head] = ()) -> Report:
    """Look at every record of a database.

    Parameters
    ----------
    anchors
        Ends of chains as others have noted them, beside those in this database.
    """
    options = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    report = Report()
    with reading(engine).execution_options(**options).connect() as connection, connection.begin():
        given = list(anchors)
        known = [*given, *_anchors(connection)]
        # A proxy notes heads of the centre's chain, which it does not have: those are looked at when they are given.
        for server in sorted(_servers(connection) | {anchor.server for anchor in given}):
            own = {anchor.seq: anchor.hash for anchor in known if anchor.server == server}
            _verify_server(connection, server, own, report)
    return report


def faults_of(rows: Iterable[Row], start: Head, noted: Head | None, anchors: Mapping[int, str]) -> Iterator[Finding]:
    """Yield what is wrong with the records of one chain.

    Parameters
    ----------
    rows
        In order of their numbers.
    start
        What the first of them must follow.
    noted
        The end that the table of heads has.
    anchors
        Hashes that others have noted, by number.
    """
    server, last = start.server, start
    for row in rows:
        if row.seq > last.seq + 1:
            yield Finding(server, last.seq + 1, Fault.REMOVED, row.seq - 1)
        fault = _fault_of(row, last)
        if fault is None and anchors.get(row.seq, row.hash) != row.hash:
            fault = Fault.REWRITTEN
        if fault is not None:
            yield Finding(server, row.seq, fault)
        last = Head(server, row.seq, row.hash)
    yield from _faults_at_end(last, noted, anchors)


def _fault_of(row: Row, last: Head) -> Fault | None:
    try:
        record = Record.parse(row.content)
    except Invalid:
        return Fault.CHANGED
    if record.hash != row.hash:
        return Fault.CHANGED
    if (record.server, record.seq) != (server_of(row.server), row.seq):
        return Fault.MOVED
    if row.seq == last.seq + 1 and record.previous != last.hash:
        return Fault.UNLINKED
    if dict(columns(record)) != dict(row.columns) or row.studies != frozenset(record.event.studies):
        return Fault.CHANGED
    return None


def _faults_at_end(last: Head, noted: Head | None, anchors: Mapping[int, str]) -> Iterator[Finding]:
    furthest = max([*anchors, noted.seq if noted else 0])
    if furthest > last.seq:
        yield Finding(last.server, last.seq + 1, Fault.REMOVED, furthest)
    elif noted is None or (noted.seq, noted.hash) != (last.seq, last.hash):
        yield Finding(last.server, last.seq, Fault.UNLINKED)


def _verify_server(connection: Connection, server: str, anchors: Mapping[int, str], report: Report) -> None:
    start = start_of(connection, server)
    row = connection.execute(select(audit_head).where(audit_head.c.server == server)).first()
    noted = None if row is None else Head(server, row.seq, row.hash)
    counted = _Counted(rows_of(connection, server), start)
    report.findings.extend(faults_of(counted, start, noted, anchors))
    if not _parts_from_a_record(connection, server):
        report.findings.append(Finding(server, start.seq, Fault.UNLINKED))
    report.chains.append(Chain(server, start.seq + 1, counted.end, counted.records))


def _parts_from_a_record(connection: Connection, server: str) -> bool:
    """Say whether the record is there at which a branch parted, or was put away; true of what is no branch."""
    parted = connection.execute(select(audit_branch).where(audit_branch.c.server == server)).first()
    if parted is None:
        return BRANCH not in server
    if parted.seq == 0:
        return bool(parted.hash == GENESIS)
    whole = server_of(server)
    chains = [each for each in _servers(connection) if server_of(each) == whole]
    same = (audit_record.c.seq == parted.seq, audit_record.c.hash == parted.hash)
    ours = select(audit_record.c.seq).where(audit_record.c.server.in_(chains), *same).limit(1)
    if connection.execute(ours).first() is not None:
        return True
    away = (audit_archive.c.first_seq <= parted.seq, audit_archive.c.last_seq >= parted.seq)
    kept = select(audit_archive.c.server).where(audit_archive.c.server.in_(chains), *away).limit(1)
    return connection.execute(kept).first() is not None


class _Counted:
    def __init__(self, rows: Iterable[Row], start: Head) -> None:
        self._rows = rows
        self.end = start
        self.records = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.records += 1
            self.end = Head(row.server, row.seq, row.hash)
            yield row


def start_of(connection: Connection, server: str) -> Head:
    """Return what the first record of a chain in the table follows: the last that was put away, or nothing.

    The first of a branch follows the record at which it parted from the chain before.
    """
    archived = connection.execute(
        select(audit_archive.c.last_seq, audit_archive.c.last_hash)
        .where(audit_archive.c.server == server)
        .order_by(audit_archive.c.last_seq.desc())
        .limit(1)
    ).first()
    if archived is not None:
        return Head(server, archived.last_seq, archived.last_hash)
    parted = connection.execute(select(audit_branch).where(audit_branch.c.server == server)).first()
    return Head(server) if parted is None else Head(server, parted.seq, parted.hash)


def rows_of(connection: Connection, server: str) -> Iterator[Row]:
    """Yield the records of a server as they lie in the table, in order."""
    place = -1 << 62
    while True:
        query = (
            select(audit_record)
            .where(audit_record.c.server == server, audit_record.c.seq > place)
            .order_by(audit_record.c.seq)
            .limit(PAGE)
        )
        found = connection.execute(query).all()
        if not found:
            return
        studies = _studies(connection, server, found[0].seq, found[-1].seq)
        for each in found:
            values = each._mapping  # noqa: SLF001 - SQLAlchemy's own name for it
            own = {name: values[name] for name in values if name not in ("server", "seq", "content", "hash")}
            yield Row(server, each.seq, each.content, each.hash, own, frozenset(studies.get(each.seq, ())))
        place = found[-1].seq


def _studies(connection: Connection, server: str, first: int, last: int) -> Mapping[int, Sequence[str]]:
    query = select(audit_study.c.seq, audit_study.c.study_uid).where(
        audit_study.c.server == server, audit_study.c.seq.between(first, last)
    )
    found: dict[int, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.seq, []).append(row.study_uid)
    return found


def _servers(connection: Connection) -> set[str]:
    found: set[str] = set()
    for table in (audit_record, audit_head, audit_archive, audit_branch):
        found.update(connection.scalars(select(table.c.server).distinct()))
    return found


def _anchors(connection: Connection) -> list[Head]:
    return [Head(row.server, row.seq, row.hash) for row in connection.execute(select(audit_anchor))]
