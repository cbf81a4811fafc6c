"""Which requests may go where (F-40): the routes of the registry, asked with what is known of a request.

A route that does not fit is never offered and never accepted; without a route nothing is sent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cami.consultations.calendars import Calendar
from cami.errors import Invalid
from cami.region import ConsultationRoute, Deadlines, Region

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Due:
    """By when a request is to be accepted and answered, and when the dispatcher is called."""

    escalate_at: datetime
    accept_by: datetime
    answer_by: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a request decides over its route."""

    mo: str
    kind: str
    urgency: str
    profile: str
    modalities: frozenset[str]


class RouteTable:
    """The routes of a region."""

    def __init__(self, region: Region) -> None:
        rules = region.consultations
        self._routes = {route.name: route for route in rules.routes}
        self._profiles = {profile.code: profile.name for profile in rules.profiles}
        self._approvers = {approval.mo: frozenset(approval.by) for approval in rules.approval}
        self.calendar = Calendar(rules.calendar, ZoneInfo(region.time_zone))
        self._units = dict(rules.units)
        self._organizations = {organization.code: organization.short_name for organization in region.organizations}

    @property
    def profiles(self) -> dict[str, str]:
        """Names of the profiles, by code."""
        return dict(self._profiles)

    def profile(self, code: str) -> str:
        """Return the name of a profile; its code if the registry does not know it."""
        return self._profiles.get(code, code)

    @property
    def organizations(self) -> list[str]:
        """Codes of the МО of the region."""
        return list(self._organizations)

    def organization(self, code: str) -> str:
        """Return the short name of an МО; its code if the registry does not know it."""
        return self._organizations.get(code, code)

    def units(self, modalities: str) -> float:
        """Return the conditional units of an answer about such images: of its heaviest modality."""
        known = [self._units.get(code, 1.0) for code in modality_set(modalities)]
        return max(known, default=1.0)

    def open_to(self, mo: str) -> list[ConsultationRoute]:
        """Return the routes by which an МО may ask at all."""
        return [route for route in self._routes.values() if _asks(route, mo)]

    def offered(self, asked: Asked, now: datetime) -> list[ConsultationRoute]:
        """Return the routes that a request may take now."""
        return [route for route in self._routes.values() if not self.trouble(route, asked, now)]

    def named(self, name: str) -> ConsultationRoute | None:
        """Return a route by its name."""
        return self._routes.get(name)

    def trouble(self, route: ConsultationRoute, asked: Asked, now: datetime) -> str:
        """Return why a request may not take a route, as a code; empty: it may."""
        fits = {
            "mo": _asks(route, asked.mo),
            "kind": asked.kind in route.kinds,
            "urgency": asked.urgency in route.urgencies,
            "profile": asked.profile in route.profiles,
            "modality": not route.modalities or bool(asked.modalities & set(route.modalities)),
            "hours": self._open(route, now),
        }
        return next((code for code, fine in fits.items() if not fine), "")

    def checked(self, name: str, asked: Asked, now: datetime, sent_today: int) -> ConsultationRoute:
        """Return the route that a request is sent by.

        Raises
        ------
        cami.errors.Invalid
            There is none of that name that this request may take now; the message is a code.
        """
        route = self._routes.get(name)
        if route is None:
            raise Invalid("route")
        trouble = self.trouble(route, asked, now)
        if trouble:
            raise Invalid(f"route-{trouble}")
        if route.daily_limit is not None and asked.urgency != "stat" and sent_today >= route.daily_limit:
            raise Invalid("route-limit")
        return route

    def due(self, route: str, urgency: str, now: datetime) -> Due:
        """Return the deadlines of a request that is sent at `now`."""
        rules = self._deadlines(route, urgency)
        accept_by = self.calendar.after(now, rules.accept)
        escalate_at = self.calendar.after(now, rules.escalate) if rules.escalate else now + (accept_by - now) / 2
        return Due(min(escalate_at, accept_by), accept_by, self.calendar.after(now, rules.answer))

    def lease(self, route: str, urgency: str, now: datetime) -> datetime:
        """Return until when a consultant of whom nothing is heard keeps a request."""
        return self.calendar.after(now, self._deadlines(route, urgency).lease)

    def acknowledge(self, route: str, urgency: str, now: datetime) -> datetime:
        """Return by when the asking МО has to confirm that it knows of a critical finding."""
        return self.calendar.after(now, self._deadlines(route, urgency).acknowledge)

    def approvers(self, mo: str) -> frozenset[str]:
        """Return who approves requests of an МО; empty: nobody has to."""
        return self._approvers.get(mo, frozenset())

    def consulting(self) -> Collection[str]:
        """Return the МО that some route leads to."""
        return {mo for route in self._routes.values() for mo in route.to}

    def _deadlines(self, route: str, urgency: str) -> Deadlines:
        known = self._routes.get(route)
        return known.deadlines_of(urgency) if known else ConsultationRoute.model_construct(deadlines={}).deadlines_of(
            urgency
        )  # fmt: skip

    def _open(self, route: ConsultationRoute, now: datetime) -> bool:
        if not route.hours:
            return True
        weekday, clock = self.calendar.weekday_and_time(now)
        return any(_DAYS[weekday] in hours.days and hours.from_ <= clock < hours.to for hours in route.hours)


def _asks(route: ConsultationRoute, mo: str) -> bool:
    return (not route.from_ or mo in route.from_) and tuple(route.to) != (mo,)


def modality_set(written: Sequence[str] | str) -> frozenset[str]:
    """Return modalities out of a text with backslashes, without those that are no images."""
    codes = written.split("\\") if isinstance(written, str) else written
    return frozenset(code for code in codes if code and code not in ("SR", "PR", "KO", "SEG", "DOC"))
