"""«Моя учётная запись»: password, second factor, sessions, passwords of programs, places of work."""

from collections.abc import Callable, Mapping

from cami.access import Identity, Role
from cami.access.hygiene import forged
from cami.errors import Denied, Invalid
from cami.people import PeopleServices, Standing
from cami.people.second_factor import address_of, in_groups
from cami.portal import local_path, people_wording
from cami.portal.entry import Entry
from cami.portal.forms import fields
from cami.portal.navigation import ACCOUNT
from cami.portal.pages import Pages, Reader
from cami.portal.qr import picture
from cami.portal.session_cookie import SessionCookie
from cami.portal.sign_in_steps import ISSUER, check_twice
from cami.portal.visitors import client_of
from cami.region import People
from cami.web import Endpoint, Request, Response, redirect

Act = Callable[[Request, Reader, Identity], Response]


class AccountPage:
    """Handlers of ``/cami/account``. Whoever came by HTTP Basic has no session, and changes nothing here."""

    def __init__(
        self, pages: Pages, people: PeopleServices, rules: People, *, cookie: SessionCookie, central: bool
    ) -> None:
        self._pages = pages
        self._people = people
        self._rules = rules
        self._cookie = cookie
        self._central = central
        self._acts: Mapping[str, Act] = {
            "end": self._end,
            "everywhere": self._everywhere,
            "place": self._place,
            "program": self._program,
            "program-end": self._program_end,
            "codes": self._codes,
            "factor-off": self._factor_off,
        }

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        return [
            Endpoint(ACCOUNT, entry.page(None, self.account)),
            Endpoint(f"{ACCOUNT}/password", entry.page(None, self.password)),
            Endpoint(f"{ACCOUNT}/factor", entry.page(None, self.factor)),
        ]

    def account(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the account, or do one thing with it."""
        if identity.role is Role.GUEST:  # whom the МИС has sent has no account
            return self._pages.page("not_found.html", reader)
        if request.method != "POST":
            done = people_wording.DONE.get(request.query.get("done", ""), "")
            return self._show(request, reader, identity, notice=done)
        act = self._acts.get(fields(request).get("act", ""))
        if act is None or forged(request.method, request.headers):
            return redirect(ACCOUNT)
        try:
            return act(request, reader, identity)
        except Denied:
            return redirect(ACCOUNT)

    def password(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Change the own password."""
        standing = self._standing(request)
        if not self._central or standing is None or standing.provider:
            return redirect(ACCOUNT)
        error = ""
        if request.method == "POST" and not forged(request.method, request.headers):
            form = fields(request)
            error = check_twice(form)
            if not error:
                token = self._cookie.of(request)
                fault = self._people.sign_in.change_password(token, form["present"], form["wanted"], client_of(request))
                if fault is None:
                    return redirect(f"{ACCOUNT}?done=password")
                error = people_wording.fault(fault)
                if self._people.sign_in.standing(token) is None:
                    return redirect(f"{local_path.LOGIN}?refused={fault}")
        return self._pages.page("password.html", reader, error=error, login=identity.login, rules=self._rules.passwords)

    def factor(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Set up a second factor."""
        standing, row = self._standing(request), self._people.accounts.row(identity.login)
        possible = self._central and self._people.factor.possible
        if not possible or standing is None or standing.provider or row is None or row.totp_at is not None:
            return redirect(ACCOUNT)
        error, token = "", self._cookie.of(request)
        try:
            if request.method == "POST" and not forged(request.method, request.headers):
                codes = self._people.sign_in.enrol(token, fields(request).get("code", ""), client_of(request))
                if codes is not None:
                    return self._pages.page("recovery_codes.html", reader, codes=codes, onward=ACCOUNT)
                error = people_wording.WRONG_CODE
            secret = self._people.sign_in.enrolment(token)
        except Denied:
            return redirect(ACCOUNT)
        drawn = picture(address_of(secret, identity.login, ISSUER))
        return self._pages.page("factor.html", reader, error=error, picture=drawn, groups=in_groups(secret))

    def _end(self, request: Request, _reader: Reader, identity: Identity) -> Response:
        self._people.sign_in.end_session(identity, fields(request).get("key", ""), client_of(request))
        return redirect(f"{ACCOUNT}?done=session")

    def _everywhere(self, request: Request, _reader: Reader, identity: Identity) -> Response:
        self._people.sign_in.sign_out_everywhere(identity, client_of(request))
        answer = redirect(f"{local_path.LOGIN}?told=everywhere")
        self._cookie.drop(answer)
        return answer

    def _place(self, request: Request, _reader: Reader, _identity: Identity) -> Response:
        try:
            mo = fields(request).get("mo", "?")
            self._people.sign_in.choose_place(self._cookie.of(request), mo, client_of(request))
        except Invalid:
            return redirect(ACCOUNT)
        return redirect(local_path.HOME)

    def _program(self, request: Request, reader: Reader, identity: Identity) -> Response:
        if not self._central or self._standing(request) is None:
            return redirect(ACCOUNT)
        try:
            made = self._people.programs.make(identity, fields(request).get("name", ""), client_of(request).address)
        except Invalid as error:
            told = people_wording.NOT_DONE["too-many"] if str(error) == "too-many" else _("Напишите, для чего пароль.")
            return self._show(request, reader, identity, error=told)
        return self._show(request, reader, identity, made=made)

    def _program_end(self, request: Request, _reader: Reader, identity: Identity) -> Response:
        self._people.programs.end(identity, fields(request).get("key", ""), client_of(request).address)
        return redirect(f"{ACCOUNT}?done=program")

    def _codes(self, request: Request, reader: Reader, identity: Identity) -> Response:
        token, code = self._cookie.of(request), fields(request).get("code", "")
        codes = self._people.sign_in.renew_codes(token, code, client_of(request))
        if codes is None:
            return self._show(request, reader, identity, error=people_wording.WRONG_CODE)
        return self._pages.page("recovery_codes.html", reader, codes=codes, onward=ACCOUNT)

    def _factor_off(self, request: Request, reader: Reader, identity: Identity) -> Response:
        token, code = self._cookie.of(request), fields(request).get("code", "")
        if not self._people.sign_in.leave_factor(token, code, client_of(request)):
            return self._show(request, reader, identity, error=people_wording.WRONG_CODE)
        return redirect(f"{ACCOUNT}?done=factor-off")

    def _standing(self, request: Request) -> Standing | None:
        return self._people.sign_in.standing(self._cookie.of(request))

    def _show(
        self,
        request: Request,
        reader: Reader,
        identity: Identity,
        *,
        notice: str = "",
        error: str = "",
        made: str = "",
    ) -> Response:
        standing, row = self._standing(request), self._people.accounts.row(identity.login)
        jobs = people_wording.named_places(self._pages, self._people.accounts.places(identity.login))
        return self._pages.page(
            "account.html",
            reader,
            notice=notice,
            error=error,
            made=made,
            login=identity.login,
            here="" if standing is None else standing.key,
            provider=standing is not None and standing.provider,
            browsers=self._people.sessions.of(identity.login),
            jobs=jobs if len(jobs) > 1 and standing is not None else [],
            job=identity.mo,
            factor=row is not None and row.totp_at is not None,
            factor_since=None if row is None else row.totp_at,
            factor_possible=self._people.factor.possible,
            codes_left=self._people.factor.codes_left(identity.login),
            programs=self._people.programs.of(identity.login),
        )


def _(message: str) -> str:
    return message
