"""The faces of this package for machines (docs/architecture.md §4)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from cami.access import Action, Authenticator, Identity, allowed
from cami.access.granted import GrantedStudies
from cami.clock import SystemClock, iso
from cami.db import reading
from cami.settings import Settings
from cami.watch import figures
from cami.watch.delivery_json import delivery_answer
from cami.watch.progress import central_progress
from cami.watch.transfer import Transfer
from cami.web import Endpoint, Request, Response, answer_json, answer_text


def watch_endpoints(
    settings: Settings,
    authenticator: Authenticator,
    engine: Engine,
    sources: Sequence[figures.Source],
    transfer: Transfer | None = None,
) -> list[Endpoint]:
    """Return the endpoints of this server's role; `sources` are its figures, `transfer` is how a proxy delivers."""
    granted = GrantedStudies(engine, SystemClock())

    def health(_request: Request) -> Response:
        # For anyone, a health check among them: says nothing more than that the plugin and its database answer.
        with reading(engine).connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        return answer_json({"status": "ok", "role": settings.role})

    def studies(identity: Identity, _request: Request) -> Response:
        owner = None if allowed(identity.role, Action.ARCHIVE_INSPECT, settings.role) else identity.mo
        if owner == "":
            return answer_json({"studies": []})
        found = central_progress(engine, owner=owner)
        if owner is not None:
            found += central_progress(engine, study_ids=granted.ids(identity.mo, identity.login))
        return answer_json({"studies": [_plain(entry) for entry in found]})

    def metrics(_identity: Identity, _request: Request) -> Response:
        return Response(200, figures.exposition(sources), figures.CONTENT_TYPE, [("Cache-Control", "no-store")])

    def guarded(action: Action, handler: Callable[[Identity, Request], Response]) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            identity = authenticator.identify(request.headers)
            if identity is None:
                return answer_text(401, "sign in first")
            if not allowed(identity.role, action, settings.role):
                return answer_text(403, "not for this role")
            return handler(identity, request)

        return handle

    progress = (
        Endpoint("/cami/api/studies", guarded(Action.DELIVERY_READ, studies), ("GET",), "Studies and their progress")
        if transfer is None
        else Endpoint(
            "/cami/api/delivery",
            guarded(Action.DELIVERY_READ, delivery_answer(engine, transfer)),
            ("GET",),
            "How delivery to the centre stands",
        )
    )
    return [
        Endpoint("/cami/health", health),
        Endpoint("/cami/metrics", guarded(Action.METRICS_READ, metrics)),
        progress,
    ]


def _plain(entry: Any) -> dict[str, Any]:
    return {key: iso(value) if isinstance(value, datetime) else value for key, value in asdict(entry).items()}
