"""«Передача»: how the studies of this МО get to the centre, and what can be done about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from cami.access import Action, Identity, allowed
from cami.access.hygiene import forged
from cami.delivery import Controls
from cami.delivery.order import Priority
from cami.delivery.reasons import Cause
from cami.errors import Invalid
from cami.portal import delivery_wording, dicom_text, wording
from cami.portal.entry import Entry
from cami.portal.forms import fields
from cami.portal.headers import LIVE_POLICY
from cami.portal.navigation import DELIVERY
from cami.portal.pages import Pages, Reader
from cami.portal.ports import StudyFinder
from cami.portal.study_progress import at_proxy
from cami.watch.delivery_json import key_text, selection_of
from cami.watch.progress import DeliveryProgress, Selection, delivery_page
from cami.watch.transfer import StudyTransfer, Transfer
from cami.web import Endpoint, Request, Response, redirect

#: Rows of one page.
PAGE_ROWS = 50
#: Bytes a second below which a study counts as standing still; it would be written as 0 Мбит/с.
_SLOWEST = 6250
#: States in which a study moves, or will by itself.
_ON_ITS_WAY = ("queued", "sending")


@dataclass(frozen=True, slots=True)
class Row:
    """A study on the page. Texts that are message ids are translated by the template."""

    study_id: str
    patient: str
    modality: str
    description: str
    received_at: datetime
    state: str
    mark: str
    reason: str
    arrived: int
    instances: int
    arrived_size: int
    size: int
    moving: bool
    rate: float
    seconds_left: float | None
    confirmed_at: datetime | None
    priority: int
    remedy: str
    """What may be done about it; empty: nothing needs to be."""


class DeliveryPage:
    """Handlers of ``/cami/delivery``."""

    def __init__(
        self,
        pages: Pages,
        *,
        engine: Engine,
        transfer: Transfer,
        controls: Controls,
        studies: StudyFinder,
        zone: ZoneInfo,
    ) -> None:
        self._pages = pages
        self._engine = engine
        self._transfer = transfer
        self._controls = controls
        self._studies = studies
        self._zone = zone

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(DELIVERY, entry.page(Action.DELIVERY_READ, self.answer))]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the page, or do what one of its forms asks for."""
        if request.method == "POST":
            return self._do(request, identity)
        selection, day = self._selection(request.query)
        page = delivery_page(self._engine, selection)
        names = self._names(identity, page.studies)
        following = key_text(page.last)
        return self._pages.page(
            "delivery.html",
            reader,
            policy=LIVE_POLICY,
            status=self._transfer.status(),
            disk=self._transfer.disk,
            rows=[self._row(study, names.get(study.study_uid, "")) for study in page.studies],
            named=allowed(identity.role, Action.STUDIES_READ, "proxy"),
            selection=selection,
            day=day,
            asked=_asked(selection, day),
            here=urlencode(_asked(selection, day)),
            first=urlencode(_asked(replace(selection, after=None), day)),
            following=urlencode(_asked(selection, day) | {"after": following}) if following else "",
            views=delivery_wording.VIEWS,
            priorities=delivery_wording.PRIORITIES,
            outages=delivery_wording.OUTAGES,
            notice=delivery_wording.NOTICES.get(request.query.get("notice", ""), ""),
            may_resend=self._controls.may(identity, Action.DELIVERY_RESEND),
            may_prioritize=self._controls.may(identity, Action.DELIVERY_PRIORITIZE),
        )

    def _selection(self, query: Mapping[str, str]) -> tuple[Selection, date | None]:
        """Return what is asked for; a question that makes no sense is none."""
        try:
            selection = selection_of(query, PAGE_ROWS)
            day = date.fromisoformat(query["day"]) if query.get("day") else None
        except (Invalid, ValueError):
            return Selection(limit=PAGE_ROWS), None
        if day is None:
            return selection, None
        begin = datetime.combine(day, time(), self._zone)
        return replace(selection, since=begin, until=begin + timedelta(days=1)), day

    def _names(self, identity: Identity, studies: Sequence[DeliveryProgress]) -> Mapping[str, str]:
        """Return the patients' names by Study Instance UID, for those who may see them, as far as studies are here."""
        uids = "\\".join(study.study_uid for study in studies)
        if not uids or not allowed(identity.role, Action.STUDIES_READ, "proxy"):
            return {}
        found = self._studies.find(
            identity,
            {
                "Level": "Study",
                "Query": {"StudyInstanceUID": uids},
                "Expand": True,
                "ResponseContent": ["MainDicomTags"],
            },
        )
        return {study["MainDicomTags"].get("StudyInstanceUID", ""): _patient(study) for study in found}

    def _row(self, study: DeliveryProgress, patient: str) -> Row:
        state = at_proxy(study, "").state
        moves = state in _ON_ITS_WAY and bool(study.queued or study.sending)
        waits = bool(study.queued or study.sending)
        transfer = self._transfer.study(study.study_id) if waits else StudyTransfer(0.0, 0, None)
        words, mark = wording.STATES[state]
        causes, reason = delivery_wording.CAUSES, transfer.reason(study)
        return Row(
            study_id=study.study_id,
            patient=patient,
            modality=wording.MODALITIES.get(study.modality, study.modality),
            description=study.description,
            received_at=study.first_received_at,
            state=words,
            mark=mark,
            reason=causes.get(reason, delivery_wording.UNKNOWN_CAUSE) if reason else "",
            arrived=study.stored + study.confirmed + study.evicted,
            instances=study.instances - study.rejected,
            arrived_size=min(study.arrived_size + transfer.over, study.size),
            size=study.size,
            moving=moves,
            rate=transfer.rate if transfer.rate >= _SLOWEST else 0.0,
            seconds_left=transfer.seconds_left,
            confirmed_at=study.confirmed_at if state == "confirmed" else None,
            priority=study.priority,
            remedy="" if reason == Cause.NIGHT else _remedy(study, state),
        )

    def _do(self, request: Request, identity: Identity) -> Response:
        form = fields(request)
        selection, day = self._selection(form)
        if forged(request.method, request.headers):
            return _back(selection, day, "forged")
        study_id = form.get("study", "")
        if form.get("do") == "resend" and self._controls.may(identity, Action.DELIVERY_RESEND):
            repeated = self._controls.resend(identity, study_id)
            done = "retried" if repeated.retried else "compared" if repeated.compared else "nothing"
            return _back(selection, day, done if repeated.known else "unknown")
        if form.get("do") == "priority" and self._controls.may(identity, Action.DELIVERY_PRIORITIZE):
            known = form.get("class", "") in map(str, Priority) and self._controls.prioritize(
                identity, study_id, Priority(int(form["class"]))
            )
            return _back(selection, day, "moved" if known else "unknown")
        return _back(selection, day, "")


def _remedy(study: DeliveryProgress, state: str) -> str:
    """Return the words on the button that has a study tried or compared again (`cami.delivery.repeat`)."""
    if study.quarantined or (study.queued and study.reason and study.reason not in delivery_wording.PASSING):
        return delivery_wording.RESEND
    return delivery_wording.COMPARE if state == "confirmed" and study.confirmed else ""


def _patient(study: Mapping[str, Any]) -> str:
    tags = study["PatientMainDicomTags"]
    return dicom_text.person_name(tags.get("PatientName", ""))


def _asked(selection: Selection, day: date | None) -> dict[str, str]:
    """Write a question as the arguments that ask it."""
    wanted = {
        "view": selection.view if selection.view != "all" else "",
        "priority": "" if selection.priority is None else str(int(selection.priority)),
        "day": day.isoformat() if day else "",
        "after": key_text(selection.after) or "",
    }
    return {name: value for name, value in wanted.items() if value}


def _back(selection: Selection, day: date | None, notice: str) -> Response:
    asked = _asked(selection, day) | ({"notice": notice} if notice else {})
    return redirect(f"{DELIVERY}?{urlencode(asked)}" if asked else DELIVERY)
