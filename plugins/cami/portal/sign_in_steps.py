"""What stands between the password and the portal: a code, a new password, a second factor to set up, a place."""

from collections.abc import Callable, Mapping
from typing import Any

from cami.access.hygiene import forged
from cami.errors import Denied, Invalid
from cami.people import PeopleServices, Standing, Step
from cami.people.second_factor import address_of, in_groups
from cami.portal import local_path, people_wording, wording
from cami.portal.forms import fields
from cami.portal.pages import Pages, Reader
from cami.portal.qr import picture
from cami.portal.session_cookie import SessionCookie
from cami.portal.texts import language_of
from cami.portal.visitors import client_of
from cami.region import People
from cami.web import Endpoint, Request, Response, redirect


def _(message: str) -> str:
    return message


#: What authenticator apps show beside the code.
ISSUER = "ЦАМИ Кузбасса"


class SignInSteps:
    """Handlers of ``/cami/login/step``."""

    def __init__(self, pages: Pages, people: PeopleServices, rules: People, *, cookie: SessionCookie) -> None:
        self._pages = pages
        self._people = people
        self._rules = rules
        self._cookie = cookie
        self._takes: Mapping[Step, Callable[[Request, Standing, str], Response]] = {
            Step.CODE: self._code,
            Step.PASSWORD: self._password,
            Step.ENROL: self._enrol,
            Step.PLACE: self._place,
        }

    def endpoints(self) -> list[Endpoint]:
        """Return what has to be registered."""
        return [Endpoint(local_path.STEP, self.step)]

    def step(self, request: Request) -> Response:
        """Show the step that is next, or take what was filled in."""
        form = fields(request) if request.method == "POST" else {}
        wanted = local_path.safe(form.get("next") or request.query.get("next", local_path.HOME))
        standing = self._people.sign_in.standing(self._cookie.of(request))
        if standing is None:
            return redirect(local_path.sign_in_then(wanted))
        if standing.step is None:
            return redirect(wanted)
        if request.method != "POST" or forged(request.method, request.headers):
            return self._show(request, standing, wanted)
        if form.get("step") != standing.step:  # another window was faster
            return redirect(local_path.step_then(wanted))
        try:
            return self._takes[standing.step](request, standing, wanted)
        except Denied:
            return redirect(local_path.sign_in_then(wanted))

    def _code(self, request: Request, standing: Standing, wanted: str) -> Response:
        token = self._cookie.of(request)
        refusal = self._people.sign_in.show_code(token, fields(request).get("code", ""), client_of(request))
        if refusal is None:
            return redirect(local_path.step_then(wanted))
        if self._people.sign_in.standing(token) is None:
            return redirect(f"{local_path.LOGIN}?refused={refusal.reason}")
        return self._show(request, standing, wanted, error=wording.REFUSALS[refusal.reason])

    def _password(self, request: Request, standing: Standing, wanted: str) -> Response:
        form = fields(request)
        error = check_twice(form)
        if not error:
            token = self._cookie.of(request)
            fault = self._people.sign_in.change_password(
                token, form.get("present", ""), form.get("wanted", ""), client_of(request)
            )
            if fault is None:
                return redirect(local_path.step_then(wanted))
            if self._people.sign_in.standing(token) is None:
                return redirect(f"{local_path.LOGIN}?refused={fault}")
            error = people_wording.fault(fault)
        return self._show(request, standing, wanted, error=error)

    def _enrol(self, request: Request, standing: Standing, wanted: str) -> Response:
        code = fields(request).get("code", "")
        codes = self._people.sign_in.enrol(self._cookie.of(request), code, client_of(request))
        if codes is None:
            return self._show(request, standing, wanted, error=people_wording.WRONG_CODE)
        return self._page(request, "recovery_codes.html", wanted, codes=codes, onward=local_path.step_then(wanted))

    def _place(self, request: Request, standing: Standing, wanted: str) -> Response:
        try:
            mo = fields(request).get("mo", "?")
            self._people.sign_in.choose_place(self._cookie.of(request), mo, client_of(request))
        except Invalid:
            return self._show(request, standing, wanted, error=_("Выберите одно из мест работы."))
        return redirect(local_path.step_then(wanted))

    def _show(self, request: Request, standing: Standing, wanted: str, error: str = "") -> Response:
        login = standing.identity.login
        if standing.step is Step.CODE:
            left = self._people.factor.codes_left(login)
            return self._page(request, "step_code.html", wanted, error=error, codes_left=left)
        if standing.step is Step.PASSWORD:
            return self._page(
                request, "step_password.html", wanted, error=error, login=login, rules=self._rules.passwords
            )
        if standing.step is Step.ENROL:
            secret = self._people.sign_in.enrolment(self._cookie.of(request))
            return self._page(
                request,
                "step_enrol.html",
                wanted,
                error=error,
                picture=picture(address_of(secret, login, ISSUER)),
                groups=in_groups(secret),
            )
        jobs = people_wording.named_places(self._pages, self._people.accounts.places(login))
        return self._page(request, "step_place.html", wanted, error=error, jobs=jobs)

    def _page(self, request: Request, template: str, wanted: str, **values: Any) -> Response:
        reader = Reader(language_of(request), address=local_path.step_then(wanted))
        return self._pages.page(template, reader, wanted=wanted, **values)


def check_twice(form: Mapping[str, str]) -> str:
    """Return what is wrong with a form for a new password before anything is looked at; nothing if it is filled in."""
    if not form.get("present") or not form.get("wanted"):
        return _("Заполните все поля.")
    return "" if form["wanted"] == form.get("again") else _("Новый пароль и его повтор не совпадают.")
