"""The word between the plugin and its starter."""

import socket
import threading

import pytest

from cami.boot.ready import GO, READY, VARIABLE, announce_ready
from cami.errors import Misconfigured


def announce(answer: bytes | None) -> bytes:
    """Announce to a starter that gives `answer`; return what it heard."""
    ours, theirs = socket.socketpair()
    heard = []

    def starter():
        with ours:
            heard.append(ours.recv(64))
            if answer is not None:
                ours.send(answer)

    thread = threading.Thread(target=starter)
    thread.start()
    environ = {VARIABLE: str(theirs.detach()), "OTHER": "1"}
    try:
        kept = announce_ready(environ)
        kept.close()
    finally:
        thread.join()
    assert environ == {"OTHER": "1"}
    return heard[0]


def test_ready_and_go():
    assert announce(GO) == READY


@pytest.mark.parametrize("answer", [None, b"no\n"])
def test_a_starter_that_does_not_agree(answer):
    with pytest.raises(Misconfigured):
        announce(answer)


def test_without_a_starter_nothing_happens():
    announce_ready({})


@pytest.mark.parametrize("number", ["x", "987654"])
def test_a_number_that_is_no_socket(number):
    with pytest.raises(Misconfigured):
        announce_ready({VARIABLE: number})
