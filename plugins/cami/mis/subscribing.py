"""Subscriptions over FHIR: create, read, change, end, and ``$events`` for one who asks by himself."""

import json
from typing import Any

from sqlalchemy import Connection

from cami.audit import AuditEvent, Kind
from cami.clock import iso
from cami.mis.face import Face
from cami.mis.fhir import Json
from cami.mis.message import Caller
from cami.mis.messages import Message, Messages
from cami.mis.problems import refuse
from cami.mis.subscriptions import Subscription, Subscriptions, shown
from cami.mis.writes import Writes, require_fhir, respond
from cami.web import Request, Response

_ID = r"([A-Za-z0-9.-]{1,64})"
MOST = 200


def add_subscribing(face: Face, writes: Writes, subscriptions: Subscriptions, messages: Messages) -> None:
    """Add the operations to the face."""

    def put(request: Request, body: Json, caller: Caller, groups: tuple[str, ...]) -> Response:
        require_fhir(body, "Subscription")
        id_ = groups[0] if groups else None

        def work(connection: Connection) -> tuple[Response, list[AuditEvent]]:
            found = subscriptions.put(connection, body, caller.client, id_)
            return _answer(found, 200 if id_ else 201), [_act(caller, found.id, "put")]

        return writes.committed(work) if id_ else writes.once(request, caller, work)

    def read(_request: Request, _body: Json, caller: Caller, groups: tuple[str, ...]) -> Response:
        return _answer(subscriptions.get(groups[0], caller.client), 200)

    def end(_request: Request, _body: Json, caller: Caller, groups: tuple[str, ...]) -> Response:
        def work(connection: Connection) -> tuple[Response, list[AuditEvent]]:
            subscriptions.end(connection, groups[0], caller.client)
            return Response(204), [_act(caller, groups[0], "end")]

        return writes.committed(work)

    def events(request: Request, _body: Json, caller: Caller, groups: tuple[str, ...]) -> Response:
        subscription = subscriptions.get(groups[0], caller.client)
        after, count = request.query.get("eventsSinceNumber", "0"), request.query.get("_count", "50")
        if not (after.isdecimal() and count.isdecimal()) or len(after) > 12 or len(count) > 4:
            raise refuse(400, "CAMI-0026")
        found = messages.after(subscription.id, int(after), min(max(int(count), 1), MOST))
        return respond(_bundle(found))

    face.add("GET", rf"/Subscription/{_ID}/\$events", events, first=True)
    face.add("POST", "/Subscription", put, first=True)
    face.add("PUT", f"/Subscription/{_ID}", put, first=True)
    face.add("GET", f"/Subscription/{_ID}", read, first=True)
    face.add("DELETE", f"/Subscription/{_ID}", end, first=True)


def _bundle(found: list[Message]) -> Json:
    entries: list[dict[str, Any]] = []
    for message in found:
        resource = json.loads(message.body)
        entries.append(
            {
                "fullUrl": f"urn:uuid:{message.event_id}",
                "resource": resource,
                "request": {"method": "POST", "url": message.kind},
                "response": {"status": "200", "etag": f'W/"{message.number}"', "lastModified": iso(message.created_at)},
            }
        )
    bundle: Json = {"resourceType": "Bundle", "type": "history", "total": len(entries)}
    if entries:
        bundle["entry"] = entries
    return bundle


def _answer(subscription: Subscription, status: int) -> Response:
    headers = [("ETag", f'W/"{subscription.version}"'), ("Location", f"/cami/fhir/Subscription/{subscription.id}")]
    return respond(shown(subscription), status, headers)


def _act(caller: Caller, id_: str, what: str) -> AuditEvent:
    return AuditEvent(
        Kind.ADMINISTRATION,
        caller.source,
        role="mis",
        source=caller.address,
        subject=f"subscription {id_}",
        reason=what,
    )
