"""What lies in quarantine: objects in its folder, and instances of a proxy's queue that the centre does not take.

An instance by itself says little: a console that gives out UIDs twice sends hundreds of such. So people see them by
study and reason, and decide of one or of all.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Engine, Row, Select, func, literal, select

from cami.db import reading
from cami.db.tables import delivery_item, quarantine_decision, quarantine_outcome, quarantined_object
from cami.delivery.quarantine import OPEN
from cami.delivery.states import State

Kind = Literal["object", "item"]

#: `Entry.source` of what a device sent to this proxy.
DEVICE = "device"
#: Groups and entries that are shown at most; the newest.
MOST_GROUPS = 200
MOST_ENTRIES = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to be decided of."""

    kind: Kind
    name: str
    """SHA-256 of an object, Orthanc id of an instance of the queue."""
    source: str
    """`DEVICE`, or the code of the МО that delivered it to the centre."""
    cause: str
    """Code of the reason."""
    study_uid: str
    sop_uid: str
    size: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """Entries of one study with one reason."""

    kind: Kind
    source: str
    cause: str
    study_uid: str
    entries: int
    size: int
    first_at: datetime
    last_at: datetime
    pending: int = 0
    """Entries that are being dealt with."""

    @property
    def id(self) -> str:
        """Names the group in addresses; says nothing of the patient."""
        return group_id(self.kind, self.source, self.cause, self.study_uid)


def group_id(kind: str, source: str, cause: str, study_uid: str) -> str:
    """Return `Group.id`."""
    return hashlib.sha256("|".join((kind, source, cause, study_uid)).encode()).hexdigest()[:32]


class Register:
    """Reads the tables; `proxy` says whether there is a queue of its own here."""

    def __init__(self, engine: Engine, *, proxy: bool) -> None:
        self._reader = reading(engine)
        self._proxy = proxy

    def groups(self, source: str | None = None) -> list[Group]:
        """List groups, the newest first; only those of a `source` if one is given."""
        pending = self._pending()
        with self._reader.connect() as connection:
            rows = [row for query in self._group_queries(source) for row in connection.execute(query)]
        groups = [
            Group(
                row.kind, row.source, row.cause, row.study_uid, row.entries, row.size, row.first_at, row.last_at,
                pending.get(group_id(row.kind, row.source, row.cause, row.study_uid), 0),
            )
            for row in rows
        ]  # fmt: skip
        return sorted(groups, key=lambda group: group.last_at, reverse=True)[:MOST_GROUPS]

    def group(self, name: str, source: str | None = None) -> Group | None:
        """Return a group by its id, or None if it is not (any more) in quarantine, or of another source."""
        return next((group for group in self.groups(source) if group.id == name), None)

    def entries(self, group: Group) -> list[Entry]:
        """List the entries of a group, in the order in which they came."""
        query = _objects() if group.kind == "object" else _items()
        table = quarantined_object if group.kind == "object" else delivery_item
        query = query.where(table.c.study_uid == group.study_uid, table.c.reason == group.cause)
        if group.kind == "object":
            query = query.where(quarantined_object.c.source == group.source)
        with self._reader.connect() as connection:
            rows = connection.execute(query.order_by(table.c.received_at, table.c.sop_uid).limit(MOST_ENTRIES)).all()
        return [_entry(row) for row in rows]

    def entry(self, kind: str, name: str, source: str) -> Entry | None:
        """Return an entry that still waits, or None."""
        if kind == "object":
            query = _objects().where(quarantined_object.c.sha256 == name, quarantined_object.c.source == source)
        elif self._proxy:
            query = _items().where(delivery_item.c.instance_id == name)
        else:
            return None
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _entry(row)

    def _group_queries(self, source: str | None) -> Sequence[Select[tuple[object, ...]]]:
        objects = _grouped("object", quarantined_object.c.source, quarantined_object.c.state == OPEN)
        if source is not None:
            objects = objects.where(quarantined_object.c.source == source)
        if not self._proxy:
            return [objects]
        return [objects, _grouped("item", literal(DEVICE), delivery_item.c.state == State.QUARANTINED)]

    def _pending(self) -> dict[str, int]:
        decision = quarantine_decision.c
        query = (
            select(decision.kind, decision.source, decision.cause, decision.study_uid, func.count().label("number"))
            .join_from(quarantine_decision, quarantine_outcome, isouter=True)
            .where(quarantine_outcome.c.decision.is_(None))
            .group_by(decision.kind, decision.source, decision.cause, decision.study_uid)
        )
        with self._reader.connect() as connection:
            return {
                group_id(row.kind, row.source, row.cause, row.study_uid): row.number
                for row in connection.execute(query)
            }


def _grouped(kind: Kind, source: ColumnElement[str], condition: ColumnElement[bool]) -> Select[tuple[object, ...]]:
    table = quarantined_object if kind == "object" else delivery_item
    cause = func.coalesce(table.c.reason, "")
    return (
        select(
            literal(kind).label("kind"),
            source.label("source"),
            cause.label("cause"),
            table.c.study_uid,
            func.count().label("entries"),
            func.sum(table.c.size).label("size"),
            func.min(table.c.received_at).label("first_at"),
            func.max(table.c.received_at).label("last_at"),
        )
        .where(condition)
        .group_by(source, cause, table.c.study_uid)
        .order_by(func.max(table.c.received_at).desc())
        .limit(MOST_GROUPS)
    )


def _objects() -> Select[tuple[object, ...]]:
    columns = quarantined_object.c
    return select(
        literal("object").label("kind"),
        columns.sha256.label("name"),
        columns.source,
        columns.reason.label("cause"),
        columns.study_uid,
        columns.sop_uid,
        columns.size,
        columns.received_at,
    ).where(columns.state == OPEN)


def _items() -> Select[tuple[object, ...]]:
    columns = delivery_item.c
    return select(
        literal("item").label("kind"),
        columns.instance_id.label("name"),
        literal(DEVICE).label("source"),
        func.coalesce(columns.reason, "").label("cause"),
        columns.study_uid,
        columns.sop_uid,
        columns.size,
        columns.received_at,
    ).where(columns.state == State.QUARANTINED)


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    return Entry(**row._asdict())
