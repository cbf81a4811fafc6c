"""What the centre tells proxies of studies of others that are granted to their МО, and how it calls them to listen.

A proxy brings what a routing rule of the owner shares with its МО. Anything else that is granted is read at the centre.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, and_, func, select

from cami.access import Cause
from cami.access.granted import Received, in_force
from cami.clock import Clock, iso
from cami.db import reading
from cami.db.tables import received_instance, study, study_grant
from cami.delivery import WIRE_ROOT, TokenVerifier, for_proxies
from cami.errands import ErrandBook, Kind
from cami.errors import Invalid
from cami.retrieval import Shelves
from cami.web import Endpoint, Request, Response, answer_json

#: Studies in one answer or question.
MOST = 200
#: What proxies bring without being asked.
BROUGHT = (Cause.ROUTING,)
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{8}){4}"


class GuestList:
    """Reads the grants for proxies."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = reading(engine)
        self._clock = clock

    def after(self, mo: str, number: int) -> list[dict[str, Any]]:
        """Return what the proxy of `mo` is to bring of grants after `number`, the oldest first."""
        query = (
            select(study_grant.c.number, study.c.study_id, study.c.study_uid, study.c.owner, study_grant.c.until)
            .join_from(
                study_grant,
                study,
                and_(study.c.study_uid == study_grant.c.study_uid, study.c.owner == study_grant.c.owner),
            )
            .where(
                study_grant.c.mo == mo,
                study_grant.c.login == "",
                study_grant.c.cause.in_(BROUGHT),
                study_grant.c.number > number,
                study.c.first_stored_at.is_not(None),
                study.c.owner != mo,
                in_force(self._clock.now()),
            )
            .order_by(study_grant.c.number, study.c.study_id)
            .limit(MOST)
        )
        with self._reader.connect() as connection:
            return [_told(row) for row in connection.execute(query)]

    def check(self, mo: str, study_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return which of these studies the people of `mo` may still see: until when, and how much there is of each."""
        stored = (
            select(func.count())
            .where(received_instance.c.study_id == study.c.study_id, received_instance.c.stored_at.is_not(None))
            .scalar_subquery()
        )
        received = Received(mo, "", self._clock.now())
        query = select(study.c.study_id, study.c.study_uid, study.c.owner, stored.label("instances")).where(
            study.c.study_id.in_(list(study_ids)), received.holds(study.c.owner, study.c.study_uid)
        )
        with self._reader.connect() as connection:
            rows = connection.execute(query).all()
            ends = self._ends(connection, mo, [row.study_uid for row in rows])
        return {
            row.study_id: {"instances": row.instances, "until": _written(ends.get((row.study_uid, row.owner)))}
            for row in rows
        }

    def _ends(self, connection: Any, mo: str, study_uids: Collection[str]) -> dict[tuple[str, str], datetime | None]:
        """Return when the last grant of each study to everybody of `mo` ends; None: no time is set."""
        rows = connection.execute(
            select(study_grant.c.study_uid, study_grant.c.owner, study_grant.c.until).where(
                study_grant.c.study_uid.in_(list(study_uids)),
                study_grant.c.mo == mo,
                study_grant.c.login == "",
                in_force(self._clock.now()),
            )
        )
        found: dict[tuple[str, str], datetime | None] = {}
        for row in rows:
            key = (row.study_uid, row.owner)
            known = found.get(key, row.until)
            found[key] = None if known is None or row.until is None else max(known, row.until)
        return found


class Caller:
    """Calls proxies when what is granted to their МО has changed. One thread calls `step`."""

    def __init__(self, engine: Engine, clock: Clock, errands: ErrandBook, organizations: Collection[str]) -> None:
        """Make it; `organizations` are the codes of the МО that have a proxy."""
        self._reader = reading(engine)
        self._clock = clock
        self._errands = errands
        self._organizations = sorted(organizations)
        self._known: dict[str, tuple[int, ...]] = {}

    def step(self) -> None:
        """Compare with what was there at the last look; after a start, every МО that was ever granted anything."""
        query = (
            select(
                study_grant.c.mo,
                func.max(study_grant.c.number).label("newest"),
                func.count(study_grant.c.ended_at).label("ended"),
                func.count().label("number"),
            )
            .where(study_grant.c.mo.in_(self._organizations), study_grant.c.login == "")
            .group_by(study_grant.c.mo)
        )
        with self._reader.connect() as connection:
            found = {row.mo: (row.newest, row.ended, row.number) for row in connection.execute(query)}
        for mo, now in found.items():
            if self._known.get(mo) != now:
                self._errands.ask(mo, Kind.GUESTS, asked_by="system", cause="grants")
                self._known[mo] = now


@dataclass(frozen=True, slots=True)
class _Calls:
    guests: GuestList
    shelves: Shelves

    def listed(self, mo: str, request: Request) -> Response:
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 15):
            raise Invalid("after must be a number")
        return answer_json({"guests": self.guests.after(mo, int(after))})

    def check(self, mo: str, request: Request) -> Response:
        try:
            asked = request.json()["studies"]
        except (ValueError, KeyError, TypeError):
            asked = None
        if not isinstance(asked, list) or len(asked) > MOST or not all(isinstance(one, str) for one in asked):
            raise Invalid(f'expected JSON {{"studies": [Orthanc id]}}, at most {MOST}')
        return answer_json({"studies": self.guests.check(mo, asked)})

    def manifest(self, mo: str, request: Request) -> Response:
        return answer_json(self.shelves.granted_manifest(mo, request.groups[0]))


def guest_wire_endpoints(tokens: TokenVerifier, guests: GuestList, shelves: Shelves) -> list[Endpoint]:
    """Return the endpoints that proxies call."""
    calls = _Calls(guests, shelves)
    methods: Mapping[str, Mapping[str, Callable[[str, Request], Response]]] = {
        "/guests": {"GET": calls.listed},
        "/guests/check": {"POST": calls.check},
        f"/guests/({_ID})/instances": {"GET": calls.manifest},
    }
    return [Endpoint(WIRE_ROOT + path, for_proxies(tokens, handlers)) for path, handlers in methods.items()]


def _told(row: Any) -> dict[str, Any]:
    return {
        "number": row.number,
        "study_id": row.study_id,
        "study_uid": row.study_uid,
        "owner": row.owner,
        "until": _written(row.until),
    }


def _written(moment: datetime | None) -> str | None:
    return iso(moment) if moment else None
