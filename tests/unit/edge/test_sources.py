"""Whose request it is, behind a reverse proxy and without one."""

import threading

import pytest

from cami.edge.sources import Sources
from cami.web import address_behind, source_of


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "10.6.6.6, 10.1.2.3", "10.1.2.3"),  # what comes first, the client has written
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", "10.6.6.6, <script>", "127.0.0.1"),
        ("10.1.2.3", "127.0.0.1", "10.1.2.3"),  # no proxy of ours: its word counts for nothing
        ("", "10.1.2.3", ""),
    ],
)
def test_only_the_reverse_proxy_of_this_machine_is_believed(peer, forwarded, address):
    assert address_behind(peer, forwarded) == address


def test_filter_and_handler_agree_whatever_the_client_claims():
    sources = Sources()
    sent = {"host": "cami", "x-forwarded-for": "10.1.2.3", "x-cami-source": "127.0.0.1"}
    assert source_of(sources.seen("127.0.0.1", sent)) == "10.1.2.3"
    assert source_of(sources.marked(sent)) == "10.1.2.3"


def test_each_thread_has_its_own():
    sources = Sources()
    sources.seen("127.0.0.1", {"x-forwarded-for": "10.1.2.3"})
    seen = []
    other = threading.Thread(target=lambda: seen.append(source_of(sources.marked({"x-cami-source": "10.6.6.6"}))))
    other.start()
    other.join()
    assert seen == [""]


def test_a_call_of_orthancs_own_stays_one():
    assert Sources().seen("", {}) == {}
    assert Sources().marked({}) == {}
