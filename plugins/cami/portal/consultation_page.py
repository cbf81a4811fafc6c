"""One request: shown to who opens it, and changed by who presses something."""

from urllib.parse import urlencode

from cami.access import Action, Identity
from cami.access.hygiene import CSRF_HEADER, forged
from cami.clock import Clock
from cami.consultations.drafts import Incomplete
from cami.consultations.service import Wish
from cami.consultations.states import Command
from cami.consultations.workflow import Taken
from cami.errors import Conflict, Denied, Invalid, NotFound, Transient
from cami.portal import consultation_wording
from cami.portal.consultation_ports import Consulting
from cami.portal.consultation_rows import Rows
from cami.portal.consultation_steps import ConsultationSteps, trouble
from cami.portal.consultation_view import TOLD, ConsultationView, Visit
from cami.portal.entry import Entry
from cami.portal.forms import lists
from cami.portal.navigation import CONSULTATIONS
from cami.portal.pages import Pages, Reader
from cami.web import Endpoint, Request, Response, answer_json, redirect

#: Bytes of a form: an answer of 60,000 Cyrillic letters, six bytes each on the way.
_LARGEST_FORM = 500_000


class ConsultationPage:
    """Handlers of ``/cami/consultations/{number}``."""

    def __init__(self, pages: Pages, consulting: Consulting, rows: Rows, clock: Clock) -> None:
        self._pages = pages
        self._consulting = consulting
        self._view = ConsultationView(pages, consulting, rows, clock)
        self._steps = ConsultationSteps(consulting)
        self._clock = clock

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(f"{CONSULTATIONS}/([0-9]{{1,9}})", entry.page(Action.CONSULTATIONS_READ, self.answer))]

    def answer(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show a request, or do something with it."""
        number = int(request.groups[0])
        try:
            if request.method != "POST":
                return self._view.shown(
                    Visit(request, reader, identity, self._consulting.consultations.find(identity, number))
                )
            if forged(request.method, request.headers):
                return redirect(request.path)
            return self._posted(request, reader, identity, number)
        except NotFound:
            if CSRF_HEADER in request.headers:
                return answer_json({"trouble": self._pages.translate(reader, consultation_wording.TROUBLES["denied"])})
            return self._pages.page("not_found.html", reader)

    def _posted(self, request: Request, reader: Reader, identity: Identity, number: int) -> Response:
        given = lists(request, _LARGEST_FORM)
        if given.get("step") == [Command.TAKE.value]:
            return self._take(request, reader, identity, number)
        visit = Visit(request, reader, identity, self._consulting.consultations.find(identity, number), given)
        step = visit.value("step")
        try:
            self._steps.do(visit, step)
        except Incomplete as error:
            visit.troubles = [consultation_wording.MISSING.get(code, "wrong") for code in error.codes]
        except (Conflict, Denied, Invalid, NotFound, Transient) as error:
            visit.troubles = [trouble(error, step)]
        if step.endswith("autosave"):
            return self._kept(visit)
        if visit.troubles or visit.found:
            return self._again(visit)
        return redirect(f"{request.path}{_after(visit.told or step)}")

    def _take(self, request: Request, reader: Reader, identity: Identity, number: int) -> Response:
        """Take a request, or say who was quicker: then it is not to be seen any more."""
        try:
            self._consulting.consultations.do(identity, number, Wish(Command.TAKE))
        except Taken as error:
            return self._pages.page("consultation_taken.html", reader, person=error.person)
        except (Conflict, Denied):
            return self._pages.page("consultation_taken.html", reader, person="")
        return redirect(request.path)

    def _kept(self, visit: Visit) -> Response:
        """Answer the script that saves what is typed: every word that it shows comes from here."""
        if visit.troubles:
            return answer_json({"trouble": self._pages.translate(visit.reader, visit.troubles[0])})
        draft = self._consulting.answers.draft(visit.case.request.number, visit.identity.login)
        said = self._pages.translate(visit.reader, _("Сохранено"))
        zone = self._pages.zone
        version = visit.case.request.version
        return answer_json(
            {
                "said": f"{said} {self._clock.now().astimezone(zone):%H:%M:%S}",
                "version": version,
                "revision": draft.revision if draft else 0,
            }
        )

    def _again(self, visit: Visit) -> Response:
        """Show the request as it is now, with what went wrong; what was typed is not lost."""
        try:
            visit.case = self._consulting.consultations.find(visit.identity, visit.case.request.number)
        except NotFound:
            return self._pages.page("consultation_taken.html", visit.reader, person="")
        return self._view.shown(visit)


def _(message: str) -> str:
    return message


def _after(step: str) -> str:
    return "?" + urlencode({"done": step}) if step in TOLD else ""
