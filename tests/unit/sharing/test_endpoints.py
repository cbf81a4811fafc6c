"""``/cami/api/grants``: the same desk for programs."""

import json
import re
from datetime import timedelta

import pytest

from cami.access import Identity, Role
from cami.clock import iso
from cami.sharing import grant_endpoints
from cami.web import Request
from tests.unit.sharing.conftest import ADM2, OPER, RAD1, RAD2

ROOT = Identity("root", "", Role.REGION_ADMIN, "")


@pytest.fixture
def ask(desk, mirror):
    who = {}

    class Whoever:
        def identify(self, _headers):
            return who["is"]

    endpoints = grant_endpoints(Whoever(), desk, mirror)

    def ask(person, method, path="", body=None, **query):
        who["is"] = person
        whole = "/cami/api/grants" + path
        for endpoint in endpoints:
            if found := re.fullmatch(endpoint.pattern, whole):
                content = b"" if body is None else json.dumps(body).encode()
                answer = endpoint.handler(Request(method, whole, {}, query, content, found.groups()))
                text = answer.body.decode()
                return answer.status, json.loads(text) if text.startswith("{") else text
        raise AssertionError(path)

    return ask


@pytest.fixture
def wish(first, clock):
    return {
        "study_uid": first.uid,
        "mo": "42002",
        "reason": "второе мнение",
        "until": iso(clock.now() + timedelta(days=2)),
    }


def test_giving_listing_and_ending(ask, owners, first, wish):
    status, given = ask(RAD1, "POST", body=wish)
    assert status == 200
    assert owners.visible(RAD2, [first.id]) == {first.id}
    for person, direction in ((RAD1, "given"), (RAD2, "received"), (ADM2, "received")):
        _, listed = ask(person, "GET", direction=direction)
        assert [grant["number"] for grant in listed["grants"]] == [given["number"]], person.login
    assert ask(RAD2, "GET")[1]["total"] == 0, "42002 has given nothing"
    assert ask(RAD1, "POST", f"/{given['number']}/end", {"reason": "больше не нужно"})[0] == 200
    assert ask(RAD1, "GET")[1]["total"] == 0
    assert ask(RAD1, "GET", ended="true")[1]["grants"][0]["ended_why"] == "больше не нужно"


def test_what_is_wrong_is_said_and_what_is_foreign_is_not_there(ask, wish, second):
    assert ask(None, "GET")[0] == 401
    assert ask(OPER, "GET")[0] == 403
    assert ask(RAD1, "PUT")[0] == 405
    assert ask(RAD1, "POST", body=["x"])[0] == 400
    for wrong in ({"until": "завтра"}, {"until": "2026-02-01"}, {"study_uid": "x"}, {"reason": ""}, {"mo": 7}):
        assert ask(RAD1, "POST", body=wish | wrong)[0] == 400, wrong
    for uid in (second.uid, "9.9.9"):
        assert ask(RAD1, "POST", body=wish | {"study_uid": uid}) == (404, "no such study")
    assert ask(RAD2, "POST", "/999999/end", {"reason": "не моё"}) == (404, "no such grant")
    assert ask(RAD1, "GET", limit="-1")[0] == 400


def test_labels_are_compared_and_put_right_by_the_region_administrator(ask, archive, first):
    archive.put_label(first.id, "grant-77")
    assert ask(RAD1, "GET", "/labels")[0] == 403
    told = {"missing": [], "surplus": [{"study_id": first.id, "label": "grant-77"}]}
    assert ask(ROOT, "GET", "/labels") == (200, told)
    assert ask(ROOT, "POST", "/labels", {}) == (200, told)
    assert ask(ROOT, "GET", "/labels") == (200, {"missing": [], "surplus": []})
    assert ask(ROOT, "DELETE", "/labels")[0] == 405
