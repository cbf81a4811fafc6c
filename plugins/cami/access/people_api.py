"""Accounts as JSON, for who looks after them: ``/cami/api/people``; and the own sessions: ``/cami/api/sessions``.

* ``GET /cami/api/people`` → ``{"people": [person]}``; ``POST`` ``{"login", "name", "role", "mo"}`` → ``{"password"}``.
* ``GET /cami/api/people/LOGIN`` → a person; ``POST`` ``{"act":
"block"|"unblock"|"unlock"|"end-sessions"|"factor-off"}``,
  ``{"act": "reset-password"}`` → ``{"password"}``, ``{"act": "rename", "name"}``, ``{"act": "role", "role", "mo"}``,
  ``{"act": "add-place", "role", "mo"}``, ``{"act": "remove-place", "mo"}`` → the person as it is then.
* ``GET /cami/api/sessions`` → ``{"sessions": [session]}``; ``DELETE`` ends all of them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cami.access.policy import allowed
from cami.clock import iso
from cami.errors import Conflict, Denied, Invalid, NotFound
from cami.people import Action, Client, Identity, PeopleServices, Person, Place, Role
from cami.people.authenticator import by_program
from cami.web import Endpoint, Request, Response, answer_json, answer_text, source_of

_LOGIN = "([a-z0-9][a-z0-9._@-]{0,63})"
_Act = Callable[[Identity, str, str], object]


class PeopleApi:
    """Handlers of the two addresses."""

    def __init__(self, people: PeopleServices) -> None:
        self._people = people
        self._service = people.administration
        service = people.administration
        self._acts: Mapping[str, _Act] = {
            "block": service.block,
            "unblock": service.unblock,
            "unlock": service.unlock,
            "end-sessions": service.end_sessions,
            "factor-off": service.factor_off,
            "reset-password": service.reset_password,
        }

    def endpoints(self, *, central: bool) -> list[Endpoint]:
        """Return what has to be registered; accounts are managed at the centre only."""
        found = [Endpoint("/cami/api/sessions", self.sessions)]
        if central:
            found += [
                Endpoint("/cami/api/people", self.people),
                Endpoint(f"/cami/api/people/{_LOGIN}", self.person),
            ]
        return found

    def people(self, request: Request) -> Response:
        """Answer the list, or make an account."""

        def answer(who: Identity) -> Response:
            if request.method == "GET":
                return answer_json({"people": [_shown(person) for person in self._service.people(who)]})
            asked = _document(request)
            place = _place(asked, who)
            password = self._service.create(
                who, _text(asked, "login"), _text(asked, "name"), place, source_of(request.headers)
            )
            return answer_json({"password": password})

        return self._answer(request, ("GET", "POST"), answer)

    def person(self, request: Request) -> Response:
        """Answer one account, or do one thing with it."""
        login = request.groups[0]

        def answer(who: Identity) -> Response:
            done: object = None
            if request.method == "POST":
                done = self._act(who, login, _document(request), source_of(request.headers))
            if isinstance(done, str):
                return answer_json({"password": done})
            return answer_json(_shown(self._service.person(who, login)))

        return self._answer(request, ("GET", "POST"), answer)

    def sessions(self, request: Request) -> Response:
        """Answer the own sessions, or end them all."""
        who = self._people.authenticator.identify(request.headers)
        if who is None:
            return answer_text(401, "sign in first")
        if request.method == "DELETE":
            client = Client(source_of(request.headers))
            self._people.sign_in.sign_out_everywhere(who, client)
        elif request.method != "GET":
            return answer_text(405, "this address answers GET and DELETE only")
        found = self._people.sessions.of(who.login)
        return answer_json(
            {
                "sessions": [
                    {
                        "began_at": iso(each.created_at),
                        "seen_at": iso(each.seen_at),
                        "address": each.address,
                        "browser": each.browser,
                    }
                    for each in found
                ]
            }
        )

    def _act(self, who: Identity, login: str, asked: Mapping[str, Any], source: str) -> object:
        act = _text(asked, "act")
        if act in self._acts:
            return self._acts[act](who, login, source)
        if act == "rename":
            self._service.rename(who, login, _text(asked, "name"), source)
        elif act == "role":
            self._service.set_role(who, login, _place(asked, who), source)
        elif act == "add-place":
            self._service.add_place(who, login, _place(asked, who), source)
        elif act == "remove-place":
            self._service.remove_place(who, login, _text(asked, "mo"), source)
        else:
            raise Invalid("act")
        return None

    def _answer(self, request: Request, methods: tuple[str, ...], answer: Callable[[Identity], Response]) -> Response:
        who = self._people.authenticator.identify(request.headers)
        if who is None:
            return answer_text(401, "sign in first")
        if not allowed(who.role, Action.PEOPLE_MANAGE, "central") or by_program(request.headers):
            return answer_text(403, "this is not yours to do")
        if request.method not in methods:
            return answer_text(405, f"this address answers {' and '.join(methods)} only")
        return _attempted(lambda: answer(who))


def _attempted(answer: Callable[[], Response]) -> Response:
    try:
        return answer()
    except (Invalid, Conflict) as error:
        return answer_text(400, str(error))
    except Denied as error:
        return answer_text(403, str(error))
    except NotFound:
        return answer_text(404, "no such account")


def _shown(person: Person) -> dict[str, Any]:
    return {
        "login": person.login,
        "name": person.name,
        "places": [{"mo": place.mo, "role": place.role} for place in person.places],
        "disabled": person.disabled,
        "locked": person.locked,
        "must_change": person.must_change,
        "factor": person.factor,
        "provider": person.provider,
        "signed_in_at": iso(person.signed_in_at) if person.signed_in_at else None,
        "editable": person.editable,
    }


def _document(request: Request) -> Mapping[str, Any]:
    try:
        document = request.json()
    except ValueError as error:
        raise Invalid("expected JSON") from error
    if not isinstance(document, Mapping):
        raise Invalid("expected a JSON object")
    return document


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str):
        raise Invalid(name)
    return value


def _place(document: Mapping[str, Any], who: Identity) -> Place:
    role = _text(document, "role")
    if role not in set(Role):
        raise Invalid("role")
    return Place(_text(document, "mo") or (who.mo if who.role is Role.MO_ADMIN else ""), Role(role))
