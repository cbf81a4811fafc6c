"""The pages for signing in and out, and ``/cami/whoami``."""

from cami.access import COOKIE, Reason, Sessions, SignedIn, SignIn
from cami.access.hygiene import forged
from cami.portal import local_path, wording
from cami.portal.forms import fields
from cami.portal.pages import Pages, Reader
from cami.portal.ports import Identifier
from cami.portal.search import forget_search
from cami.portal.texts import language_cookie, language_of
from cami.web import Endpoint, Request, Response, answer_json, redirect


def _(message: str) -> str:
    return message


#: The form was not sent by our page, or cookies and forms are mangled on the way.
_FOREIGN_FORM = _("Форма пришла не с этой страницы. Откройте страницу входа заново.")


class SignInPages:
    """Handlers of sign-in and sign-out."""

    def __init__(
        self, pages: Pages, who: Identifier, service: SignIn, sessions: Sessions, *, cookie_secure: bool
    ) -> None:
        self._pages = pages
        self._who = who
        self._service = service
        self._sessions = sessions
        self._flags = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if cookie_secure else "")

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
        return self._form(request, wanted)

    def logout(self, request: Request) -> Response:
        """Close the session. Only by a form of ours: nobody else's page signs people out."""
        answer = redirect(local_path.LOGIN)
        if request.method == "POST" and not forged(request.method, request.headers):
            token = request.cookie(COOKIE)
            if token:
                self._sessions.close(token)
            answer.headers.append(("Set-Cookie", f"{COOKIE}={self._flags}; Max-Age=0"))
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
        outcome = self._service.sign_in(login, password)
        if not isinstance(outcome, SignedIn):
            error = wording.REFUSALS.get(outcome.reason, wording.REFUSALS[Reason.WRONG])
            return self._form(request, wanted, login=login, error=error)
        answer = redirect(wanted)
        answer.headers += [
            ("Set-Cookie", f"{COOKIE}={outcome.token}{self._flags}"),
            ("Set-Cookie", language_cookie(language_of(request))),
            ("Set-Cookie", forget_search()),
        ]
        return answer

    def _form(self, request: Request, wanted: str, *, login: str = "", error: str = "") -> Response:
        reader = Reader(language_of(request), address=local_path.sign_in_then(wanted))
        return self._pages.page("login.html", reader, wanted=wanted, login=login, error=error)
