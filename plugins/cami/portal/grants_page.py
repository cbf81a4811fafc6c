"""«Доступы»: who else may see studies, and «Кому открыто» of one study (F-49)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from cami.access import Action, Identity, allowed
from cami.access.hygiene import forged
from cami.clock import Clock, SystemClock
from cami.errors import Denied, Invalid, NotFound
from cami.portal import dicom_text, grants_wording, wording
from cami.portal.entry import Entry
from cami.portal.forms import fields
from cami.portal.navigation import GRANTS
from cami.portal.pages import Pages, Reader
from cami.portal.ports import StudyFinder
from cami.region import Region
from cami.sharing import Grant, Listed, SharingDesk, Wish
from cami.web import Endpoint, Request, Response, redirect, source_of

#: Grants of one page of the list.
PAGE_ROWS = 50
#: Days for which a share is offered at first.
USUAL_DAYS = 30
_NUMBER = re.compile(r"[0-9]{1,9}")
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, slots=True)
class Row:
    """A grant as the lists show it."""

    grant: Grant
    patient: str
    """Empty for those who see no patients, and where the study is not here."""
    study: str
    owner: str
    to: str
    may_end: bool
    study_id: str
    """Empty if the study is not here, or not for this person."""


class GrantsPage:
    """Handlers of ``/cami/grants``."""

    def __init__(
        self, pages: Pages, desk: SharingDesk, studies: StudyFinder, region: Region, clock: Clock | None = None
    ) -> None:
        self._pages = pages
        self._desk = desk
        self._studies = studies
        self._region = region
        self._zone = ZoneInfo(region.time_zone)
        self._clock = clock or SystemClock()

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(GRANTS, entry.page(Action.GRANTS_READ, self.overview)),
            Endpoint(f"{GRANTS}/study", entry.page(Action.GRANTS_GIVE, self.study)),
            Endpoint(f"{GRANTS}/end", entry.page(Action.GRANTS_READ, self.end)),
            Endpoint(f"{GRANTS}/reviewed", entry.page(Action.GRANTS_REVIEW, self.reviewed)),
        ]

    def overview(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show what is given or what is received."""
        gives = allowed(identity.role, Action.GRANTS_GIVE, "central")
        view = request.query.get("view", "") or ("given" if gives else "received")
        view = view if gives and view == "given" else "received"
        everything = request.query.get("all", "") == "1"
        number = max(1, int(request.query["page"]) if _NUMBER.fullmatch(request.query.get("page", "")) else 1)
        found = self._listed(identity, view, holding=not everything, since=(number - 1) * PAGE_ROWS)
        reviews = allowed(identity.role, Action.GRANTS_REVIEW, "central")
        return self._pages.page(
            "grants.html",
            reader,
            rows=self._rows(identity, found.grants),
            urgent=self._rows(identity, self._desk.register.unreviewed(identity.mo)) if reviews else [],
            total=found.total,
            number=number,
            last=max(1, -(-found.total // PAGE_ROWS)),
            view=view,
            gives=gives,
            everything=everything,
            done=request.query.get("done", ""),
            words=grants_wording,
        )

    def study(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show who may see a study of the own МО, or open it to somebody else."""
        given = fields(request) if request.method == "POST" else {}
        study_uid = self._named(identity, given or request.query)
        if study_uid is None:
            return self._pages.page("not_found.html", reader)
        if request.method != "POST":
            return self._study(reader, identity, study_uid, {}, "")
        if forged(request.method, request.headers):
            return redirect(GRANTS)
        try:
            self._desk.share(identity, source_of(request.headers), self._wish(study_uid, given))
        except NotFound:
            return self._pages.page("not_found.html", reader)
        except (Invalid, Denied) as error:
            return self._study(reader, identity, study_uid, given, grants_wording.refusal(str(error)))
        return redirect(f"{GRANTS}/study?{urlencode({'uid': study_uid, 'done': 'given'})}")

    def end(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Take a grant back."""
        given = fields(request)
        if request.method != "POST" or forged(request.method, request.headers):
            return redirect(GRANTS)
        try:
            number = int(given["grant"]) if _NUMBER.fullmatch(given.get("grant", "")) else 0
            self._desk.end(identity, source_of(request.headers), number, given.get("reason", ""))
        except (NotFound, Denied):
            return self._pages.page("not_found.html", reader)
        except Invalid:
            return redirect(f"{GRANTS}?done=why")
        return redirect(f"{GRANTS}?done=ended")

    def reviewed(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Take note of an emergency access."""
        given = fields(request)
        if request.method != "POST" or forged(request.method, request.headers):
            return redirect(GRANTS)
        try:
            number = int(given["grant"]) if _NUMBER.fullmatch(given.get("grant", "")) else 0
            self._desk.reviewed(identity, number)
        except (NotFound, Denied):
            return self._pages.page("not_found.html", reader)
        return redirect(GRANTS)

    def _listed(self, identity: Identity, view: str, *, holding: bool, since: int) -> Listed:
        register = self._desk.register
        if view == "given":
            return register.given(identity.mo, holding=holding, since=since, limit=PAGE_ROWS)
        if allowed(identity.role, Action.GRANTS_REVIEW, "central"):
            return register.of_organization(identity.mo, holding=holding, since=since, limit=PAGE_ROWS)
        return register.received(identity.mo, identity.login, holding=holding, since=since, limit=PAGE_ROWS)

    def _named(self, identity: Identity, given: Mapping[str, str]) -> str | None:
        """Return the Study Instance UID of an own study that a request names; None if it is not for this person."""
        study_uid = given.get("uid", "").strip()
        if study_id := given.get("study", ""):
            found = self._desk.register.study_of(study_id)
            study_uid = found[0] if found else ""
        if not _UID.fullmatch(study_uid) or self._desk.register.owner_of(study_uid) != identity.mo or not identity.mo:
            return None
        return study_uid

    def _study(
        self, reader: Reader, identity: Identity, study_uid: str, given: Mapping[str, str], error: str
    ) -> Response:
        grants = self._desk.register.of_study(identity.mo, study_uid)
        today = self._clock.now().astimezone(self._zone).date()
        return self._pages.page(
            "grants_study.html",
            reader,
            uid=study_uid,
            about=self._about(identity, [study_uid]).get(study_uid),
            rows=self._rows(identity, grants),
            others=[each for each in self._region.organizations if each.code != identity.mo],
            given={"until": (today + timedelta(days=USUAL_DAYS)).isoformat(), **given},
            error=error,
            earliest=today,
            words=grants_wording,
        )

    def _wish(self, study_uid: str, given: Mapping[str, str]) -> Wish:
        login = given.get("login", "").strip().lower()
        try:
            day = date.fromisoformat(given.get("until", ""))
        except ValueError:
            raise Invalid("the share must end within a year") from None
        end = datetime.combine(day, time(23, 59, 59), self._zone)
        return Wish(study_uid, given.get("mo", ""), login, given.get("reason", ""), end)

    def _rows(self, identity: Identity, grants: Sequence[Grant]) -> list[Row]:
        about = self._about(identity, {grant.study_uid for grant in grants})
        return [self._row(identity, grant, about.get(grant.study_uid)) for grant in grants]

    def _about(self, identity: Identity, study_uids: Any) -> dict[str, Any]:
        """Return what Orthanc knows of those of the studies that this person sees, by Study Instance UID."""
        if not study_uids or not allowed(identity.role, Action.STUDIES_READ, "central"):
            return {}
        query = {"StudyInstanceUID": "\\".join(sorted(study_uids))}
        body = {"Level": "Study", "Query": query, "Expand": True, "ResponseContent": ["MainDicomTags"]}
        return {
            study["MainDicomTags"]["StudyInstanceUID"]: study_shown(study)
            for study in self._studies.find(identity, body)
        }

    def _row(self, identity: Identity, grant: Grant, about: Mapping[str, str] | None) -> Row:
        organization = self._pages.organization
        to = ", ".join(filter(None, [organization(grant.mo) if grant.mo else "", grant.login]))
        return Row(
            grant,
            about["patient"] if about else "",
            about["study"] if about else "",
            organization(grant.owner),
            to,
            self._desk.may_end(identity, grant),
            about["id"] if about else "",
        )


def study_shown(study: Mapping[str, Any]) -> dict[str, str]:
    """Return what the lists show of a study."""
    tags, patient = study["MainDicomTags"], study["PatientMainDicomTags"]
    moment = dicom_text.moment(tags.get("StudyDate", ""), tags.get("StudyTime", ""))
    return {
        "id": study["ID"],
        "patient": dicom_text.person_name(patient.get("PatientName", "")),
        "birth_date": dicom_text.date(patient.get("PatientBirthDate", "")),
        "card": patient.get("PatientID", ""),
        "sex": wording.SEXES.get(patient.get("PatientSex", ""), ""),
        "study": " · ".join(filter(None, [moment, tags.get("StudyDescription", "")])),
    }
