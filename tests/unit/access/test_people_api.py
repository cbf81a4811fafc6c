"""Accounts as JSON: who may, what comes back, what is said when it does not."""

import json

import pytest

from cami.access.people_api import PeopleApi
from cami.people import PeopleServices
from cami.people.program_passwords import ProgramPasswords
from cami.web import Request
from tests.unit.people.conftest import PASSWORD, basic, easy  # noqa: F401 - a fixture

# ruff: noqa: F811 - fixtures by name


@pytest.fixture
def api(easy):
    services = PeopleServices(
        accounts=easy.accounts, sessions=easy.sessions, authenticator=easy.authenticator, sign_in=easy.sign_in,
        factor=easy.factor, programs=ProgramPasswords(easy.engine, easy.clock), administration=easy.administration,
        copies=None,
    )  # fmt: skip
    return PeopleApi(services)


def ask(api, who, method="GET", login="", **asked):
    headers = basic(who) if who else {"host": "cami"}
    groups = (login,) if login else ()
    request = Request(method, "/", headers, {}, json.dumps(asked).encode(), groups)
    answer = (api.person if login else api.people)(request)
    return answer.status, json.loads(answer.body) if answer.status == 200 else answer.body.decode()


def test_the_list_and_a_person(api):
    status, found = ask(api, "adm1")
    assert status == 200
    assert {each["login"] for each in found["people"]} == {"rad1", "clin1", "tech1", "adm1"}
    assert "hash" not in json.dumps(found)
    status, person = ask(api, "adm1", login="rad1")
    assert (person["places"], person["disabled"]) == ([{"mo": "42001", "role": "radiologist"}], False)


def test_somebody_is_made_and_changed(api, easy):
    asked = {"login": "new", "name": "Имя", "role": "clinician"}
    made = json.loads(api.people(Request("POST", "/", basic("adm1"), {}, json.dumps(asked).encode())).body)
    assert easy.sign_in.sign_in("new", made["password"]).identity.mo == "42001"
    for asked in (
        {"act": "block"},
        {"act": "unblock"},
        {"act": "unlock"},
        {"act": "end-sessions"},
        {"act": "factor-off"},
        {"act": "rename", "name": "Иное"},
        {"act": "role", "role": "technologist"},
    ):
        status, person = ask(api, "adm1", "POST", "new", **asked)
        assert status == 200, asked
    assert (person["name"], person["places"]) == ("Иное", [{"mo": "42001", "role": "technologist"}])
    status, made = ask(api, "adm1", "POST", "new", act="reset-password")
    assert len(made["password"]) == 19
    for asked in ({"act": "add-place", "role": "clinician", "mo": "42002"}, {"act": "remove-place", "mo": "42002"}):
        assert ask(api, "root", "POST", "new", **asked)[0] == 200


@pytest.mark.parametrize(
    ("who", "login", "asked", "status"),
    [
        ("", "rad1", {"act": "block"}, 401),
        ("rad1", "clin1", {"act": "block"}, 403),
        ("oper", "clin1", {"act": "block"}, 403),
        ("adm1", "rad2", {"act": "block"}, 404),
        ("adm1", "adm1", {"act": "block"}, 403),
        ("root", "aud", {"act": "reset-password"}, 403),
        ("adm1", "rad1", {"act": "what"}, 400),
        ("adm1", "rad1", {"act": 1}, 400),
        ("adm1", "rad1", {"act": "role", "role": "king"}, 400),
        ("adm1", "rad1", {"act": "role", "role": "auditor"}, 400),
        ("adm1", "rad1", {"act": "rename"}, 400),
    ],
)
def test_what_is_refused(api, easy, who, login, asked, status):  # noqa: PLR0917
    before = easy.accounts.row(login)
    assert ask(api, who, "POST", login, **asked)[0] == status
    assert easy.accounts.row(login) == before


def test_methods_and_bodies(api):
    assert ask(api, "adm1", "DELETE")[0] == 405
    assert api.people(Request("POST", "/", basic("adm1"), {}, b"\xff")).status == 400
    assert api.people(Request("POST", "/", basic("adm1"), {}, b"[]")).status == 400


def test_the_own_sessions(api, easy):
    easy.sign_in.sign_in("rad1", PASSWORD)
    found = json.loads(api.sessions(Request("GET", "/", basic("rad1"))).body)
    assert len(found["sessions"]) == 1
    assert json.loads(api.sessions(Request("DELETE", "/", basic("rad1"))).body) == {"sessions": []}
    assert api.sessions(Request("GET", "/", {"host": "cami"})).status == 401
    assert api.sessions(Request("PUT", "/", basic("rad1"))).status == 405


def test_a_proxy_manages_nobody(api):
    assert [each.pattern for each in api.endpoints(central=False)] == ["/cami/api/sessions"]
