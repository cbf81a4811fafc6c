"""«PACS МО»: how each proxy is, what is wrong and since when, who is responsible; letting one join, ending its keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cami.access import Action, Identity, allowed
from cami.access.hygiene import forged
from cami.clock import Clock
from cami.errors import Misconfigured, NotFound
from cami.fleet import Fleet, Level, Member
from cami.people.roles import Role
from cami.portal import fleet_wording
from cami.portal.entry import Entry
from cami.portal.forms import fields
from cami.portal.navigation import FLEET
from cami.portal.pages import Pages, Reader
from cami.region import Device, Organization, Region, Responsible
from cami.web import Endpoint, Request, Response, redirect

#: What a colour is sorted by: the worst first.
_ORDER = ("red", "yellow", "green")


class ProxyDesk(Protocol):
    """What the operator does with proxies; `cami.enrolment.Desk` does it."""

    def invite(self, mo: str, by: str) -> dict[str, str]:
        """Make a code to join with."""
        ...

    def revoke(self, mo: str, by: str, why: str) -> int:
        """End all keys of a proxy."""
        ...

    def rows(self) -> list[dict[str, Any]]:
        """Return how each proxy stands with the centre."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """One proxy as the page shows it."""

    organization: Organization
    member: Member
    troubles: Sequence[tuple[str, str, datetime]]
    """Level, words, since when."""
    skew: float | None
    oldest: float | None
    devices: Sequence[tuple[Device, datetime | None, bool | None]]
    responsible: Sequence[tuple[str, Responsible]]
    missing: Sequence[str]
    """Duties for which nobody is named."""
    standing: Mapping[str, Any]


class FleetPage:
    """The handlers of ``/cami/fleet``."""

    def __init__(self, pages: Pages, region: Region, fleet: Fleet, desk: ProxyDesk, clock: Clock) -> None:
        self._pages = pages
        self._region = region
        self._fleet = fleet
        self._desk = desk
        self._clock = clock

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(FLEET, entry.page(Action.FLEET_READ, self.answer))]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the page, or do what its buttons say."""
        manages = allowed(identity.role, Action.PROXIES_MANAGE, "central")
        if request.method == "POST":
            return self._act(request, reader, identity) if manages else redirect(FLEET)
        return self._page(reader, identity, done=request.query.get("done", ""))

    def _act(self, request: Request, reader: Reader, identity: Identity) -> Response:
        if forged(request.method, request.headers):
            return redirect(FLEET)
        form = fields(request)
        mo, wanted = form.get("mo", ""), form.get("action", "")
        try:
            if wanted == "code":
                return self._page(reader, identity, code=self._desk.invite(mo, identity.login))
            if wanted == "revoke" and form.get("sure") == "yes":
                self._desk.revoke(mo, identity.login, form.get("reason", "")[:200])
                return redirect(f"{FLEET}?done=revoked")
        except (NotFound, Misconfigured):
            return redirect(f"{FLEET}?done=failed")
        return redirect(FLEET)

    def _page(
        self, reader: Reader, identity: Identity, *, done: str = "", code: Mapping[str, str] | None = None
    ) -> Response:
        own = identity.mo if identity.role is Role.MO_ADMIN else ""
        rows = [row for row in self._rows(reader) if not own or row.organization.code == own]
        rows.sort(key=lambda row: (_ORDER.index(row.member.level), row.organization.code))
        return self._pages.page(
            "fleet.html",
            reader,
            rows=rows,
            counts={level: sum(row.member.level == level for row in rows) for level in _ORDER},
            levels=fleet_wording.LEVELS,
            done=done,
            code=code,
            code_until=datetime.fromisoformat(code["expires_at"]) if code else None,
            manages=allowed(identity.role, Action.PROXIES_MANAGE, "central"),
            now=self._clock.now(),
        )

    def _rows(self, reader: Reader) -> list[Row]:
        standings = {str(row["mo"]): row for row in self._desk.rows()}
        return [
            self._row(reader, member, standings.get(member.mo, {"state": "waits", "code_until": None}))
            for member in self._fleet.members()
        ]

    def _row(self, reader: Reader, member: Member, standing: Mapping[str, Any]) -> Row:
        organization, now, vitals = self._region.organization(member.mo), self._clock.now(), member.vitals
        known = {each.aet: each for each in vitals.devices} if vitals is not None else {}

        def translate(message: str) -> str:
            return self._pages.translate(reader, message)

        named = {person.duty for person in organization.responsible}
        return Row(
            organization=organization,
            member=member,
            troubles=[
                (trouble.level, fleet_wording.reason(translate, trouble.reason, _detail(trouble)), trouble.since)
                for trouble in sorted(member.troubles, key=lambda each: each.level is Level.YELLOW)
            ],
            skew=abs((vitals.at - member.heard_at).total_seconds()) if vitals and member.heard_at else None,
            oldest=(now - vitals.oldest_urgent).total_seconds() if vitals and vitals.oldest_urgent else None,
            devices=[
                (device, known[device.aet].image_at, known[device.aet].answers)
                if device.aet in known
                else (device, None, None)
                for device in organization.devices
            ],
            responsible=[(fleet_wording.DUTIES[person.duty], person) for person in organization.responsible],
            missing=[words for duty, words in fleet_wording.DUTIES.items() if duty not in named],
            standing=standing,
        )


def _detail(trouble: Any) -> str:
    return str(trouble.detail)
