"""Who wants to be told of what, and where (I16): Subscription with a web hook, or for one who asks by himself."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import ColumnElement, Connection, Engine, Row, insert, or_, select, update

from cami.clock import REGION_ZONE, Clock, iso
from cami.db import reading
from cami.db.tables import mis_message, mis_subscription
from cami.mis import fhir, terms
from cami.mis.fhir import Json
from cami.mis.problems import refuse
from cami.mis.store import new_id
from cami.settings import open_line

RESOURCES = ("Task", "ImagingStudy", "DiagnosticReport")
#: What a subscription of the registry asks for: orders, studies and reports, in one order.
EVERYTHING = "*"
_OF_MO = ("requester:identifier", "owner:identifier", "performer:identifier")
#: A receiver that does not answer is left alone so long, doubled each time, to at most `LONGEST_REST`.
FIRST_REST = timedelta(seconds=2)
LONGEST_REST = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One who wants to be told."""

    id: str
    client: str
    active: bool
    resource: str
    mo: str
    """Only what this МО ordered or made; empty: all."""
    endpoint: str
    """Where to; empty: the client asks by itself."""
    headers: tuple[str, ...]
    ends_at: datetime | None
    version: int
    updated_at: datetime
    content: Json
    rests_until: datetime | None
    failures: int
    reason: str
    succeeded_at: datetime | None

    def takes(self, resource: str, about: str) -> bool:
        """Whether it wants to be told of a resource of that type; one of the registry wants all that orders lead to."""
        if self.resource == EVERYTHING:
            return not about.startswith("Task/") or about.removeprefix("Task/t-").isdecimal()
        return self.resource == resource

    @property
    def hook(self) -> bool:
        """Whether messages are sent rather than kept until they are asked for."""
        return bool(self.endpoint)

    @property
    def parallel(self) -> bool:
        """Whether several messages may be on their way at once."""
        return self.endpoint.startswith("http")


@dataclass(frozen=True, slots=True)
class Hook:
    """One whom the registry says to tell."""

    id: str
    client: str
    endpoint: str


class Subscriptions:
    """The table ``mis_subscription``. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock, code_of: Callable[[str], str | None], *, plain_http: bool) -> None:
        """Make it; `code_of` gives the code of an МО by its ОИД."""
        self._engine = engine
        self._reader = reading(engine)
        self._clock = clock
        self._code_of = code_of
        self._plain_http = plain_http

    def put(self, connection: Connection, resource: Mapping[str, Any], client: str, id_: str | None) -> Subscription:
        """Note or change a subscription in the caller's transaction.

        Raises
        ------
        Refusal
            It asks for what is not supported, or its address is not safe.
        """
        values = self._values(resource)
        now = self._clock.now()
        if id_ is None:
            id_ = new_id()
            connection.execute(
                insert(mis_subscription).values(id=id_, client=client, version=1, updated_at=now, **values)
            )
        else:
            before = self.get_in(connection, id_, client)
            connection.execute(
                update(mis_subscription)
                .where(mis_subscription.c.id == id_)
                .values(version=before.version + 1, updated_at=now, rests_until=None, failures=0, **values)
            )
        return self.get_in(connection, id_, client)

    def configure(self, scheme: str, hooks: Sequence[Hook]) -> None:
        """Bring subscriptions with addresses of one scheme in line with the registry, which is where they stand."""
        table, now = mis_subscription, self._clock.now()
        with self._engine.begin() as connection:
            known = {
                row.id: row
                for row in connection.execute(select(table).where(table.c.endpoint.startswith(scheme, autoescape=True)))
            }
            for hook in hooks:
                values = {"client": hook.client, "endpoint": hook.endpoint, "status": "active"}
                if hook.id not in known:
                    fixed = {"resource": EVERYTHING, "mo": "", "channel": "mllp", "headers": "[]", "content": "{}"}
                    connection.execute(
                        insert(table).values(id=hook.id, version=1, updated_at=now, ends_at=None, **fixed, **values)
                    )
                else:
                    waking = {"rests_until": None, "failures": 0, "updated_at": now}
                    connection.execute(update(table).where(table.c.id == hook.id).values(**values, **waking))
            for id_ in known.keys() - {hook.id for hook in hooks}:
                connection.execute(update(table).where(table.c.id == id_).values(status="off"))

    def end(self, connection: Connection, id_: str, client: str) -> None:
        """Switch a subscription off; what was still to be told is called off."""
        self.get_in(connection, id_, client)
        connection.execute(update(mis_subscription).where(mis_subscription.c.id == id_).values(status="off"))
        waiting = (mis_message.c.subscription == id_, mis_message.c.state.in_(["queued", "parked"]))
        connection.execute(update(mis_message).where(*waiting).values(state="cancelled", body=""))

    def get(self, id_: str, client: str) -> Subscription:
        """Return a subscription of a client.

        Raises
        ------
        Refusal
            There is none.
        """
        with self._reader.connect() as connection:
            return self.get_in(connection, id_, client)

    def get_in(self, connection: Connection, id_: str, client: str) -> Subscription:
        """Return a subscription of a client, in the caller's transaction."""
        mine = (mis_subscription.c.id == id_, mis_subscription.c.client == client)
        row = connection.execute(select(mis_subscription).where(*mine)).first()
        if row is None:
            raise refuse(404, "CAMI-0034")
        return _subscription(row)

    def active(self) -> list[Subscription]:
        """Return the subscriptions that hold now."""
        table = mis_subscription.c
        holds = or_(table.ends_at.is_(None), table.ends_at > self._clock.now())
        with self._reader.connect() as connection:
            rows = connection.execute(select(mis_subscription).where(table.status == "active", holds))
            return [_subscription(row) for row in rows]

    def all(self) -> list[Subscription]:
        """Return every subscription that was not switched off."""
        with self._reader.connect() as connection:
            rows = connection.execute(select(mis_subscription).where(mis_subscription.c.status == "active"))
            return [_subscription(row) for row in rows]

    def failed(self, connection: Connection, id_: str, reason: str) -> None:
        """Note that the receiver does not answer: it is left alone for a while."""
        table = mis_subscription
        failures = int(connection.scalar(select(table.c.failures).where(table.c.id == id_)) or 0)
        rest = min(FIRST_REST * 2 ** min(failures, 10), LONGEST_REST)
        values = {"failures": failures + 1, "reason": reason, "rests_until": self._clock.now() + rest}
        connection.execute(update(table).where(table.c.id == id_).values(**values))

    def answered(self, connection: Connection, id_: str) -> None:
        """Note that the receiver has taken a message."""
        table = mis_subscription
        values = {"failures": 0, "reason": "", "rests_until": None, "succeeded_at": self._clock.now()}
        connection.execute(update(table).where(table.c.id == id_).values(**values))

    def wake(self, id_: str | None = None, client: str | None = None) -> None:
        """End the rest of a receiver, of those of a client, or of all: it is worth trying now."""
        table = mis_subscription
        chosen: list[ColumnElement[bool]] = [table.c.rests_until.is_not(None)]
        chosen += [table.c.id == id_] if id_ else []
        chosen += [table.c.client == client] if client else []
        with self._reader.connect() as connection:
            if connection.scalar(select(table.c.id).where(*chosen).limit(1)) is None:
                return
        with self._engine.begin() as connection:
            connection.execute(update(table).where(*chosen).values(rests_until=None))

    def _values(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        channel = fhir.mapping(resource.get("channel"))
        kind, endpoint = fhir.text(channel.get("type")), fhir.text(channel.get("endpoint"))
        if kind not in ("rest-hook", "message"):
            raise refuse(422, "CAMI-0093", "Subscription.channel.type")
        if (kind == "rest-hook") != bool(endpoint) or len(endpoint) > 500:
            raise refuse(422, "CAMI-0010", "Subscription.channel.endpoint")
        if endpoint and open_line(endpoint, allowed=self._plain_http):
            raise refuse(422, "CAMI-0061", "Subscription.channel.endpoint")
        headers = [fhir.text(line) for line in fhir.entries(channel.get("header"))]
        if any(not _is_header(line) for line in headers):
            raise refuse(422, "CAMI-0024", "Subscription.channel.header")
        type_, mo = self._criteria(fhir.text(resource.get("criteria")))
        kept = {name: value for name, value in resource.items() if name not in ("id", "meta", "status", "channel")}
        return {
            "status": "off" if resource.get("status") == "off" else "active",
            "resource": type_,
            "mo": mo,
            "channel": kind,
            "endpoint": endpoint,
            "headers": json.dumps(headers),
            "ends_at": fhir.moment(resource.get("end"), REGION_ZONE),
            "content": json.dumps(kept, ensure_ascii=False),
        }

    def _criteria(self, text: str) -> tuple[str, str]:
        """Return the resource type of criteria, and the code of the МО that they name."""
        type_, _, query = text.partition("?")
        if type_ not in RESOURCES:
            raise refuse(422, "CAMI-0026", "Subscription.criteria")
        mo = ""
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name in _OF_MO:
                system, _, oid = value.partition("|")
                code = self._code_of(oid)
                if system != terms.ORGANIZATION or code is None:
                    raise refuse(422, "CAMI-0031", "Subscription.criteria")
                mo = code
            elif name != "_lastUpdated":
                raise refuse(422, "CAMI-0026", "Subscription.criteria")
        return type_, mo


def shown(subscription: Subscription) -> Json:
    """Return a subscription as a resource: the values of its headers, which are secrets, are left out."""
    channel: Json = {"type": "rest-hook" if subscription.hook else "message", "payload": "application/fhir+json"}
    if subscription.hook:
        channel["endpoint"] = subscription.endpoint
        if subscription.headers:
            channel["header"] = [f"{line.partition(':')[0]}: ***" for line in subscription.headers]
    meta = {"versionId": str(subscription.version), "lastUpdated": iso(subscription.updated_at)}
    status = "off" if not subscription.active else "error" if subscription.failures else "active"
    known = {"resourceType": "Subscription", "id": subscription.id, "meta": meta, "status": status, "channel": channel}
    return {**subscription.content, **known}


def _is_header(line: str) -> bool:
    name, colon, value = line.partition(":")
    plain = all(32 <= ord(letter) < 127 for letter in line)
    return bool(colon) and plain and bool(name.strip()) and bool(value.strip()) and name.isascii() and " " not in name


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        id=row.id,
        client=row.client,
        active=row.status == "active",
        resource=row.resource,
        mo=row.mo,
        endpoint=row.endpoint,
        headers=tuple(json.loads(row.headers)),
        ends_at=row.ends_at,
        version=row.version,
        updated_at=row.updated_at,
        content=json.loads(row.content),
        rests_until=row.rests_until,
        failures=row.failures,
        reason=row.reason,
        succeeded_at=row.succeeded_at,
    )
