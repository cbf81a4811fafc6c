"""«Удаление»: studies that are to be deleted, who has confirmed, and what was deleted (F-56)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cami.access import Action, Identity, Role, allowed
from cami.access.hygiene import forged
from cami.errors import Conflict, Denied, Invalid, NotFound
from cami.portal import removal_wording
from cami.portal.entry import Entry
from cami.portal.forms import fields
from cami.portal.grants_page import study_shown
from cami.portal.navigation import REMOVALS
from cami.portal.pages import Pages, Reader
from cami.portal.ports import StudyFinder
from cami.removal import OPEN, Removal, Removals, State
from cami.web import Endpoint, Request, Response, redirect

_NUMBER = re.compile(r"[0-9]{1,9}")
_UID = re.compile(r"[0-9.]{1,64}")
_STUDY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")


@dataclass(frozen=True, slots=True)
class Row:
    """A deletion as the page shows it."""

    removal: Removal
    about: Mapping[str, str] | None
    """Patient and study, for those who see them, while the study is there."""
    owner: str
    may_confirm: bool
    waits_for_other: bool
    """This person has confirmed: somebody else must, too."""
    may_withdraw: bool


class RemovalsPage:
    """Handlers of ``/cami/removals``."""

    def __init__(self, pages: Pages, removals: Removals, studies: StudyFinder) -> None:
        self._pages = pages
        self._removals = removals
        self._studies = studies

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(REMOVALS, entry.page(Action.REMOVAL_READ, self.overview)),
            Endpoint(f"{REMOVALS}/new", entry.page(Action.REMOVAL_MARK, self.new)),
            Endpoint(f"{REMOVALS}/(confirm|withdraw)", entry.page(Action.REMOVAL_READ, self.decide)),
        ]

    def overview(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show what waits and what has ended."""
        return self._overview(reader, identity, done=request.query.get("done", ""))

    def new(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show one study and ask why it is to be deleted, or mark it."""
        given = fields(request) if request.method == "POST" else {}
        named = self._named(identity, given or request.query)
        if named is None:
            return self._overview(reader, identity, error=removal_wording.REFUSALS["no such study"])
        if request.method != "POST":
            return self._new(reader, identity, named, {}, "")
        if forged(request.method, request.headers):
            return redirect(REMOVALS)
        try:
            self._removals.mark(identity, named[0], given.get("reason", ""))
        except (Invalid, Conflict, NotFound) as error:
            return self._new(reader, identity, named, given, removal_wording.refusal(str(error)))
        return redirect(f"{REMOVALS}?done=marked")

    def decide(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Confirm or take back."""
        given = fields(request)
        if request.method != "POST" or forged(request.method, request.headers):
            return redirect(REMOVALS)
        number = int(given["removal"]) if _NUMBER.fullmatch(given.get("removal", "")) else 0
        try:
            if request.groups[0] == "withdraw":
                self._removals.withdraw(identity, number)
                return redirect(f"{REMOVALS}?done=withdrawn")
            state = self._removals.confirm(identity, number)
        except NotFound:
            return self._pages.page("not_found.html", reader)
        except (Denied, Conflict) as error:
            return self._overview(reader, identity, error=removal_wording.refusal(str(error)))
        return redirect(f"{REMOVALS}?done={'deleting' if state is State.DELETING else 'confirmed'}")

    def _overview(self, reader: Reader, identity: Identity, *, done: str = "", error: str = "") -> Response:
        found = self._removals.listing(identity)
        rows = self._rows(identity, found)
        return self._pages.page(
            "removals.html",
            reader,
            waiting=[row for row in rows if row.removal.state in (*OPEN, State.DELETING)],
            over=[row for row in rows if row.removal.state not in (*OPEN, State.DELETING)],
            marks=allowed(identity.role, Action.REMOVAL_MARK, "central"),
            region=identity.role is Role.REGION_ADMIN,
            done=done,
            error=error,
            words=removal_wording,
        )

    def _new(
        self, reader: Reader, identity: Identity, named: tuple[str, str], given: Mapping[str, str], error: str
    ) -> Response:
        study_id, study_uid = named
        about = self._about(identity, [study_uid]).get(study_uid)
        return self._pages.page(
            "removal_new.html", reader, study=study_id, uid=study_uid, about=about, given=given, error=error
        )

    def _named(self, identity: Identity, given: Mapping[str, str]) -> tuple[str, str] | None:
        """Return the own study that a request names, by Orthanc id as the lists do or by UID as people do."""
        if _STUDY.fullmatch(study := given.get("study", "")):
            return self._removals.own(identity, study_id=study)
        study_uid = given.get("uid", "").strip()
        return self._removals.own(identity, study_uid=study_uid) if _UID.fullmatch(study_uid) else None

    def _rows(self, identity: Identity, found: Sequence[Removal]) -> list[Row]:
        about = self._about(identity, [each.study_uid for each in found if each.state is not State.DELETED])
        return [self._row(identity, each, about.get(each.study_uid)) for each in found]

    def _row(self, identity: Identity, each: Removal, about: Mapping[str, str] | None) -> Row:
        confirms = allowed(identity.role, Action.REMOVAL_CONFIRM, "central") and each.state in OPEN
        region = identity.role is Role.REGION_ADMIN
        side = each.confirmed_by_region if region else each.confirmed_by_mo
        mine = identity.login in (each.confirmed_by_mo, each.confirmed_by_region)
        return Row(
            each,
            about,
            self._pages.organization(each.owner),
            may_confirm=confirms and not side and not mine,
            waits_for_other=confirms and mine,
            may_withdraw=each.state in OPEN,
        )

    def _about(self, identity: Identity, study_uids: Sequence[str]) -> dict[str, Any]:
        """Return what the archive knows of those of the studies that this person sees, by Study Instance UID."""
        if not study_uids or not allowed(identity.role, Action.STUDIES_READ, "central"):
            return {}
        query = {"StudyInstanceUID": "\\".join(sorted(set(study_uids)))}
        body = {"Level": "Study", "Query": query, "Expand": True, "ResponseContent": ["MainDicomTags"]}
        return {
            each["MainDicomTags"]["StudyInstanceUID"]: study_shown(each) for each in self._studies.find(identity, body)
        }
