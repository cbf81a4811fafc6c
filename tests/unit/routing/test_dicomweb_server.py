"""STOW-RS against answers as servers give them; only what an answer lists as stored counts."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cami.routing.dicomweb_server import DicomWebWay, Server
from cami.routing.objects import Header
from cami.routing.outcomes import Refused, Unavailable

HEADER = Header("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2", "1", "1.2.840.10008.1.2.1")


def listed(*, stored=(), failed=(), reason=None):
    def item(uid):
        entry = {"00081155": {"vr": "UI", "Value": [uid]}}
        return entry | ({"00081197": {"vr": "US", "Value": [reason]}} if reason is not None else {})

    return {
        "00081199": {"vr": "SQ", "Value": [item(uid) for uid in stored]},
        "00081198": {"vr": "SQ", "Value": [item(uid) for uid in failed]},
    }


class Stub(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answering)
        self.answer = (200, listed(stored=["1.2.3"]))
        self.requests = []


class Answering(BaseHTTPRequestHandler):
    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        status, content = self.server.answer
        written = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    stub = Stub()
    thread = threading.Thread(target=stub.serve_forever)
    thread.start()
    yield stub
    stub.shutdown()
    thread.join()
    stub.server_close()


@pytest.fixture
def way(server):
    made = DicomWebWay(Server(f"http://127.0.0.1:{server.server_port}/dicom-web", {"Authorization": "Bearer x"}))
    yield made
    made.close()


def test_an_image_is_one_part_of_a_request(server, way):
    way.store(b"DICOM\r\n--", HEADER)
    ((method, path, headers, body),) = server.requests
    assert (method, path, headers["Authorization"]) == ("POST", "/dicom-web/studies", "Bearer x")
    boundary = headers["Content-Type"].partition("boundary=")[2]
    assert headers["Content-Type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert body == (
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        + b"DICOM\r\n--"
        + f"\r\n--{boundary}--\r\n".encode()
    )


@pytest.mark.parametrize(
    "answer",
    [
        (200, listed(stored=["1.2.3"])),
        (202, [listed(stored=["1.2.3"])]),
        (409, listed(failed=["1.2.3"], reason=0x0111)),
    ],
)
def test_what_is_listed_as_stored_is(server, way, answer):
    server.answer = answer
    way.store(b"x", HEADER)


@pytest.mark.parametrize(
    ("answer", "wanted", "code"),
    [
        ((200, {}), Refused, "unconfirmed"),
        ((200, listed(stored=["1.2.4"])), Refused, "unconfirmed"),
        ((200, listed(failed=["1.2.3"], reason=0xC000)), Refused, "refused"),
        ((202, listed(stored=["1.2.4"], failed=["1.2.3"], reason=0xA700)), Unavailable, "out-of-resources"),
        ((409, listed(failed=["1.2.3"], reason=0x0122)), Refused, "not-supported"),
        ((409, listed(failed=["1.2.3"])), Refused, "refused"),
        ((200, b"<html>"), Unavailable, "server-error"),
        ((301, b""), Unavailable, "server-error"),
        ((400, b""), Refused, "refused"),
        ((401, b""), Unavailable, "not-authorized"),
        ((403, b""), Unavailable, "not-authorized"),
        ((404, b""), Unavailable, "server-error"),
        ((413, b""), Refused, "not-supported"),
        ((429, b""), Unavailable, "server-error"),
        ((500, b""), Unavailable, "server-error"),
        ((507, b""), Unavailable, "out-of-resources"),
    ],
)
def test_what_is_not_is_told(server, way, answer, wanted, code):
    server.answer = answer
    with pytest.raises(wanted) as caught:
        way.store(b"x", HEADER)
    assert caught.value.code == code


def test_searching(server, way):
    server.answer = (200, [{"00080018": {"vr": "UI", "Value": ["1.2.3"]}}])
    assert way.holds(HEADER)
    assert server.requests[0][1] == "/dicom-web/studies/1/series/1.2/instances?SOPInstanceUID=1.2.3"
    server.answer = (200, [])
    assert not way.holds(HEADER)
    server.answer = (404, b"")
    assert not way.holds(HEADER)
    server.answer = (401, b"")
    with pytest.raises(Unavailable):
        way.holds(HEADER)


def test_greeting(server, way):
    server.answer = (200, [])
    way.greet()
    server.answer = (403, b"")
    with pytest.raises(Unavailable, match="not-authorized"):
        way.greet()


def test_nobody_there(server, way):
    server.shutdown()
    server.server_close()
    with pytest.raises(Unavailable, match="unreachable"):
        way.store(b"x", HEADER)
