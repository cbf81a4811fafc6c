"""Whose request it is, behind the gateway and without one."""

import threading

import pytest

from cami.access import Gateway
from cami.edge.sources import Sources
from cami.web import certificate_of, source_of

TOKEN = "t" * 40


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "gateway.token").write_text(TOKEN)
    return Sources(Gateway(tmp_path / "gateway.token"))


def test_only_the_gateway_is_believed(sources):
    claims = {"host": "cami", "x-real-ip": "10.1.2.3", "x-forwarded-for": "10.6.6.6", "x-cami-source": "10.7.7.7"}
    claims |= {"x-cami-certificate": "0" * 64, "x-client-cert-verify": "SUCCESS"}
    assert source_of(sources.seen("127.0.0.1", claims)) == "127.0.0.1"
    assert certificate_of(sources.marked(claims)) == ""
    assert source_of(sources.seen("127.0.0.1", claims | {"x-cami-gateway": TOKEN})) == "10.1.2.3"


def test_filter_and_handler_agree_and_neither_sees_claims(sources):
    sent = {"host": "cami", "x-real-ip": "10.1.2.3", "x-cami-gateway": TOKEN, "x-cami-source": "10.7.7.7"}
    seen = sources.seen("127.0.0.1", sent)
    assert seen == sources.marked(sent) == {"host": "cami", "x-cami-source": "10.1.2.3", "x-cami-certificate": ""}


def test_each_thread_has_its_own(sources):
    sources.seen("10.1.2.3", {"host": "cami"})
    seen = []
    other = threading.Thread(target=lambda: seen.append(source_of(sources.marked({"x-cami-source": "10.6.6.6"}))))
    other.start()
    other.join()
    assert seen == [""]


def test_a_call_of_orthancs_own_stays_one(sources):
    assert sources.seen("", {}) == {}
    assert sources.marked({}) == {}
