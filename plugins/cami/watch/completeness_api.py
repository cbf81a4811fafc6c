"""``GET /cami/api/completeness`` of the centre: «Полнота передачи» for those who answer for it."""

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cami.access import Action, Authenticator, Role, allowed
from cami.clock import Clock, iso
from cami.region import Region
from cami.watch.completeness import LONGEST, MoCompleteness, completeness, scrub_state
from cami.web import Endpoint, Request, Response, answer_json, answer_text

#: Days that are shown when none are asked for.
USUAL = 7
#: Who answers for all МО.
_REGION = frozenset({Role.OPERATOR, Role.REGION_ADMIN})


def completeness_api(region: Region, authenticator: Authenticator, engine: Engine, clock: Clock) -> list[Endpoint]:
    """Return the endpoint: all МО for people of the region, the own one for its administrator."""
    zone = ZoneInfo(region.time_zone)
    names = {organization.code: organization.short_name for organization in region.with_proxy}

    def show(request: Request) -> Response:
        identity = authenticator.identify(request.headers)
        if identity is None:
            return answer_text(401, "sign in first")
        if not allowed(identity.role, Action.COMPLETENESS_READ, "central"):
            return answer_text(403, "not for this role")
        if request.method != "GET":
            return answer_text(405, "this address answers GET only")
        try:
            first, last = _days(request, clock.now().astimezone(zone).date())
        except ValueError:
            return answer_text(400, f"expected from and to as YYYY-MM-DD, at most {LONGEST} days")
        everywhere = identity.role in _REGION
        mos = [code for code in names if everywhere or code == identity.mo]
        found = completeness(engine, mos, first, last, zone)
        state = scrub_state(engine) if everywhere else None
        return answer_json(
            {
                "from": first.isoformat(),
                "to": last.isoformat(),
                "organizations": [{"short_name": names[entry.mo], **_plain(entry)} for entry in found],
                "scrub": None if state is None else _readable(asdict(state)),
            }
        )

    return [Endpoint("/cami/api/completeness", show, ("GET",), "How much of what each МО has announced is here")]


def _days(request: Request, today: date) -> tuple[date, date]:
    last = date.fromisoformat(request.query["to"]) if "to" in request.query else today
    first = date.fromisoformat(request.query["from"]) if "from" in request.query else last - timedelta(days=USUAL - 1)
    if not timedelta() <= last - first < timedelta(days=LONGEST):
        raise ValueError("too many days, or none")
    return first, last


def _plain(entry: MoCompleteness) -> dict[str, Any]:
    run = entry.last_run
    return {
        "mo": entry.mo,
        **asdict(entry.total),
        "days": [{"day": day.day.isoformat(), **asdict(day.counts)} for day in entry.days],
        "last_run": None if run is None else {**_readable(asdict(run)), "clean": run.clean},
    }


def _readable(values: dict[str, Any]) -> dict[str, Any]:
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in values.items()}
