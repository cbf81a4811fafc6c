"""«Сотрудники»: finding people, adding them, changing roles, blocking, helping those who cannot get in."""

from collections.abc import Callable, Mapping

from cami.access import Action, Identity
from cami.access.hygiene import forged
from cami.errors import Conflict, Denied, Invalid, NotFound
from cami.people import Administration, Person, Place, Role
from cami.people.authenticator import by_program
from cami.people.oversight import roles_for
from cami.people.places import OF_A_MO
from cami.portal import people_wording, wording
from cami.portal.entry import Entry, PageHandler
from cami.portal.forms import fields
from cami.portal.navigation import PEOPLE
from cami.portal.pages import Pages, Reader
from cami.portal.visitors import client_of
from cami.region import Region
from cami.web import Endpoint, Request, Response, redirect

_LOGIN = "([a-z0-9][a-z0-9._@-]{0,63})"
_MOST = 500
_EMPTY = {"login": "", "name": "", "role": "", "mo": ""}


class PeoplePage:
    """Handlers of ``/cami/people``."""

    def __init__(self, pages: Pages, administration: Administration, region: Region) -> None:
        self._pages = pages
        self._service = administration
        self._organizations = [(each.code, each.short_name) for each in region.organizations]
        acts = administration
        self._acts: Mapping[str, tuple[str, Callable[[Identity, str, str], None]]] = {
            "block": ("blocked", acts.block),
            "unblock": ("unblocked", acts.unblock),
            "unlock": ("unlocked", acts.unlock),
            "end": ("signed-out", acts.end_sessions),
            "factor-off": ("factor-off", acts.factor_off),
        }

    def endpoints(self, entry: Entry) -> list[Endpoint]:
        """Return what has to be registered."""
        manage = Action.PEOPLE_MANAGE
        return [
            Endpoint(PEOPLE, entry.page(manage, self._for_people(self.list))),
            Endpoint(f"{PEOPLE}/new", entry.page(manage, self._for_people(self.new))),
            Endpoint(f"{PEOPLE}/place", entry.page(manage, self._for_people(self.take_in))),
            Endpoint(f"{PEOPLE}/of/{_LOGIN}", entry.page(manage, self._for_people(self.person))),
        ]

    def _for_people(self, handler: PageHandler) -> PageHandler:
        """Keep out programs that come by a password of their own: it stands in for no second factor."""

        def answer(request: Request, reader: Reader, identity: Identity) -> Response:
            if by_program(request.headers):
                return self._pages.page("not_found.html", reader)
            return handler(request, reader, identity)

        return answer

    def list(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the people, those that fit the words first."""
        words = " ".join(request.query.get("words", "").split())[:100]
        mo = request.query.get("mo", "")
        found = [
            person
            for person in self._service.people(identity)
            if _fits(person, words) and (not mo or any(place.mo == mo for place in person.places))
        ]
        return self._pages.page(
            "people.html",
            reader,
            people=[self._row(person) for person in found[:_MOST]],
            total=len(found),
            words=words,
            mo=mo,
            organizations=self._organizations if not identity.mo else [],
            own=identity.login,
        )

    def new(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show the form for a new account, or make it."""
        form = fields(request) if request.method == "POST" and not forged(request.method, request.headers) else {}
        error = ""
        if form:
            login, name = form.get("login", ""), form.get("name", "")
            try:
                place = self._place(identity, form)
                password = self._service.create(identity, login, name, place, client_of(request).address)
            except (Invalid, Conflict, Denied) as refused:
                error = _not_done(refused)
            else:
                return self._handed_out(reader, login.strip().lower(), name, password, first=True)
        return self._pages.page(
            "person_new.html",
            reader,
            error=error,
            form=_EMPTY | form,
            roles=_named(roles_for(identity)),
            organizations=self._organizations if not identity.mo else [],
        )

    def take_in(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Let somebody of another МО work here too, by the login."""
        form = fields(request) if request.method == "POST" and not forged(request.method, request.headers) else {}
        login, error = form.get("login", "").strip().lower(), ""
        if form:
            try:
                self._service.add_place(identity, login, self._place(identity, form), client_of(request).address)
            except NotFound:
                error = people_wording.NOT_DONE["absent"]
            except (Invalid, Conflict, Denied) as refused:
                error = _not_done(refused)
            else:
                return redirect(f"{PEOPLE}/of/{login}?done=place-added")
        return self._pages.page(
            "person_place.html",
            reader,
            error=error,
            form=_EMPTY | form,
            roles=_named([role for role in roles_for(identity) if role in OF_A_MO]),
        )

    def person(self, request: Request, reader: Reader, identity: Identity) -> Response:
        """Show one account, or do one thing with it."""
        login = request.groups[0]
        try:
            if request.method == "POST" and not forged(request.method, request.headers):
                return self._done(request, reader, identity)
            notice = people_wording.DONE.get(request.query.get("done", ""), "")
            return self._person(reader, identity, login, notice=notice)
        except NotFound:
            return self._pages.page("not_found.html", reader)

    def _done(self, request: Request, reader: Reader, identity: Identity) -> Response:
        login, form, source = request.groups[0], fields(request), client_of(request).address
        act = form.get("act", "")
        try:
            if act == "reset":
                password = self._service.reset_password(identity, login, source)
                name = self._service.person(identity, login).name
                return self._handed_out(reader, login, name, password, first=False)
            done = self._carry_out(act, identity, login, form, source)
        except (Invalid, Conflict, Denied) as refused:
            return self._person(reader, identity, login, error=_not_done(refused))
        return redirect(f"{PEOPLE}/of/{login}?done={done}")

    def _carry_out(self, act: str, identity: Identity, login: str, form: Mapping[str, str], source: str) -> str:
        if act in self._acts:
            done, carry_out = self._acts[act]
            carry_out(identity, login, source)
            return done
        if act == "rename":
            self._service.rename(identity, login, form.get("name", ""), source)
            return "renamed"
        if act == "role":
            self._service.set_role(identity, login, self._place(identity, form), source)
            return "role"
        if act == "place-add":
            self._service.add_place(identity, login, self._place(identity, form), source)
            return "place-added"
        if act == "place-remove":
            self._service.remove_place(identity, login, form.get("mo", ""), source)
            return "place-removed"
        raise Invalid("denied")

    def _person(self, reader: Reader, identity: Identity, login: str, *, notice: str = "", error: str = "") -> Response:
        person = self._service.person(identity, login)
        roles = roles_for(identity)
        return self._pages.page(
            "person.html",
            reader,
            notice=notice,
            error=error,
            person=person,
            row=self._row(person),
            role=person.own.role,
            home=person.own.mo,
            jobs=people_wording.named_places(self._pages, person.places[1:]),
            removable=[place.mo for place in person.places[1:] if not identity.mo or place.mo == identity.mo],
            roles=_named(roles),
            mo_roles=_named([role for role in roles if role in OF_A_MO]),
            organizations=self._organizations if not identity.mo else [],
            browsers=self._service.browsers(identity, login),
            oneself=identity.login == person.login,
            machine=person.own.role in (Role.MIS, Role.MONITOR),
        )

    def _handed_out(self, reader: Reader, login: str, name: str, password: str, *, first: bool) -> Response:
        return self._pages.page("password_made.html", reader, login=login, name=name, password=password, first=first)

    def _place(self, identity: Identity, form: Mapping[str, str]) -> Place:
        role = form.get("role", "")
        if role not in set(Role):
            raise Invalid("role")
        given = identity.mo or form.get("mo", "")
        return Place(given if Role(role) in OF_A_MO else "", Role(role))

    def _row(self, person: Person) -> Mapping[str, object]:
        return {
            "person": person,
            "places": people_wording.named_places(self._pages, person.places),
            "state": _state(person),
        }


def _(message: str) -> str:
    return message


def _state(person: Person) -> tuple[str, str]:
    """Return how an account stands, in words and as the page marks it."""
    if person.disabled:
        return _("Заблокирована"), "trouble"
    if person.locked:
        return _("Закрыта на время: неверные пароли"), "waiting"
    if person.must_change and not person.provider:
        return _("Ждёт смены пароля"), "waiting"
    return _("Действует"), "done"


def _named(roles: list[Role]) -> list[tuple[str, str]]:
    return [(role, wording.ROLES[role]) for role in roles]


def _fits(person: Person, words: str) -> bool:
    text = f"{person.name} {person.login}".casefold().replace("ё", "е")
    return all(word in text for word in words.casefold().replace("ё", "е").split())


def _not_done(refused: Exception) -> str:
    code = "denied" if isinstance(refused, Denied) else str(refused)
    return people_wording.NOT_DONE.get(code, people_wording.NOT_DONE["denied"])
