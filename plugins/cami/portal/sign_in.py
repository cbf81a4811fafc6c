"""The pages for signing in and out, and ``/cami/whoami``."""

from cami.access.hygiene import forged
from cami.people import Reason, SignedIn, SignIn
from cami.portal import local_path, wording
from cami.portal.forms import fields
from cami.portal.pages import Pages, Reader
from cami.portal.ports import Identifier
from cami.portal.search import forget_search
from cami.portal.session_cookie import SessionCookie
from cami.portal.texts import language_cookie, language_of
from cami.portal.visitors import client_of
from cami.web import Endpoint, Request, Response, answer_json, redirect


def _(message: str) -> str:
    return message


#: The form was not sent by our page, or cookies and forms are mangled on the way.
_FOREIGN_FORM = _("Форма пришла не с этой страницы. Откройте страницу входа заново.")
#: What the page says above the form, by the code in its address.
_NOTICES = {
    "out": _("Вы вышли. Закройте окно, если за компьютером работают другие."),
    "everywhere": _("Вы вышли на всех устройствах."),
    "changed": _("Пароль изменён. Войдите с новым паролем."),
}


class SignInPages:
    """Handlers of sign-in and sign-out."""

    def __init__(
        self, pages: Pages, who: Identifier, service: SignIn, *, cookie: SessionCookie, provider: str = ""
    ) -> None:
        """Make them; `provider` is what stands on the button of an identity provider."""
        self._pages = pages
        self._who = who
        self._service = service
        self._cookie = cookie
        self._provider = provider

    def endpoints(self) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(r"/cami/login", self.login),
            Endpoint(r"/cami/logout", self.logout),
            Endpoint(r"/cami/whoami", self.whoami),
        ]

    def login(self, request: Request) -> Response:
        """Show the form, or check what was filled in."""
        if request.method == "POST":
            return self._check(request)
        wanted = local_path.safe(request.query.get("next", local_path.HOME))
        language = request.query.get("language")
        if language in ("ru", "en"):
            answer = redirect(local_path.sign_in_then(wanted))
            answer.headers.append(("Set-Cookie", language_cookie("en" if language == "en" else "ru")))
            return answer
        if self._who.identify(request.headers) is not None:
            return redirect(wanted)
        standing = self._service.standing(self._cookie.of(request))
        if standing is not None and standing.step is not None and "again" not in request.query:
            return redirect(local_path.step_then(wanted))
        refusal = _refusal(request.query.get("refused", ""))
        return self._form(request, wanted, error=refusal, notice=_NOTICES.get(request.query.get("told", ""), ""))

    def logout(self, request: Request) -> Response:
        """Close the session. Only by a form of ours: nobody else's page signs people out."""
        if request.method != "POST" or forged(request.method, request.headers):
            return redirect(local_path.LOGIN)
        told = "out"
        if token := self._cookie.of(request):
            standing = self._service.standing(token)
            told = "provider" if standing is not None and standing.provider and self._provider else told
            self._service.sign_out(token)
        answer = redirect(f"{local_path.LOGIN}?told={told}")
        self._cookie.drop(answer)
        answer.headers.append(("Set-Cookie", forget_search()))
        return answer

    def whoami(self, request: Request) -> Response:
        """Answer who is signed in, for the viewer; ``{"login": null}`` for a stranger."""
        identity = self._who.identify(request.headers)
        if identity is None:
            return answer_json({"login": None})
        return answer_json(
            {"login": identity.login, "name": identity.name, "role": identity.role, "mo": identity.mo}
        )  # fmt: skip

    def _check(self, request: Request) -> Response:
        form = fields(request)
        wanted = local_path.safe(form.get("next", local_path.HOME))
        login = form.get("login", "").strip()
        if forged(request.method, request.headers):
            return self._form(request, wanted, error=_FOREIGN_FORM)
        password = form.get("password", "")
        if not login or not password:
            return self._form(request, wanted, login=login, error=_("Введите логин и пароль."))
        outcome = self._service.sign_in(login, password, client_of(request))
        if not isinstance(outcome, SignedIn):
            error = wording.REFUSALS.get(outcome.reason, wording.REFUSALS[Reason.WRONG])
            return self._form(request, wanted, login=login, error=error)
        answer = redirect(wanted if outcome.step is None else local_path.step_then(wanted))
        self._cookie.put(answer, outcome.token)
        answer.headers += [
            ("Set-Cookie", language_cookie(language_of(request))),
            ("Set-Cookie", forget_search()),
        ]
        return answer

    def _form(self, request: Request, wanted: str, *, login: str = "", error: str = "", notice: str = "") -> Response:
        reader = Reader(language_of(request), address=local_path.sign_in_then(wanted))
        return self._pages.page(
            "login.html",
            reader,
            wanted=wanted,
            login=login,
            error=error,
            notice=notice,
            provider=self._provider,
            provider_out=request.query.get("told") == "provider",
        )


def _refusal(code: str) -> str:
    return wording.REFUSALS[Reason(code)] if code in set(Reason) else ""
