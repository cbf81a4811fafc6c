"""Resources as the МИС sent them: the newest version and those before, found by id and by identifier."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, and_, bindparam, delete, insert, select, update

from cami.clock import Clock
from cami.db import reading
from cami.db.tables import mis_former_resource, mis_resource, mis_resource_identifier
from cami.mis import fhir
from cami.mis.fhir import Json
from cami.mis.problems import refuse

# Written out once: an order is some twenty statements, and making one costs more than carrying it out.
_GET = select(mis_resource).where(mis_resource.c.type == bindparam("kind"), mis_resource.c.id == bindparam("of"))
_FIND = (
    select(mis_resource)
    .join(
        mis_resource_identifier,
        and_(mis_resource_identifier.c.type == mis_resource.c.type, mis_resource_identifier.c.id == mis_resource.c.id),
    )
    .where(
        mis_resource_identifier.c.type == bindparam("kind"),
        mis_resource_identifier.c.system == bindparam("of"),
        mis_resource_identifier.c.value == bindparam("its"),
    )
    .limit(2)
)
_INSERT = insert(mis_resource)
_INSERT_NUMBER = insert(mis_resource_identifier)


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource of the table."""

    type: str
    id: str
    version: int
    content: Json
    patient: str
    updated_at: datetime

    @property
    def address(self) -> str:
        """``Type/id``."""
        return f"{self.type}/{self.id}"


class Resources:
    """The tables ``mis_resource``, ``mis_former_resource``, ``mis_resource_identifier``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = reading(engine)
        self._clock = clock

    def get(self, type_: str, id_: str) -> Stored | None:
        """Return a resource's newest version."""
        with self._reader.connect() as connection:
            return self.get_in(connection, type_, id_)

    def get_in(self, connection: Connection, type_: str, id_: str) -> Stored | None:
        """Return a resource's newest version, in the caller's transaction."""
        row = connection.execute(_GET, {"kind": type_, "of": id_}).first()
        return None if row is None else _stored(row)

    def find_in(self, connection: Connection, type_: str, system: str, value: str) -> Stored | None:
        """Return the resource with an identifier.

        Raises
        ------
        Refusal
            There are several.
        """
        rows = connection.execute(_FIND, {"kind": type_, "of": system, "its": value}).all()
        if len(rows) > 1:
            raise refuse(412, "CAMI-0035")
        return _stored(rows[0]) if rows else None

    def put_in(
        self,
        connection: Connection,
        type_: str,
        id_: str,
        content: Mapping[str, Any],
        *,
        client: str,
        patient: str = "",
        before: Stored | None,
        found_by_number: bool = True,
    ) -> tuple[Stored, bool]:
        """Keep a resource in the caller's transaction; say whether it is new. The same content is no new version.

        Parameters
        ----------
        before
            What is there under that id, read in this transaction.
        found_by_number
            Whether it is found by its identifiers; orders have tables of their own for that.
        """
        kept = {name: value for name, value in content.items() if name not in ("id", "meta")}
        now = self._clock.now()
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        values = {"content": text, "client": client, "patient": patient, "updated_at": now}
        if before is None:
            version = 1
            connection.execute(_INSERT, {"type": type_, "id": id_, "version": version, **values})
        elif before.content != kept:
            version = before.version + 1
            self._keep_former(connection, type_, id_)
            here = (mis_resource.c.type == type_, mis_resource.c.id == id_)
            connection.execute(update(mis_resource).where(*here).values(version=version, **values))
            mine = (mis_resource_identifier.c.type == type_, mis_resource_identifier.c.id == id_)
            connection.execute(delete(mis_resource_identifier).where(*mine))
        else:
            return before, False
        if found_by_number:
            self._write_identifiers(connection, type_, id_, kept)
        return Stored(type_, id_, version, kept, patient, now), before is None

    def latest(self, type_: str, patients: Iterable[str], limit: int) -> list[Stored]:
        """Return resources of a type about any of these patients, the newest first."""
        query = select(mis_resource).where(mis_resource.c.type == type_, mis_resource.c.patient.in_(list(patients)))
        with self._reader.connect() as connection:
            rows = connection.execute(query.order_by(mis_resource.c.updated_at.desc()).limit(limit))
            return [_stored(row) for row in rows]

    def of_identifier(self, type_: str, system: str, value: str) -> list[Stored]:
        """Return the resources of a type with an identifier."""
        table = mis_resource_identifier.c
        ids = select(table.id).where(table.type == type_, table.system == system, table.value == value)
        query = select(mis_resource).where(mis_resource.c.type == type_, mis_resource.c.id.in_(ids))
        with self._reader.connect() as connection:
            return [_stored(row) for row in connection.execute(query.order_by(mis_resource.c.id))]

    def _keep_former(self, connection: Connection, type_: str, id_: str) -> None:
        columns = ["type", "id", "version", "content", "client", "updated_at"]
        here = (mis_resource.c.type == type_, mis_resource.c.id == id_)
        former = select(*[mis_resource.c[name] for name in columns]).where(*here)
        connection.execute(insert(mis_former_resource).from_select(columns, former))

    def _write_identifiers(self, connection: Connection, type_: str, id_: str, content: Mapping[str, Any]) -> None:
        found = {(system, value) for system, value, _ in fhir.identifiers(content) if len(value) <= 128}
        if found:
            rows = [{"type": type_, "id": id_, "system": system, "value": value} for system, value in sorted(found)]
            connection.execute(_INSERT_NUMBER, rows)


def new_id() -> str:
    """Return an id for a resource that has none: nothing of the patient is in it."""
    return uuid4().hex


def shown(stored: Stored, moment: str) -> Json:
    """Return a resource as it is answered, with its id and version."""
    meta = {"versionId": str(stored.version), "lastUpdated": moment}
    return {"resourceType": stored.type, "id": stored.id, "meta": meta, **_without_type(stored.content)}


def _without_type(content: Json) -> Json:
    return {name: value for name, value in content.items() if name != "resourceType"}


def _stored(row: Row[Any]) -> Stored:
    return Stored(row.type, row.id, row.version, json.loads(row.content), row.patient, row.updated_at)
