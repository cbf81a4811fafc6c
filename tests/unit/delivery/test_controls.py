"""Who may move a study in the queue, and what the queue tells of itself."""

import json
from datetime import timedelta

import pytest

from cami.access import Identity, Role
from cami.delivery.controls import control_endpoints
from cami.delivery.order import Priority
from cami.watch.progress import delivery_progress, queue_totals
from cami.watch.waiting import count_queue
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
    (waiting,) = count_queue(proxy.engine).by_class.values()
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
    queue = count_queue(proxy.engine)
    assert (queue.instances, queue.size, queue.by_class) == (0, 0, {})


def resend(proxy, identity=TECHNOLOGIST):
    return ask(proxy, identity, {"study_id": study_id(proxy)}, what="resend")


def test_what_the_centre_refused_is_sent_again_when_somebody_asks(proxy, region):
    other = region.proxy("42002")
    other.archive.store(dicom(sop="1.1.1.2"))
    other.work(3)  # the study is theirs now
    proxy.work(3)
    assert queue_totals(proxy.engine).quarantined == 1
    assert delivery_progress(proxy.engine)[0].reason == "other-mo-study"
    assert json.loads(resend(proxy).body)["retried"] == 1
    (study,) = delivery_progress(proxy.engine)
    assert (study.queued, study.reason) == (1, "asked")
    proxy.work(3)
    assert queue_totals(proxy.engine).quarantined == 1  # still not ours
    assert len(region.central.files) == 1


def test_what_waits_out_a_failure_is_tried_at_once(proxy):
    item = proxy.queue.take()
    proxy.queue.give_back(item, "digest", timedelta(seconds=4))
    assert proxy.queue.take() is None
    assert json.loads(resend(proxy).body) == {
        "study_id": study_id(proxy), "known": 1, "retried": 1, "compared": 0,
    }  # fmt: skip
    again = proxy.queue.take()
    assert (again.instance_id, again.attempts) == (item.instance_id, 0)


def test_a_confirmed_study_is_compared_and_only_what_is_missing_is_sent(proxy, region):
    proxy.archive.store(dicom(sop="1.1.1.2"))
    proxy.work(3)
    gone, kept = region.central.files
    del region.central.files[gone]
    sent = []
    proxy.line.send, send = (
        lambda dicom, *rest, **named: sent.append(dicom) or send(dicom, *rest, **named),
        proxy.line.send,
    )
    assert json.loads(resend(proxy).body)["compared"] == 2
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 2
    assert sent == [proxy.archive.files[gone]]
    assert set(region.central.files) == {gone, kept}


def test_a_confirmed_study_that_is_whole_costs_a_manifest_only(proxy):
    proxy.work(3)
    proxy.line.send = None  # not to be called
    resend(proxy)
    assert queue_totals(proxy.engine).stored == 1
    proxy.work(3)
    assert queue_totals(proxy.engine).confirmed == 1


@pytest.mark.parametrize(
    ("identity", "status"),
    [
        (None, 401),
        (Identity("x", "x", Role.TECHNOLOGIST, "42002"), 403),
        (Identity("x", "x", Role.RADIOLOGIST, "42001"), 403),
        (Identity("x", "x", Role.MO_ADMIN, "42001"), 200),
    ],
)
def test_sending_again_is_for_those_who_look_after_it(proxy, identity, status):
    assert resend(proxy, identity).status == status


@pytest.mark.parametrize(("body", "status"), [([], 400), ({}, 400), ({"study_id": "unknown"}, 404)])
def test_a_broken_request_to_send_again_is_told_so(proxy, body, status):
    assert ask(proxy, TECHNOLOGIST, body, what="resend").status == status
