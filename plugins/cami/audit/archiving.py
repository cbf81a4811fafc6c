"""Old parts of a chain, put away from the table into files with the chain intact. Nothing of ours removes those.

A part is written, synchronised, read again and verified before its records leave the table; that they do and the row
that says so are one transaction. The chain in the table goes on after it, and `scripts/cami audit verify` reads both.

A file has a line a record: the content, as it was hashed. Its name says whose records it holds and which.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select

from cami.audit.chain import Head, contents, servers
from cami.audit.event import AuditEvent, Kind
from cami.audit.record import Record
from cami.audit.trail import AuditTrail
from cami.audit.verify import Fault, Finding, start_of
from cami.clock import Clock
from cami.db import reading
from cami.db.tables import audit_archive, audit_branch, audit_cursor, audit_head, audit_record, audit_study
from cami.errors import CamiError, Invalid, Permanent

#: Records of one file.
PART = 20_000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a chain in a file."""

    server: str
    first: int
    last: Head
    file: str
    sha256: str


class Archiving:
    """Puts old records away. For one thread."""

    def __init__(
        self, engine: Engine, clock: Clock, trail: AuditTrail, folder: Path, *, keep: timedelta, part: int = PART
    ) -> None:
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._trail = trail
        self._folder = folder
        self._keep = keep
        self._part = part

    def step(self) -> int:
        """Put one part away, if there is one that is old enough; return how many records it had.

        What was not handed on yet (to the centre, to the collector) stays, and so does the last record of a chain.

        Raises
        ------
        cami.errors.Permanent
            What would be put away is not a whole chain: it stays where it is.
        """
        with self._reader.connect() as connection:
            names = servers(connection)
        for server in names:
            records = self._due(server)
            if records:
                self._put_away(server, records)
                return len(records)
        return 0

    def _due(self, server: str) -> list[Record]:
        until = self._clock.now() - self._keep
        with self._reader.connect() as connection:
            start = start_of(connection, server)
            end = connection.scalar(select(audit_head.c.seq).where(audit_head.c.server == server)) or 0
            handed_on = list(connection.scalars(select(audit_cursor.c.seq).where(audit_cursor.c.server == server)))
            found = [Record.parse(content) for content in contents(connection, server, start.seq, self._part)]
        least = min([end - 1, *handed_on])
        due = [record for record in found if record.at < until and record.seq <= least]
        if due:
            _check(start, due)
        return due

    def _put_away(self, server: str, records: list[Record]) -> None:
        first, last = records[0].seq, records[-1]
        name = f"{server}-{first:012d}-{last.seq:012d}.jsonl"
        body = "".join(record.content + "\n" for record in records).encode("utf-8")
        self._write(name, body)
        part = Part(server, first, Head(server, last.seq, last.hash), name, hashlib.sha256(body).hexdigest())
        with self._engine.begin() as connection:
            self._remove(connection, part)
            details = {"first": str(first), "last": str(last.seq), "hash": last.hash}
            event = AuditEvent(Kind.INTEGRITY, "system", subject=name, reason="put-away", details=details)
            self._trail.record_in(connection, event)

    def _remove(self, connection: Connection, part: Part) -> None:
        connection.execute(
            insert(audit_archive).values(
                server=part.server,
                last_seq=part.last.seq,
                first_seq=part.first,
                last_hash=part.last.hash,
                file=part.file,
                sha256=part.sha256,
                archived_at=self._clock.now(),
            )
        )
        for table in (audit_study, audit_record):
            this: ColumnElement[bool] = table.c.server == part.server
            connection.execute(delete(table).where(this, table.c.seq <= part.last.seq))

    def _write(self, name: str, body: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path, temporary = self._folder / name, self._folder / f".{name}.part"
        with temporary.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        if path.read_bytes() != body:
            raise Permanent("a part of the journal cannot be read back from its file")


def verify_archive(engine: Engine, folder: Path) -> Iterator[Finding]:
    """Yield what is wrong with the files that the table says were put away."""
    with reading(engine).connect() as connection:
        rows = connection.execute(
            select(audit_archive).order_by(audit_archive.c.server, audit_archive.c.last_seq)
        ).all()
        branches = connection.execute(select(audit_branch)).all()
    parted = {row.server: Head(row.server, row.seq, row.hash) for row in branches}
    last = Head("")
    for row in rows:
        start = last if last.server == row.server else parted.get(row.server, Head(row.server))
        last = Head(row.server, row.last_seq, row.last_hash)
        try:
            body = (folder / row.file).read_bytes()
        except OSError:
            yield Finding(row.server, row.first_seq, Fault.REMOVED, row.last_seq)
            continue
        if hashlib.sha256(body).hexdigest() != row.sha256:
            yield Finding(row.server, row.first_seq, Fault.CHANGED, row.last_seq)
            continue
        try:
            records = [Record.parse(line) for line in body.decode("utf-8").splitlines()]
            _check(start, records)
        except (CamiError, ValueError):
            yield Finding(row.server, row.first_seq, Fault.UNLINKED, row.last_seq)
            continue
        if (records[-1].seq, records[-1].hash) != (row.last_seq, row.last_hash):
            yield Finding(row.server, row.last_seq, Fault.REWRITTEN)


def _check(start: Head, records: list[Record]) -> None:
    last = start
    for record in records:
        if (record.seq, record.previous) != (last.seq + 1, last.hash):
            raise Permanent(f"record {record.seq} of {record.server} does not follow the one before it")
        last = Head(record.server, record.seq, record.hash)
    if not records:
        raise Invalid("a part of a journal has no records")
