"""«Полнота передачи»: what reconciliation found, for the people of an МО, and asking for it now."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cami.access import Action, Authenticator, allowed
from cami.clock import iso
from cami.delivery.runs import Runs
from cami.web import Endpoint, Request, Response, answer_json, answer_text

log = logging.getLogger(__name__)

#: Runs that are shown: a month of nights, and some that were asked for.
SHOWN = 40


def completeness_endpoints(
    mo: str, authenticator: Authenticator, runs: Runs, on_asked: Callable[[], None] = lambda: None
) -> list[Endpoint]:
    """Return the endpoints of a proxy; `mo` is its МО, `on_asked` wakes the worker."""

    def show(request: Request) -> Response:
        refusal = _refusal(request, Action.DELIVERY_READ)
        if refusal is not None:
            return refusal
        if request.method != "GET":
            return answer_text(405, "this address answers GET only")
        latest = runs.latest(SHOWN)
        return answer_json({"running": runs.open() is not None, "runs": [_plain(asdict(run)) for run in latest]})

    def ask(request: Request) -> Response:
        refusal = _refusal(request, Action.DELIVERY_RECONCILE)
        if refusal is not None:
            return refusal
        if request.method != "POST":
            return answer_text(405, "this address answers POST only")
        run = runs.begin("asked")
        log.warning("reconciliation %d was asked for", run)
        on_asked()
        return answer_json({"run": run})

    def _refusal(request: Request, action: Action) -> Response | None:
        identity = authenticator.identify(request.headers)
        if identity is None:
            return answer_text(401, "sign in first")
        if identity.mo != mo or not allowed(identity.role, action, "proxy"):
            return answer_text(403, "not for this role")
        return None

    return [
        Endpoint("/cami/api/delivery/completeness", show, ("GET",), "How comparisons with the centre ended"),
        Endpoint("/cami/api/delivery/reconcile", ask, ("POST",), "Compare with the centre now"),
    ]


def _plain(run: dict[str, Any]) -> dict[str, Any]:
    return {key: iso(value) if isinstance(value, datetime) else value for key, value in run.items()}
