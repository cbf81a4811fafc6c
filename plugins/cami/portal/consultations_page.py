"""«Консультации»: the desks, a list each, and where a request begins."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cami.access import Action, Identity
from cami.access.hygiene import forged
from cami.clock import Clock
from cami.consultations import parts
from cami.consultations.desk import Filter, View
from cami.consultations.terms import Urgency
from cami.errors import Denied, Invalid, NotFound
from cami.portal import consultation_wording
from cami.portal.consultation_list import WrittenLines
from cami.portal.consultation_live import live_of
from cami.portal.consultation_ports import Consulting
from cami.portal.consultation_rows import Rows
from cami.portal.entry import Entry
from cami.portal.forms import lists
from cami.portal.headers import LIVE_POLICY
from cami.portal.navigation import CONSULTATIONS
from cami.portal.pages import Pages, Reader
from cami.web import Endpoint, Request, Response, redirect

_UID = re.compile(r"[0-9.]{1,64}")
_FILTERS = ("state", "urgency", "profile", "mo", "to_mo")
#: Notices that stand beside a desk.
_NOTICES = 6


def _(message: str) -> str:
    return message


_SHOWN: Mapping[str, str] = {"open": _("Открытые"), "ended": _("Завершённые"), "all": _("Все")}


class ConsultationsPage:
    """Handlers of ``/cami/consultations``."""

    def __init__(self, pages: Pages, consulting: Consulting, rows: Rows, clock: Clock) -> None:
        self._pages = pages
        self._consulting = consulting
        self._lines = WrittenLines(pages, rows)
        self._clock = clock

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(CONSULTATIONS, entry.page(Action.CONSULTATIONS_READ, self.desk)),
            Endpoint(f"{CONSULTATIONS}/new", entry.page(Action.CONSULTATIONS_ASK, self.begin)),
        ]

    def desk(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show a desk."""
        desk = self._consulting.desk
        views = desk.views(identity)
        name = request.query.get("view", "")
        view = next((each for each in views if each == name), views[0])
        query = {key: request.query[key] for key in _FILTERS if request.query.get(key)}
        late, own = request.query.get("late") == "1", request.query.get("own") == "1"
        number = request.query.get("number", "").strip().lstrip("№ ")
        wanted = Filter(**query, late=late, own=own, number=_digits(number) if number else None)
        beat = self._consulting.beats.of(identity)  # before the rest: what changes meanwhile is asked for again
        page = desk.page(identity, view, wanted, _digits(request.query.get("page", "")) or 1)
        now = self._clock.now()
        kept = dict(query) | ({"late": "1"} if late else {}) | ({"own": "1"} if own else {})
        return self._pages.page(
            "consultations.html",
            reader,
            policy=LIVE_POLICY,
            view=view,
            views=[(each, consultation_wording.VIEWS[each], count) for each, count in desk.counts(identity).items()],
            rows=self._lines.of(reader, view, page.lines, now),
            shows_patient=view is not View.DISPATCH,
            page=page,
            wanted=wanted,
            kept=urlencode({"view": view.value, **kept}),
            shown=_SHOWN,
            urgencies=consultation_wording.URGENCIES,
            profiles=self._consulting.consultations.routes.profiles,
            organizations=self._organizations(),
            load=self._load() if view is View.DISPATCH else [],
            notices=[
                (each, consultation_wording.TOLD[each.kind], each.urgency == Urgency.STAT)
                for each in self._consulting.notices.latest(identity, 0, _NOTICES)
            ],
            live=live_of(beat, identity),
        )

    def begin(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Make a draft about a study, then show it."""
        if request.method != "POST" or forged(request.method, request.headers):
            return redirect(CONSULTATIONS)
        given = lists(request)
        uids = [uid for uid in given.get("study", []) if _UID.fullmatch(uid)]
        based_on = _digits(given.get("based_on", [""])[0]) or None
        try:
            case = self._consulting.consultations.create(identity, uids, {}, based_on=based_on)
        except (Denied, Invalid, NotFound):
            return self._pages.page("not_found.html", reader)
        return redirect(f"{CONSULTATIONS}/{case.request.number}")

    def _load(self) -> list[tuple[str, str, str, int]]:
        consultants = self._consulting.consultations.consultants
        found = consultants.of(None, "")
        return [
            (load.person.login, load.person.name, self._pages.organization(load.person.mo), load.held) for load in found
        ]

    def _organizations(self) -> list[tuple[str, str]]:
        routes = self._consulting.consultations.routes
        return [(code, routes.organization(code)) for code in routes.organizations]


def _digits(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def asks(identity: Identity) -> bool:
    """Return whether somebody may ask, for the button of the archive page."""
    return parts.asks(identity)


def values_of(given: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the first value of each field of a form."""
    return {name: values[0] for name, values in given.items()}
