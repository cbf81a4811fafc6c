"""``GET /cami/api/delivery``: a proxy's delivery as JSON, in pages. The same questions make the page «Передача»."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast, get_args

from sqlalchemy import Engine

from cami.access import Identity
from cami.clock import iso
from cami.delivery.order import Priority
from cami.errors import Invalid
from cami.watch.progress import DeliveryProgress, Key, Selection, View, delivery_page
from cami.watch.transfer import Status, Transfer
from cami.web import Request, Response, answer_json, answer_text

#: Studies of one answer, at most and unless fewer are asked for.
MOST = 500


def delivery_answer(engine: Engine, transfer: Transfer) -> Callable[[Identity, Request], Response]:
    """Return the handler."""

    def answer(_identity: Identity, request: Request) -> Response:
        try:
            selection = selection_of(request.query)
        except Invalid as error:
            return answer_text(400, str(error))
        page = delivery_page(engine, selection)
        status = transfer.status()
        disk = transfer.disk
        return answer_json(
            {
                "studies": [_study(study, transfer) for study in page.studies],
                "next": key_text(page.last),
                "queue": asdict(status.queue.totals),
                "waiting": {f"p{priority}": _waiting(status, priority) for priority in Priority},
                "line": _line(status),
                "disk": {"free": disk.room.free, "total": disk.room.total, "state": disk.state},
            }
        )

    return answer


def selection_of(query: Mapping[str, str], most: int = MOST) -> Selection:
    """Read ``view``, ``priority``, ``after`` and ``limit`` of a query string.

    Raises
    ------
    cami.errors.Invalid
        One of them is none that there is.
    """
    view = query.get("view") or "all"
    if view not in get_args(View):
        raise Invalid(f"view is one of {', '.join(get_args(View))}")
    try:
        priority = Priority(int(query["priority"])) if query.get("priority") else None
        limit = min(max(int(query.get("limit") or most), 1), most)
        return Selection(cast("View", view), priority, after=_key(query.get("after", "")), limit=limit)
    except ValueError as error:
        raise Invalid("priority is 0 to 4, limit a number, after the value of next") from error


def key_text(key: Key | None) -> str | None:
    """Write where the next page begins."""
    return None if key is None else f"{key.began_at!r}_{key.study_id}"


def _key(text: str) -> Key | None:
    if not text:
        return None
    began_at, _, study_id = text.partition("_")
    return Key(float(began_at), study_id)


def _study(study: DeliveryProgress, transfer: Transfer) -> dict[str, Any]:
    plain = {key: iso(value) if isinstance(value, datetime) else value for key, value in asdict(study).items()}
    if study.queued or study.sending:
        state = transfer.study(study.study_id)
        plain |= {"rate": round(state.rate), "seconds_left": _rounded(state.seconds_left)}
        plain["arrived_size"] = min(study.arrived_size + state.over, study.size)
        plain["reason"] = state.reason(study)
    else:
        plain |= {"rate": 0, "seconds_left": None}
    return plain


def _waiting(status: Status, priority: Priority) -> dict[str, Any]:
    entry = status.queue.by_class.get(priority)
    if entry is None:
        return {"instances": 0, "bytes": 0, "oldest": None}
    return {"instances": entry.instances, "bytes": entry.size, "oldest": iso(entry.oldest)}


def _line(status: Status) -> dict[str, Any]:
    outage = status.outage
    return {
        "state": "down" if outage else "works",
        "reason": outage.cause if outage else "",
        "since": iso(outage.since) if outage else None,
        "rate": round(status.rate),
        "seconds_left": _rounded(status.seconds_left),
        "limit": None if status.limit is None else round(status.limit),
        "limit_until": iso(status.limit_until) if status.limit_until else None,
        "sent_bytes": status.counters.sent_bytes,
        "retries": status.counters.retries,
        "resumed": status.counters.resumed,
    }


def _rounded(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
