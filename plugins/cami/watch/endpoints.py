"""The JSON faces of this package (docs/architecture.md §4)."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from cami.access import Action, Authenticator, Identity, allowed
from cami.clock import iso
from cami.db import reading
from cami.delivery import DiskWatch
from cami.settings import Settings
from cami.watch.progress import central_progress, delivery_progress, queue_totals
from cami.web import Endpoint, Request, Response, answer_json, answer_text


def watch_endpoints(
    settings: Settings, authenticator: Authenticator, engine: Engine, disk: DiskWatch
) -> list[Endpoint]:
    """Return the endpoints of this server's role."""

    def health(_request: Request) -> Response:
        # For anyone, a health check among them: says nothing more than that the plugin and its database answer.
        with reading(engine).connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        return answer_json({"status": "ok", "role": settings.role})

    def studies(identity: Identity) -> Response:
        owner = None if allowed(identity.role, Action.ARCHIVE_INSPECT, settings.role) else identity.mo
        if owner == "":
            return answer_json({"studies": []})
        return answer_json({"studies": [_plain(entry) for entry in central_progress(engine, owner=owner)]})

    def delivery(_identity: Identity) -> Response:
        return answer_json(
            {
                "studies": [_plain(entry) for entry in delivery_progress(engine)],
                "queue": asdict(queue_totals(engine)),
                "disk": {"free": disk.room.free, "total": disk.room.total, "state": disk.state},
            }
        )

    def for_people(handler: Callable[[Identity], Response]) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            identity = authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            if not allowed(identity.role, Action.DELIVERY_READ, settings.role):
                return answer_text(403, "not for this role")
            return handler(identity)

        return handle

    progress = (
        Endpoint("/cami/api/studies", for_people(studies))
        if settings.role == "central"
        else Endpoint("/cami/api/delivery", for_people(delivery))
    )
    return [Endpoint("/cami/health", health), progress]


def _plain(entry: Any) -> dict[str, Any]:
    return {key: iso(value) if isinstance(value, datetime) else value for key, value in asdict(entry).items()}
