"""Large objects in pieces: whatever breaks, and wherever, nothing acknowledged is lost and the whole is right."""

import base64
import errno
import hashlib
import json
import os
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from cami.delivery import CentralLink, Recall, TokenIssuer, TokenVerifier, Uploads, wire_endpoints
from cami.delivery import uploads as module
from cami.delivery.link import LARGEST_PIECE, SMALLEST_PIECE, piece_bytes
from cami.delivery.order import Priority
from cami.delivery.transport import LineBroken
from cami.errors import Transient
from cami.web import Request

from .conftest import dicom

PIECE = 100
CONTENT = "".join(f"{number:04}" for number in range(225))
OBJECT = dicom(content=CONTENT)
LENGTH = len(OBJECT)
DIGEST = hashlib.sha256(OBJECT).hexdigest()


class Answer:
    """What `requests` would have returned."""

    def __init__(self, response):
        self.status_code = response.status
        self.headers = CaseInsensitiveDict(response.headers)
        self._body = response.body

    def json(self):
        return json.loads(self._body)


class Wire:
    """The centre's endpoints, called directly; `faults` says what happens to the next requests."""

    def __init__(self, region, keys):
        self.region = region
        self.verifier = TokenVerifier({mo: key.public_key() for mo, (_, key) in keys.items()}, region.clock)
        self.keys = keys
        self.faults = []
        self.carried = 0
        self.restart()

    def restart(self):
        """What a crash of the centre does: all that was in memory is gone."""
        self.uploads = Uploads(self.region.folder / "uploads", self.region.central_db, self.region.clock, 0)
        recall = Recall(self.region.central, self.region.central_db)
        self.endpoints = wire_endpoints(
            receiver=self.region.receiver,
            manifests=self.region.manifests,
            reports=self.region.reports,
            tokens=self.verifier,
            accounts=None,
            uploads=self.uploads,
            recall=recall,
        )

    def link(self, mo="42001"):
        made = CentralLink("", TokenIssuer(mo, self.keys[mo][0], self.region.clock), piece=PIECE)
        made._transport = self
        return made

    def request(self, method, url, headers, body=b"", *, urgent=False):
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "cut":
            raise LineBroken("cut")
        if fault == "crash":
            self.restart()
        self.carried += len(body)
        if fault == "half arrived":  # Orthanc hands over whole bodies only
            raise LineBroken("cut")
        answer = self.call(method, url, body, headers)
        if fault == "crash after":
            self.restart()
            raise LineBroken("cut")
        if fault == "answer lost":
            raise LineBroken("cut")
        return answer

    def call(self, method, path, body, headers):
        lower = {name.lower(): value for name, value in headers.items()}
        for endpoint in self.endpoints:
            if found := re.fullmatch(endpoint.pattern, path):
                return Answer(endpoint.handler(Request(method, path, lower, body=body, groups=found.groups())))
        raise AssertionError(path)

    def ask(self, method, path, body=b"", mo="42001", **headers):
        token = TokenIssuer(mo, self.keys[mo][0], self.region.clock).issue()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call(
            method, "/cami/wire/v1" + path, body, {"X-Cami-Token": token, "Tus-Resumable": "1.0.0", **named}
        )

    def begin(self, sha256=DIGEST, length=LENGTH, mo="42001"):
        metadata = "sha256 " + base64.b64encode(sha256.encode()).decode()
        return self.ask("POST", "/uploads", mo=mo, Upload_Length=str(length), Upload_Metadata=metadata)

    def put(self, offset, piece, mo="42001", sha256=DIGEST, checksum=None):
        checksum = checksum or "sha256 " + base64.b64encode(hashlib.sha256(piece).digest()).decode()
        return self.ask("PUT", f"/uploads/{sha256}", piece, mo=mo, Upload_Offset=str(offset), Upload_Checksum=checksum)

    def tell(self, mo="42001"):
        return self.ask("GET", f"/uploads/{DIGEST}", mo=mo)

    def files(self):
        return list((self.region.folder / "uploads").glob("*/*"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    made = {}
    for mo in ("42001", "42002"):
        key = Ed25519PrivateKey.generate()
        path = tmp_path_factory.mktemp("keys") / f"{mo}.key"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        made[mo] = (path, key)
    return made


@pytest.fixture
def wire(region, keys, monkeypatch):
    # What is tested is the order of things; waiting for the disk would only take time.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return Wire(region, keys)


def deliver(wire, link, tries=30):
    """Send as a courier does: again after each failure, up to `tries` times."""
    for _ in range(tries):
        try:
            return link.send(OBJECT, DIGEST)
        except Transient:
            continue
    raise AssertionError("not delivered")


def test_an_object_in_pieces_arrives_as_it_was_and_leaves_nothing_behind(wire):
    receipt = wire.link().send(OBJECT, DIGEST)
    assert (receipt.outcome, receipt.sha256) == ("stored", DIGEST)
    assert list(wire.region.central.files.values()) == [OBJECT]
    assert wire.carried == len(OBJECT)
    assert wire.files() == []
    assert wire.tell().status_code == 404


@pytest.mark.parametrize("fault", ["cut", "half arrived", "answer lost", "crash", "crash after"])
def test_a_break_at_any_request_costs_one_piece_at_most(wire, fault):
    requests = len(OBJECT) // PIECE + 2
    for number in range(requests):
        wire.region.central.files.clear()
        wire.carried = 0
        wire.faults = [""] * number + [fault]
        assert deliver(wire, wire.link()).outcome in ("stored", "present")
        assert list(wire.region.central.files.values()) == [OBJECT]
        assert wire.carried <= len(OBJECT) + PIECE
        assert wire.files() == []


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.sampled_from(["", "", "", "cut", "half arrived", "answer lost", "crash", "crash after"]), max_size=40
    )
)
def test_any_row_of_breaks_ends_with_the_whole_object(wire, faults):
    wire.region.central.files.clear()
    wire.carried, wire.faults = 0, faults
    broken = sum(1 for fault in faults if fault)
    deliver(wire, wire.link(), tries=41)
    assert list(wire.region.central.files.values()) == [OBJECT]
    assert wire.carried <= len(OBJECT) + broken * PIECE
    wire.faults = []


def test_a_restarted_proxy_goes_on_where_the_centre_has_it(wire):
    wire.faults = [""] * 6 + ["cut"] * 2
    with pytest.raises(Transient):
        wire.link().send(OBJECT, DIGEST)
    before = wire.carried
    assert before == 5 * PIECE
    wire.link().send(OBJECT, DIGEST)
    assert wire.carried == len(OBJECT)


def test_what_lies_behind_the_acknowledged_end_does_not_count(wire):
    wire.begin()
    assert wire.put(0, OBJECT[:PIECE]).headers["Upload-Offset"] == "100"
    (path,) = wire.files()
    with path.open("ab") as file:  # a crash while the next piece was being written
        file.write(b"garbage" * 1000)
    wire.restart()
    assert wire.tell().headers["Upload-Offset"] == "100"
    assert wire.link().send(OBJECT, DIGEST).outcome == "stored"
    assert list(wire.region.central.files.values()) == [OBJECT]


def test_a_file_that_is_gone_begins_again(wire):
    wire.begin()
    wire.put(0, OBJECT[:PIECE])
    wire.files()[0].unlink()
    refused = wire.put(PIECE, OBJECT[PIECE : 2 * PIECE])
    assert (refused.status_code, refused.headers["Upload-Status"]) == (400, "409")
    assert deliver(wire, wire.link()).outcome == "stored"


def test_a_full_disk_loses_nothing_that_was_acknowledged(wire, monkeypatch):
    wire.begin()
    wire.put(0, OBJECT[:PIECE])
    real, room = os.pwrite, [30]

    def pwrite(descriptor, data, offset):
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "no space left")
        part = bytes(data)[: room[0]]
        room[0] -= len(part)
        return real(descriptor, part, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    assert wire.put(PIECE, OBJECT[PIECE : 2 * PIECE]).status_code == 507
    assert wire.files()[0].stat().st_size == PIECE
    assert wire.tell().headers["Upload-Offset"] == "100"
    room[0] = 10**9
    assert deliver(wire, wire.link()).outcome == "stored"
    assert list(wire.region.central.files.values()) == [OBJECT]


def test_an_upload_for_which_there_is_no_room_is_not_begun(region, keys):
    wire = Wire(region, keys)
    wire.uploads._spare = 1 << 60
    assert wire.begin().status_code == 507
    assert wire.tell().status_code == 404


def test_a_piece_is_on_the_disk_before_it_is_acknowledged(wire, monkeypatch):
    order = []
    real_record = Uploads._record

    def record(self, *arguments):
        order.append("row")
        return real_record(self, *arguments)

    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append("sync"))
    monkeypatch.setattr(Uploads, "_record", record)
    wire.begin()
    order.clear()
    wire.put(0, OBJECT[:PIECE])
    assert order == ["sync", "sync", "row"]  # the file, its folder


def test_an_mo_cannot_see_go_on_with_or_end_the_upload_of_another(wire):
    wire.begin()
    wire.put(0, OBJECT[:PIECE])
    assert wire.tell(mo="42002").status_code == 404
    assert wire.put(PIECE, b"x", mo="42002").status_code == 404
    assert wire.ask("DELETE", f"/uploads/{DIGEST}", mo="42002").status_code == 404
    assert wire.begin(mo="42002").headers["Upload-Offset"] == "0"
    assert wire.tell().headers["Upload-Offset"] == "100"


def test_an_mo_does_not_learn_that_another_has_delivered_the_object(wire):
    wire.link().send(OBJECT, DIGEST)
    assert wire.begin(mo="42002").status_code == 201


def test_another_mo_s_copy_goes_to_quarantine_and_is_not_sent_twice(wire):
    wire.link().send(OBJECT, DIGEST)
    wire.faults = [""] * (len(OBJECT) // PIECE + 1) + ["answer lost"]
    receipt = deliver(wire, wire.link("42002"))
    assert (receipt.outcome, receipt.reason) == ("quarantined", "other-mo-study")
    assert wire.carried == 2 * len(OBJECT)


def test_what_was_deleted_at_the_centre_is_sent_again(wire):
    wire.link().send(OBJECT, DIGEST)
    wire.region.central.files.clear()
    assert wire.link().send(OBJECT, DIGEST).outcome == "stored"
    assert list(wire.region.central.files.values()) == [OBJECT]


def test_a_changed_piece_is_not_taken(wire):
    wire.begin()
    answer = wire.put(0, b"y" * PIECE, checksum="sha256 " + base64.b64encode(hashlib.sha256(b"x").digest()).decode())
    assert (answer.status_code, answer.headers["Upload-Status"]) == (400, "460")
    assert wire.tell().headers["Upload-Offset"] == "0"


def test_a_whole_that_is_not_what_was_announced_is_not_stored_and_begins_again(wire):
    other = b"z" * len(OBJECT)
    wire.begin()
    answer = wire.put(0, other)
    assert (answer.status_code, answer.headers["Upload-Status"]) == (400, "460")
    assert wire.region.central.files == {}
    assert wire.files() == []


def test_a_centre_that_cannot_store_now_keeps_the_whole_and_is_asked_again(wire):
    wire.region.central.full = True
    with pytest.raises(Transient):
        wire.link().send(OBJECT, DIGEST)
    assert wire.carried == len(OBJECT)
    wire.region.central.full = False
    assert wire.link().send(OBJECT, DIGEST).outcome == "stored"
    assert wire.carried == len(OBJECT)


def test_nobody_goes_on_for_a_week_and_it_is_removed(wire):
    wire.begin()
    wire.put(0, OBJECT[:PIECE])
    wire.region.clock.pass_(days=6, hours=23)
    assert wire.uploads.tidy() == 0
    wire.region.clock.pass_(hours=2)
    assert wire.uploads.tidy() == 1
    assert wire.files() == []
    assert wire.tell().status_code == 404


def test_a_file_without_an_upload_is_removed(wire):
    stray = wire.region.folder / "uploads" / "42001" / f"{DIGEST}.part"
    stray.parent.mkdir()
    stray.write_bytes(b"left by a crash")
    assert wire.uploads.tidy() == 1
    assert not stray.exists()


def test_one_mo_cannot_fill_the_table(wire, monkeypatch):
    monkeypatch.setattr(module, "MOST_OPEN", 3)
    for number in range(5):
        wire.region.clock.pass_(seconds=1)
        assert wire.begin(hashlib.sha256(bytes([number])).hexdigest(), 10).status_code == 201
    there = [
        wire.ask("GET", f"/uploads/{hashlib.sha256(bytes([number])).hexdigest()}").status_code for number in range(5)
    ]
    assert there == [404, 404, 204, 204, 204]


def test_an_upload_can_be_given_up(wire):
    wire.begin()
    wire.put(0, OBJECT[:PIECE])
    assert wire.ask("DELETE", f"/uploads/{DIGEST}").status_code == 204
    assert wire.files() == []


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/uploads", {}, 400),
        ("POST", "/uploads", {"Upload_Length": "-1"}, 400),
        ("POST", "/uploads", {"Upload_Length": "5", "Upload_Metadata": "sha256 !"}, 400),
        ("POST", "/uploads", {"Upload_Length": "5", "Upload_Metadata": "sha256 Li4vLi4v"}, 400),
        ("POST", "/uploads", {"Upload_Length": str(1 << 40), "Upload_Metadata": "sha256 " + "YWFh" * 21 + "YQ=="}, 413),
        ("POST", "/uploads", {"Upload_Length": "0", "Upload_Metadata": "sha256 " + "YWFh" * 21 + "YQ=="}, 400),
        ("PUT", f"/uploads/{DIGEST}", {}, 400),
        ("PUT", f"/uploads/{DIGEST}", {"Upload_Offset": "0"}, 400),
        ("PUT", f"/uploads/{DIGEST}", {"Upload_Offset": "0", "Upload_Checksum": "md5 x"}, 400),
        ("GET", f"/uploads/{DIGEST}", {}, 404),
        ("GET", f"/uploads/{DIGEST}", {"Tus_Resumable": "0.2"}, 412),
        ("POST", f"/uploads/{DIGEST}", {}, 405),
        ("PUT", "/uploads", {}, 405),
    ],
)
def test_what_is_not_the_protocol_is_told_so(wire, method, path, headers, status):
    assert wire.ask(method, path, **headers).status_code == status


def test_the_protocol_is_described(wire):
    headers = wire.ask("GET", "/uploads").headers
    assert headers["Tus-Version"] == headers["Tus-Resumable"] == "1.0.0"
    assert headers["Tus-Extension"] == "creation,checksum,termination"
    assert headers["Tus-Checksum-Algorithm"] == "sha256"


def test_a_piece_too_long_is_not_taken(wire):
    wire.begin(length=50)
    assert wire.put(0, b"x" * 51).status_code == 400
    assert wire.files() == []


@pytest.mark.parametrize(
    ("mbit_s", "size"), [(0.1, SMALLEST_PIECE), (2, 1_000_000), (10, 5_000_000), (1000, LARGEST_PIECE)]
)
def test_pieces_fit_the_line(mbit_s, size):
    assert piece_bytes(mbit_s) == size


def test_pieces_that_repeat_themselves_go_as_gzip_and_arrive_as_they_were(wire):
    plain = dicom(content="a" * 5000)
    link = CentralLink("", TokenIssuer("42001", wire.keys["42001"][0], wire.region.clock), piece=2000)
    link._transport = wire
    link.send(plain, hashlib.sha256(plain).hexdigest())
    assert list(wire.region.central.files.values()) == [plain]
    assert wire.carried < len(plain) / 5


def test_a_large_object_stands_back_for_an_urgent_one_and_goes_on_where_it_stood(wire):
    proxy = wire.region.proxy("42001")
    proxy.courier._link = wire.link()
    proxy.archive.store(OBJECT)
    while proxy.feed.advance():
        pass
    other = dicom(study="2.2", series="2.2.1", sop="2.2.1.1", content="now")
    pieces = []
    real = wire.request

    def request(method, url, headers, body=b"", *, urgent=False):
        answer = real(method, url, headers, body, urgent=urgent)
        pieces.append(len(body))
        if len(pieces) == 4:
            proxy.archive.store(other)
            while proxy.feed.advance():
                pass
            proxy.queue.set_priority(proxy.archive.parse(other).study_id, Priority.EMERGENCY)
        return answer

    wire.request = request
    assert proxy.courier.send_next()
    assert wire.region.central.files == {}
    assert len(pieces) == 4
    assert proxy.courier.send_next()
    assert list(wire.region.central.files.values()) == [other]
    assert proxy.courier.send_next()
    assert list(wire.region.central.files.values()) == [other, OBJECT]
    assert wire.carried == len(OBJECT) + len(other)


def test_what_is_urgent_itself_stands_back_for_nothing(wire):
    proxy = wire.region.proxy("42001")
    proxy.courier._link = wire.link()
    for number, content in enumerate((OBJECT, dicom(study="2.2", sop="2.2.1", content="other"))):
        proxy.archive.store(content)
        while proxy.feed.advance():
            pass
        proxy.queue.set_priority(proxy.archive.parse(content).study_id, Priority(number))
    assert proxy.courier.send_next()
    assert list(wire.region.central.files.values()) == [OBJECT]
