"""An event as it stands in the journal: its place in the chain, and what its hash covers.

The *content* is the canonical serialisation, and is stored as it was hashed: JSON (RFC 8259) of one object, UTF-8,
names sorted by code point, no white space between tokens, characters not escaped that need not be, empty values left
out. Times are ISO 8601 in UTC with microseconds and ``Z``. It holds the server, the number and the hash of the record
before, so the SHA-256 of the content alone is the link of the chain: what was changed, taken out, put in or moved does
not fit.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cami.audit.event import LENGTHS, AuditEvent, Kind, Outcome
from cami.errors import Invalid

#: What stands before the first record of a chain.
GENESIS = "0" * 64
#: Of the content; grows when a reader of an older release could not understand it.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One record of one server's journal."""

    server: str
    """``central`` or ``proxy-42001``."""
    seq: int
    """1, 2, 3 … without a gap."""
    at: datetime
    event: AuditEvent
    previous: str
    """Hash of the record before."""
    content: str
    """What the hash covers."""
    hash: str

    @classmethod
    def make(cls, server: str, seq: int, at: datetime, event: AuditEvent, previous: str) -> "Record":
        """Make the record of an event that is `cleaned`."""
        content = _serialise(server, seq, at, event, previous)
        return cls(server, seq, at, event, previous, content, digest(content))

    @classmethod
    def parse(cls, content: str) -> "Record":
        """Read a content; its hash is what it has now, whatever it was meant to be.

        Raises
        ------
        cami.errors.Invalid
            It is none, or not in canonical form.
        """
        try:
            document = json.loads(content)
            if document["v"] != VERSION:
                raise Invalid("a record of the journal is of an unknown version")
            event = _event(document)
            at = datetime.fromisoformat(document["at"])
            made = cls.make(str(document["server"]), int(document["seq"]), at, event, str(document["previous"]))
        except (ValueError, KeyError, TypeError, AttributeError, UnicodeError) as error:
            raise Invalid("this is no record of a journal") from error
        if made.content != content:
            raise Invalid("a record of the journal is not in canonical form")
        return made


def digest(content: str) -> str:
    """Return the hash of a content."""
    return hashlib.sha256(content.encode("utf-8")).hexdigest()


def stamp(moment: datetime) -> str:
    """Write a time as contents have it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _serialise(server: str, seq: int, at: datetime, event: AuditEvent, previous: str) -> str:
    document: dict[str, Any] = {"v": VERSION, "server": server, "seq": seq, "at": stamp(at), "previous": previous}
    document |= {"kind": str(event.kind), "outcome": str(event.outcome)}
    document |= {name: getattr(event, name) for name in LENGTHS if getattr(event, name)}
    if event.studies:
        document["studies"] = list(event.studies)
    if event.details:
        document["details"] = dict(event.details)
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _event(document: Mapping[str, Any]) -> AuditEvent:
    return AuditEvent(
        kind=Kind(document["kind"]),
        outcome=Outcome(document["outcome"]),
        studies=tuple(document.get("studies", ())),
        details=dict(document.get("details", {})),
        **{"actor": "", **{name: str(document[name]) for name in LENGTHS if name in document}},
    )
