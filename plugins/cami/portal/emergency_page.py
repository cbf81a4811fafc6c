"""«Экстренный доступ»: the reason first, then the patient's studies of all МО, for a day (F-50)."""

from collections.abc import Mapping
from datetime import date
from urllib.parse import urlencode

from cami.access import Action, Identity
from cami.access.hygiene import forged
from cami.errors import Denied, Invalid
from cami.portal import grants_wording
from cami.portal.entry import Entry
from cami.portal.forms import fields
from cami.portal.grants_page import study_shown
from cami.portal.navigation import EMERGENCY
from cami.portal.pages import Pages, Reader
from cami.portal.ports import StudyFinder
from cami.sharing import Call, EmergencyDesk, Opened, TooOften
from cami.web import Endpoint, Request, Response, redirect, source_of


class EmergencyPage:
    """Handlers of ``/cami/emergency``."""

    def __init__(self, pages: Pages, desk: EmergencyDesk, studies: StudyFinder) -> None:
        self._pages = pages
        self._desk = desk
        self._studies = studies

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(EMERGENCY, entry.page(Action.GRANTS_EMERGENCY, self.answer))]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the form, or open what there is of the patient. Nothing of it stands in an address."""
        if request.method != "POST":
            return self._form(reader, {}, "")
        if forged(request.method, request.headers):
            return redirect(EMERGENCY)
        given = fields(request)
        try:
            opened = self._desk.take(identity, source_of(request.headers), _call(given))
        except TooOften:
            return self._pages.page("emergency_too_often.html", reader)
        except Invalid as error:
            return self._form(reader, given, grants_wording.refusal(str(error)))
        except Denied:
            return self._pages.page("not_found.html", reader)
        return self._opened(reader, identity, opened)

    def _form(self, reader: Reader, given: Mapping[str, str], error: str) -> Response:
        return self._pages.page("emergency.html", reader, given=given, error=error)

    def _opened(self, reader: Reader, identity: Identity, opened: Opened) -> Response:
        rows = []
        for study_uid, owner in opened.studies:
            body = {"Level": "Study", "Query": {"StudyInstanceUID": study_uid}, "Expand": True}
            for study in self._studies.find(identity, body | {"ResponseContent": ["MainDicomTags"]}):
                viewer = "/ohif/viewer?" + urlencode({"StudyInstanceUIDs": study_uid})
                rows.append({**study_shown(study), "viewer": viewer, "owner": self._pages.organization(owner)})
        return self._pages.page("emergency_opened.html", reader, rows=rows, opened=opened)


def _call(given: Mapping[str, str]) -> Call:
    if given.get("confirmed") != "1":
        raise Invalid("confirm")
    try:
        born = date.fromisoformat(given.get("birth_date", ""))
    except ValueError:
        raise Invalid("the date of birth is missing") from None
    return Call(given.get("number", ""), born, given.get("reason", ""))
