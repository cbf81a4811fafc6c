"""Large objects in pieces: whatever breaks, and wherever, nothing acknowledged is lost and the whole is right."""

import base64
import errno
import hashlib
import json
import os
import re
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from cami.delivery import CentralLink, Recall, TokenIssuer, TokenVerifier, Uploads, parts, wire_endpoints
from cami.delivery import uploads as module
from cami.delivery.order import Priority
from cami.delivery.right_of_way import Passage, RightOfWay
from cami.delivery.transport import LineBroken
from cami.delivery.upload_rows import UploadRows
from cami.errors import Transient
from cami.web import Request

from .conftest import dicom

PIECE = 100
CONTENT = "".join(f"{number:04}" for number in range(225))
OBJECT = dicom(content=CONTENT)
LENGTH = len(OBJECT)
DIGEST = hashlib.sha256(OBJECT).hexdigest()
#: What nothing stops.
FREE = Passage(urgent=False)


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
        return CentralLink("", TokenIssuer(mo, self.keys[mo][0], self.region.clock), self, PIECE)

    def request(self, method, url, headers, body, passage, *, on_written=None):
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


@pytest.fixture(params=[24, 3], ids=["parts of one piece", "three parts"])
def wire(region, keys, monkeypatch, request):
    monkeypatch.setattr(parts, "MOST_PARTS", request.param)
    # What is tested is the order of things; waiting for the disk would only take time.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return Wire(region, keys)


def deliver(wire, link, tries=30, *, begun=False):
    """Send as a courier does: again after each failure, up to `tries` times."""
    for number in range(tries):
        try:
            return link.send(OBJECT, DIGEST, FREE, begun=begun or number > 0)
        except Transient:
            continue
    raise AssertionError("not delivered")


def test_an_object_in_pieces_arrives_as_it_was_and_leaves_nothing_behind(wire):
    receipt = wire.link().send(OBJECT, DIGEST, FREE)
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


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        wire.link().send(OBJECT, DIGEST, FREE)
    before = wire.carried
    assert PIECE * 5 <= before < PIECE * 6 + PIECE
    wire.link().send(OBJECT, DIGEST, FREE, begun=True)
    assert wire.carried == len(OBJECT)


def test_what_lies_behind_the_acknowledged_end_does_not_count(wire):
    wire.begin()
    assert wire.put(0, OBJECT[:PIECE]).headers["Upload-Offset"] == "100"
    (path,) = wire.files()
    with path.open("ab") as file:  # a crash while the next piece was being written
        file.write(b"garbage" * 1000)
    wire.restart()
    assert wire.tell().headers["Upload-Offset"] == "100"
    assert wire.link().send(OBJECT, DIGEST, FREE).outcome == "stored"
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
    real_record = UploadRows.record

    def record(self, *arguments):
        order.append("row")
        return real_record(self, *arguments)

    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append("sync"))
    monkeypatch.setattr(UploadRows, "record", record)
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
    wire.link().send(OBJECT, DIGEST, FREE)
    assert wire.begin(mo="42002").status_code == 201


def test_another_mo_s_copy_goes_to_quarantine_and_is_not_sent_twice(wire):
    wire.link().send(OBJECT, DIGEST, FREE)
    wire.faults = [""] * (len(OBJECT) // PIECE + 1) + ["answer lost"]
    receipt = deliver(wire, wire.link("42002"))
    assert (receipt.outcome, receipt.reason) == ("quarantined", "other-mo-study")
    assert wire.carried == 2 * len(OBJECT)


def test_what_was_deleted_at_the_centre_is_sent_again(wire):
    wire.link().send(OBJECT, DIGEST, FREE)
    wire.region.central.files.clear()
    assert wire.link().send(OBJECT, DIGEST, FREE).outcome == "stored"
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
        wire.link().send(OBJECT, DIGEST, FREE)
    assert wire.carried == len(OBJECT)
    wire.region.central.full = False
    assert wire.link().send(OBJECT, DIGEST, FREE, begun=True).outcome == "stored"
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
    assert headers["Tus-Extension"] == "creation,creation-with-upload,checksum,concatenation,termination"
    assert headers["Tus-Checksum-Algorithm"] == "sha256"


def test_a_piece_too_long_is_not_taken(wire):
    wire.begin(length=50)
    assert wire.put(0, b"x" * 51).status_code == 400
    assert wire.files() == []


def test_pieces_that_repeat_themselves_go_as_gzip_and_arrive_as_they_were(wire):
    plain = dicom(content="a" * 5000)
    link = CentralLink("", TokenIssuer("42001", wire.keys["42001"][0], wire.region.clock), wire, 2000)
    link.send(plain, hashlib.sha256(plain).hexdigest(), FREE)
    assert list(wire.region.central.files.values()) == [plain]
    assert wire.carried < len(plain) / 5


def test_a_large_object_stands_back_for_an_urgent_one_and_goes_on_where_it_stood(wire):
    proxy = wire.region.proxy("42001")
    way = proxy.courier._way = RightOfWay(patience=0)
    proxy.courier._link = wire.link()
    proxy.archive.store(OBJECT)
    while proxy.feed.advance():
        pass
    emergency = way.passage("another study", urgent=True)
    real, asked, stood = wire.request, [], 0

    def request(method, url, headers, body, passage, *, on_written):
        if len(asked) == 4 and not stood:
            emergency.__enter__()
        passage.wait(0)
        asked.append(len(body))
        return real(method, url, headers, body, passage, on_written=on_written)

    wire.request = request
    assert proxy.courier.send_next()
    assert wire.region.central.files == {}
    assert not proxy.courier.send_next()
    assert len(asked) == 4
    stood = 1
    emergency.__exit__(None, None, None)
    assert proxy.queue.take().attempts == 0
    proxy.queue.recover()
    assert proxy.courier.send_next()
    assert list(wire.region.central.files.values()) == [OBJECT]
    assert wire.carried == len(OBJECT)


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


def helpers(link, over):
    """Two senders that have nothing else to do; they go on after failures as workers do."""

    def work():
        while not over.is_set():
            try:
                if not link.help(urgent_only=False):
                    over.wait(0.0005)
            except Transient:
                continue

    return [threading.Thread(target=work) for _ in range(2)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(st.sampled_from(["", "", "", "cut", "half arrived", "answer lost"]), max_size=40),
)
def test_several_senders_carry_parts_of_one_object_whatever_breaks(wire, faults):
    wire.region.central.files.clear()
    wire.carried, wire.faults = 0, list(faults)
    broken, over, link = sum(1 for fault in faults if fault), threading.Event(), wire.link()
    threads = helpers(link, over)
    for thread in threads:
        thread.start()
    try:
        deliver(wire, link, tries=100)
    finally:
        over.set()
        for thread in threads:
            thread.join(10)
    assert list(wire.region.central.files.values()) == [OBJECT]
    assert wire.carried <= len(OBJECT) + (broken + 2) * PIECE
    assert wire.files() == []
    wire.faults = []


def test_idle_senders_share_the_work(wire):
    link, over, carriers = wire.link(), threading.Event(), set()
    real, together = wire.request, threading.Barrier(3)

    def request(*arguments, on_written):
        if threading.get_ident() not in carriers:
            carriers.add(threading.get_ident())
            together.wait(10)  # nobody answers until all three have something to carry
        return real(*arguments, on_written=on_written)

    wire.request = request
    threads = helpers(link, over)
    for thread in threads:
        thread.start()
    assert link.send(OBJECT, DIGEST, FREE).outcome == "stored"
    over.set()
    for thread in threads:
        thread.join(10)
    assert len(carriers) == 3


def test_senders_of_what_is_urgent_do_not_help_with_anything_else(wire):
    link, seen = wire.link(), []
    real = wire.request

    def request(method, url, headers, body, passage, *, on_written):
        if passage.urgent not in seen:
            seen.append(passage.urgent)
            assert link.help(urgent_only=True) is passage.urgent
        return real(method, url, headers, body, passage, on_written=on_written)

    wire.request = request
    link.send(OBJECT, DIGEST, Passage(urgent=False))
    wire.region.central.files.clear()
    link.send(OBJECT, DIGEST, Passage(urgent=True))
    assert seen == [False, True]


def test_an_object_that_is_cut_in_another_way_begins_again(wire, monkeypatch):
    wire.faults = [""] * 4 + ["cut"] * 2
    with pytest.raises(Transient):
        wire.link().send(OBJECT, DIGEST, FREE)
    monkeypatch.setattr(parts, "MOST_PARTS", 2)
    assert wire.link().send(OBJECT, DIGEST, FREE, begun=True).outcome == "stored"
    assert list(wire.region.central.files.values()) == [OBJECT]
    assert wire.files() == []


@pytest.mark.parametrize(
    ("concat", "status", "told"),
    [
        (f"final;/x/{DIGEST}-0 /x/{DIGEST}-100", 400, "409"),
        (f"final;/x/{DIGEST}-0 /x/{'0' * 64}-100", 400, None),
        ("final;", 400, None),
        ("final;/x/../../etc", 400, None),
        ("half", 400, None),
        (f"final;/x/{'0' * 64}-0", 404, None),
    ],
)
def test_parts_that_are_not_a_whole_are_not_joined(wire, concat, status, told):
    wire.faults = [""] * 2 + ["cut"] * 2
    with pytest.raises(Transient):
        wire.link().send(OBJECT, DIGEST, FREE)
    answer = wire.ask("POST", "/uploads", Upload_Concat=concat)
    assert (answer.status_code, answer.headers.get("Upload-Status")) == (status, told)
    assert wire.region.central.files == {}


def test_a_part_outside_its_object_is_not_begun(wire):
    coded = {
        key: base64.b64encode(value.encode()).decode()
        for key, value in {"sha256": DIGEST, "start": "90", "size": "100"}.items()
    }
    metadata = ",".join(f"{key} {value}" for key, value in coded.items())
    named = {"Upload_Concat": "partial", "Upload_Metadata": metadata}
    assert wire.ask("POST", "/uploads", Upload_Length="11", **named).status_code == 400
    begun = wire.ask("POST", "/uploads", Upload_Length="10", **named)
    assert (begun.status_code, begun.headers["Location"][-3:]) == (201, "-90")
    told = wire.ask("GET", f"/uploads/{DIGEST}-90").headers
    assert (told["Upload-Concat"], told["Upload-Length"]) == ("partial", "10")
