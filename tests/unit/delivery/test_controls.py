"""Who may move a study in the queue, and what the queue tells of itself."""

import json

import pytest

from cami.access import Identity, Role
from cami.delivery.controls import control_endpoints
from cami.delivery.order import Priority
from cami.watch.progress import delivery_progress, waiting_by_class
from cami.web import Request

from .conftest import dicom


class Door:
    """An authenticator that knows one person."""

    def __init__(self, identity):
        self.identity = identity

    def identify(self, _headers):
        return self.identity


@pytest.fixture
def proxy(region):
    made = region.proxy("42001")
    made.archive.store(dicom())
    made.feed.advance()
    return made


def ask(proxy, identity, body, method="POST", what="priority"):
    endpoints = {endpoint.pattern: endpoint for endpoint in control_endpoints(Door(identity), proxy.controls)}
    path = f"/cami/api/delivery/{what}"
    return endpoints[path].handler(Request(method, path, body=json.dumps(body).encode()))


def study_id(proxy):
    return delivery_progress(proxy.engine)[0].study_id


TECHNOLOGIST = Identity("lab", "Л", Role.TECHNOLOGIST, "42001")


def test_a_technologist_makes_a_study_urgent(proxy):
    answer = ask(proxy, TECHNOLOGIST, {"study_id": study_id(proxy), "priority": 0})
    assert answer.status == 200
    assert delivery_progress(proxy.engine)[0].priority == Priority.EMERGENCY
    (waiting,) = waiting_by_class(proxy.engine)
    assert (waiting.priority, waiting.instances, waiting.size) == (0, 1, 10)


@pytest.mark.parametrize(
    ("identity", "status"),
    [
        (None, 401),
        (Identity("x", "x", Role.TECHNOLOGIST, "42002"), 403),
        (Identity("x", "x", Role.CLINICIAN, "42001"), 403),
        (Identity("x", "x", Role.MO_ADMIN, "42001"), 403),
    ],
)
def test_others_may_not(proxy, identity, status):
    assert ask(proxy, identity, {"study_id": study_id(proxy), "priority": 0}).status == status
    assert delivery_progress(proxy.engine)[0].priority == Priority.PLANNED


@pytest.mark.parametrize("body", [[], {}, {"study_id": "s"}, {"study_id": "s", "priority": 9}, {"priority": 1}])
def test_a_broken_request_is_told_so(proxy, body):
    assert ask(proxy, TECHNOLOGIST, body).status == 400


def test_an_unknown_study_is_told_so(proxy):
    assert ask(proxy, TECHNOLOGIST, {"study_id": "unknown", "priority": 1}).status == 404


def test_only_post_changes(proxy):
    assert ask(proxy, TECHNOLOGIST, {}, method="GET").status == 405


def test_what_is_delivered_does_not_wait(proxy):
    proxy.work(3)
    assert waiting_by_class(proxy.engine) == []
