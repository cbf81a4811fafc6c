"""The journal for others: a table (CSV), JSON lines as they were hashed, DICOM audit messages (XML)."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import tzinfo

from cami.audit.message import message
from cami.audit.record import Record

#: Excel takes a file for UTF-8 by this only.
MARK = "\ufeff"
COLUMNS = (
    "at",
    "server",
    "seq",
    "kind",
    "outcome",
    "actor",
    "role",
    "mo",
    "source",
    "studies",
    "patient",
    "owner",
    "subject",
    "reason",
    "details",
    "hash",
)
#: What a spreadsheet would take for a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(records: Iterable[Record], zone: tzinfo) -> Iterator[str]:
    """Yield a table with a semicolon between cells, as spreadsheets in Russia open it; times are local."""
    yield MARK + _line(COLUMNS)
    for record in records:
        yield _line([_cell(value) for value in _cells(record, zone)])


def json_lines(records: Iterable[Record]) -> Iterator[str]:
    """Yield the contents as they were hashed, a line each: the SHA-256 of a line is the hash of its record."""
    for record in records:
        yield record.content + "\n"


def xml_lines(records: Iterable[Record]) -> Iterator[str]:
    """Yield one document of audit messages (PS3.15 A.5)."""
    yield '<?xml version="1.0" encoding="utf-8"?>\n<AuditMessages>\n'
    for record in records:
        yield message(record).decode("utf-8").partition("?>\n")[2] + "\n"
    yield "</AuditMessages>\n"


def _cells(record: Record, zone: tzinfo) -> Iterator[str]:
    event = record.event
    yield f"{record.at.astimezone(zone):%d.%m.%Y %H:%M:%S}"
    yield record.server
    yield str(record.seq)
    yield event.kind
    yield event.outcome
    yield from (event.actor, event.role, event.mo, event.source, " ".join(event.studies), event.patient, event.owner)
    yield event.subject
    yield event.reason
    yield ", ".join(f"{name}={value}" for name, value in sorted(event.details.items()))
    yield record.hash


def _cell(value: str) -> str:
    return "'" + value if value.startswith(_FORMULA) else value


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\r\n").writerow(cells)
    return text.getvalue()
