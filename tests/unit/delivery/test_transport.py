"""HTTP to the centre over real sockets: what is written, what is tried again, what is told."""

import socket
import threading
from contextlib import contextmanager

import pytest

from cami.delivery.order import Priority
from cami.delivery.pace import Pace
from cami.delivery.right_of_way import Passage, RightOfWay, StoodBackError
from cami.delivery.transport import EARLY, Transport
from cami.errors import Transient

#: What nothing stops.
FREE = Passage(urgent=False)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def read_request(connection):
    """Return head and body of one request, or None when the other end has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0)
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return None
        body += part
    return head, body


@contextmanager
def server(*behaviours):
    """Serve connections in turn, each by its behaviour; yields the address and what was received."""
    listener = socket.create_server(("127.0.0.1", 0))
    received, kept = [], []

    def serve():
        for behave in behaviours:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            kept.append(connection)
            behave(connection, received)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x", received
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in kept:
            connection.close()
        thread.join(10)


def answer(times):
    def behave(connection, received):
        for _ in range(times):
            received.append(read_request(connection))
            connection.sendall(ANSWER)

    return behave


def answer_then_drop(connection, received):
    """Answer once, read the head of the next request and close: a centre that ends an idle connection."""
    received.append(read_request(connection))
    connection.sendall(ANSWER)
    connection.recv(200)
    connection.close()


def swallow_then_drop(connection, received):
    received.append(read_request(connection))
    connection.sendall(ANSWER)
    wanted = 3 * EARLY
    while wanted > 0 and (part := connection.recv(65536)):
        wanted -= len(part)
    connection.close()


def test_a_body_arrives_whole_with_its_length():
    body = bytes(range(256)) * 1000
    with server(answer(1)) as (url, received):
        assert Transport(Pace()).request("POST", url, {"X-A": "b"}, body, FREE).text == "ok"
    head, got = received[0]
    assert got == body
    assert b"Content-Length: 256000" in head
    assert b"chunked" not in head


def test_one_connection_carries_many_requests():
    with server(answer(3)) as (url, received):
        transport = Transport(Pace())
        for _ in range(3):
            transport.request("POST", url, {}, b"body", FREE)
    assert len(received) == 3


def test_a_stale_connection_is_replaced_at_once_and_the_body_sent_whole():
    with server(answer_then_drop, answer(1)) as (url, received):
        transport = Transport(Pace())
        transport.request("POST", url, {}, b"first", FREE)
        assert transport.request("POST", url, {}, b"second" * 1000, FREE).status_code == 200
    assert [body for _, body in received] == [b"first", b"second" * 1000]


def test_a_line_that_breaks_in_the_middle_is_told_and_not_sent_over_again_at_once():
    with server(swallow_then_drop) as (url, received):
        transport = Transport(Pace())
        transport.request("POST", url, {}, b"first", FREE)
        with pytest.raises(Transient):
            transport.request("POST", url, {}, bytes(100 * EARLY), FREE)
    assert len(received) == 1


def test_a_centre_that_is_not_there_is_told():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Transient, match="no line"):
        Transport(Pace()).request("GET", f"http://127.0.0.1:{port}/", {}, b"", FREE)


def test_each_piece_and_the_head_are_paid_for():
    taken = []

    class Till(Pace):
        def take(self, payload, *, urgent=False):
            taken.append((payload, urgent))

    with server(answer(1)) as (url, _):
        Transport(Till()).request("POST", url, {}, bytes(40_000), Passage(urgent=True))
    assert taken[0] == (1024, True)
    assert sum(payload for payload, _ in taken[1:]) == 40_000
    assert max(payload for payload, _ in taken) <= 16 * 1024


def test_the_socket_holds_little_and_notices_a_dead_line():
    transport = Transport(Pace(), 5000)
    with server(answer(1)) as (url, _):
        transport.request("GET", url, {}, b"", FREE)
        pools = transport._session().get_adapter(url).poolmanager.pools
        sock = pools.get(next(iter(pools.keys()))).pool.get().sock
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
        assert sock.getsockopt(socket.IPPROTO_TCP, 25) == 5000
        sock.close()


def test_a_body_stands_still_for_what_is_urgent_and_goes_on_where_it_was():
    way, halfway, body = RightOfWay(), threading.Event(), bytes(range(256)) * 8000

    def receive(connection, received):
        got = b""
        while len(got) < 100_000:
            got += connection.recv(4096)
        urgent.__enter__()
        connection.settimeout(0.3)
        try:
            while part := connection.recv(65536):
                got += part
        except TimeoutError:
            received.append(len(got))  # it stands still
        connection.settimeout(None)
        halfway.set()
        while len(got) < got.index(b"\r\n\r\n") + 4 + len(body):
            got += connection.recv(65536)
        received.append(got.partition(b"\r\n\r\n")[2])
        connection.sendall(ANSWER)

    urgent = way.passage("study-1", urgent=True)
    with server(receive) as (url, received), way.passage("study-2", urgent=False) as passage:
        thread = threading.Thread(target=lambda: halfway.wait(10) and urgent.__exit__(None, None, None))
        thread.start()
        assert Transport(Pace(), 4096).request("POST", url, {}, body, passage).status_code == 200
        thread.join(10)
    assert received[0] < len(body) // 2
    assert received[1] == body


def test_a_body_that_has_stood_still_for_too_long_is_broken_off():
    way = RightOfWay(patience=0.05)
    with (
        server(swallow_then_drop) as (url, received),
        way.passage("study-1", urgent=True),
        way.passage("study-2", urgent=False) as passage,
    ):
        with pytest.raises(StoodBackError):
            Transport(Pace()).request("POST", url, {}, bytes(1000), passage)
        # What has become urgent itself waits no longer.
        way.hasten("study-2", Priority.EMERGENCY)
        Transport(Pace()).request("POST", url, {}, b"", passage)
    assert len(received) == 1
