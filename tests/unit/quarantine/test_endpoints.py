"""``/cami/api/quarantine``."""

import json
import re
from types import SimpleNamespace

import pytest

from cami.quarantine import quarantine_endpoints
from cami.web import Request
from tests.unit.delivery.images import slice_of

from .conftest import DOCTOR, MO, MO_ADMIN, OPERATOR, TECHNOLOGIST
from .test_desk import claim_by_another


@pytest.fixture
def ask(world):
    who = SimpleNamespace(identity=TECHNOLOGIST)
    authenticator = SimpleNamespace(identify=lambda headers: who.identity)
    endpoints = quarantine_endpoints(authenticator, world.at_proxy.desk)

    def call(method, path, document=None, *, identity=TECHNOLOGIST):
        who.identity = identity
        body = b"" if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
        for endpoint in endpoints:
            match = re.fullmatch(endpoint.pattern, path)
            if match:
                answer = endpoint.handler(Request(method, path, body=body, groups=match.groups()))
                return answer.status, json.loads(answer.body) if answer.status == 200 else answer.body.decode()
        raise AssertionError(f"no endpoint for {path}")

    claim_by_another(world, sop="1.2.3.9.9")
    world.send(slice_of())
    return call


def test_a_list_names_patients_to_those_who_treat_them(ask):
    status, answer = ask("GET", "/cami/api/quarantine")
    assert status == 200
    (group,) = answer["groups"]
    assert group["patient_name"] == "Ivanov^Petr"
    assert (group["cause"], group["entries"], group["device"], group["modality"]) == (
        "other-mo-study", 1, "CT42001", "CT",
    )  # fmt: skip
    _, answer = ask("GET", "/cami/api/quarantine", identity=MO_ADMIN)
    assert "Ivanov" not in json.dumps(answer)
    assert answer["groups"][0]["entries"] == 1


@pytest.mark.parametrize("path", ["", "/decisions", "/decide", "/" + "0" * 32 + "/1"])
def test_strangers_and_other_roles(ask, path):
    method = "POST" if path == "/decide" else "GET"
    document = {"group": "0" * 32, "action": "reject", "reason": "why"}
    assert ask(method, "/cami/api/quarantine" + path, document, identity=None)[0] == 401
    assert ask(method, "/cami/api/quarantine" + path, document, identity=DOCTOR)[0] == 403
    assert ask("PUT", "/cami/api/quarantine" + path)[0] == 405


def test_a_decision_is_recorded_and_listed(ask, world):
    group = ask("GET", "/cami/api/quarantine")[1]["groups"][0]["group"]
    assert ask("GET", f"/cami/api/quarantine/{group}/1")[1]["stored"] is False
    assert ask("GET", f"/cami/api/quarantine/{group}/2")[0] == 404
    status, answer = ask(
        "POST", "/cami/api/quarantine/decide", {"group": group, "action": "link", "target": "new", "reason": "клон"}
    )
    assert (status, answer) == (200, {"decided": 1})
    assert world.at_proxy.woken == 1
    (decision,) = ask("GET", "/cami/api/quarantine/decisions")[1]["decisions"]
    assert (decision["login"], decision["reason"], decision["outcome"]) == ("lab.42001", "клон", None)
    world.at_proxy.carry()
    (decision,) = ask("GET", "/cami/api/quarantine/decisions")[1]["decisions"]
    assert (decision["outcome"], decision["detail"]) == ("done", "linked")


@pytest.mark.parametrize(
    "document",
    [b"", b"no json", [], {"group": "x"}, {"group": "0", "action": "reject", "reason": "w", "number": "1"}],
)
def test_what_is_no_decision(ask, document):
    assert ask("POST", "/cami/api/quarantine/decide", document)[0] == 400


def test_differences_hide_what_they_say_from_those_who_may_not_see(world):
    who = SimpleNamespace(identity=TECHNOLOGIST)
    (*_, entry) = quarantine_endpoints(SimpleNamespace(identify=lambda headers: who.identity), world.at_centre.desk)
    world.deliver(MO, slice_of())
    world.deliver(MO, slice_of(PatientName="Petrov^Ivan"))
    request = Request("GET", "/", groups=(world.at_centre.only().group.id, "1"))
    answer = json.loads(entry.handler(request).body)
    assert answer["same_pixels"] is True
    assert answer["differences"] == [
        {"tag": "(0010,0010)", "keyword": "PatientName", "held": "Petrov^Ivan", "stored": "Ivanov^Petr"}
    ]
    who.identity = OPERATOR
    assert json.loads(entry.handler(request).body)["differences"] == [{"tag": "(0010,0010)", "keyword": "PatientName"}]
