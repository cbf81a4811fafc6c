"""Who may do what over HTTP, and how mistakes are told."""

import json
import re
from types import SimpleNamespace

import pytest

from cami.access import Identity, Role
from cami.region import Destination
from cami.routing import RoutingService, Ways, routing_endpoints
from cami.routing.outcomes import Unavailable
from cami.web import Request
from tests.unit.routing.conftest import MO, Way, rule

RULES = rule("{tag: Modality, equals: CT}", "{send_to: rsc}", "КТ")
RSC = Destination.model_validate(
    {"name": "rsc", "title": "РСЦ", "dicom": {"aet": "RSC", "host": "10.0.0.9", "port": 104}}
)


@pytest.fixture
def api(proxy, tmp_path, monkeypatch):
    destination = Way()
    ways = Ways(tmp_path, "PROXY", lambda dicom, syntax: None, None)
    monkeypatch.setattr(ways, "way", lambda _destination: destination)
    service = RoutingService(
        versions=proxy.versions, centre=proxy.centre, forwardings=proxy.forwardings, notices=proxy.notices,
        dry_run=proxy.dry_run,
        destinations=[RSC], ways=ways,
    )  # fmt: skip
    known = SimpleNamespace(person=Identity("adm.42001", "Управлялов", Role.MO_ADMIN, MO))
    endpoints = routing_endpoints(MO, SimpleNamespace(identify=lambda headers: known.person), service)

    def ask(method, path, body=None):
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        for endpoint in endpoints:
            if found := re.fullmatch(endpoint.pattern, "/cami/api/routing" + path):
                answer = endpoint.handler(Request(method, "", body=raw, groups=found.groups()))
                kind = answer.content_type.startswith("application/json")
                return answer.status, json.loads(answer.body) if kind else answer.body.decode()
        raise AssertionError(path)

    return SimpleNamespace(ask=ask, known=known, proxy=proxy, destination=destination, paths=endpoints)


def apply(api, content=RULES, base=0, why="просьба РСЦ"):
    return api.ask("POST", "", {"content": content, "base": base, "why": why})


def test_rules_are_made_looked_at_and_brought_back(api):
    assert apply(api) == (200, {"version": 1})
    assert apply(api, "rules: []", 1) == (200, {"version": 2})
    assert api.ask("POST", "/versions/1/restore", {"base": 2, "why": "вернуть"}) == (200, {"version": 3})
    status, seen = api.ask("GET", "")
    assert (status, seen["version"], seen["content"], seen["trouble"]) == (200, 3, RULES, "")
    assert seen["rules"] == [
        {"name": "КТ", "comment": "", "enabled": True, "when": "Modality equals CT", "then": "send to rsc"}
    ]
    assert [(d["name"], d["kind"], d["address"], d["waiting"]) for d in seen["destinations"]] == [
        ("rsc", "dicom", "RSC@10.0.0.9:104", 0)
    ]
    _, history = api.ask("GET", "/versions")
    assert [(v["version"], v["made_by"], v["restored"]) for v in history["versions"]] == [
        (3, "adm.42001", 1),
        (2, "adm.42001", None),
        (1, "adm.42001", None),
    ]
    _, second = api.ask("GET", "/versions/2")
    assert "+rules: []" in second["changes"]


def test_mistakes_are_told_with_their_lines(api):
    status, answer = apply(api, rule("{tag: Modality}", "{send_to: nowhere}"))
    assert status == 400
    assert [(p["line"], p["place"]) for p in answer["problems"]] == [(3, "rules[0].when"), (4, "rules[0].then.send_to")]
    assert api.ask("POST", "/dry-run", {"content": "rules: x"})[0] == 400
    assert apply(api, base=5)[0] == 400
    assert apply(api, why="")[0] == 400
    for body in (b"", b"[]", b"{", {"content": 1, "why": "x", "base": 0}, {"content": "", "why": "x", "base": True}):
        assert api.ask("POST", "", body)[0] == 400
    assert api.ask("POST", "/dry-run", {"studies": 0})[0] == 400
    assert api.ask("GET", "/versions/9")[0] == 404
    assert api.ask("POST", "/versions/9/restore", {"base": 0, "why": "x"})[0] == 404
    assert api.ask("POST", "/destinations/nowhere/echo")[0] == 404
    assert api.ask("POST", "/destinations/nowhere/cancel")[0] == 404


def test_a_trial_run_of_a_draft_and_of_what_is_in_force(api):
    api.proxy.archive.add("a")
    api.proxy.archive.add("b", study="s2", Modality="MR")
    api.proxy.read()
    _, run = api.ask("POST", "/dry-run", {"content": RULES})
    assert [(study["study_id"], study["destinations"]) for study in run["studies"]] == [("s2", {}), ("s1", {"rsc": 1})]
    (told,) = run["studies"][0]["rules"]
    assert told == {
        "rule": "КТ",
        "by_centre": False,
        "matched": 0,
        "because": [{"condition": "Modality equals CT", "holds": False, "found": "MR"}],
    }
    _, run = api.ask("POST", "/dry-run")
    assert run["studies"][0]["rules"] == []
    assert api.proxy.wanted() == {}


def test_destinations(api):
    apply(api)
    api.proxy.archive.add("a")
    api.proxy.read()
    api.proxy.forwardings.fail(api.proxy.forwardings.take("rsc"), "refused", "0xC000")
    _, seen = api.ask("GET", "")
    (rsc,) = seen["destinations"]
    assert (rsc["waiting"], rsc["failed"], rsc["refused"], rsc["reason"], rsc["detail"]) == (
        0,
        1,
        {"refused": 1},
        "refused",
        "0xC000",
    )
    assert api.ask("POST", "/destinations/rsc/resend") == (200, {"resent": 1})
    assert api.ask("POST", "/destinations/rsc/echo") == (200, {"answers": True, "reason": "", "detail": ""})
    api.destination.faults = [Unavailable("rejected", "called ae title not recognised")]
    _, greeting = api.ask("POST", "/destinations/rsc/echo")
    assert (greeting["answers"], greeting["reason"]) == (False, "rejected")
    assert api.ask("POST", "/destinations/rsc/cancel") == (200, {"cancelled": 1})


@pytest.mark.parametrize("role", list(Role))
def test_who_may(api, role):
    api.known.person = Identity("x", "X", role, MO)
    reads = api.ask("GET", "")[0] == 200
    changes = apply(api)[0] == 200
    assert reads is (role in (Role.MO_ADMIN, Role.TECHNOLOGIST))
    assert changes is (role is Role.MO_ADMIN)


def test_strangers_and_people_of_another_organization_learn_nothing(api):
    paths = ["", "/versions", "/versions/1", "/versions/1/restore", "/dry-run", "/destinations/rsc/echo"]
    assert len(api.paths) == len(paths) + 2
    for person, status in ((None, 401), (Identity("x", "X", Role.MO_ADMIN, "42002"), 403)):
        api.known.person = person
        for path in paths:
            for method in ("GET", "POST", "PUT", "DELETE"):
                assert api.ask(method, path)[0] == status
    api.known.person = Identity("x", "X", Role.MO_ADMIN, MO)
    assert api.ask("PUT", "")[0] == 405
