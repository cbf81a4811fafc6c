"""From a proxy to the centre, from the centre to the collector, from the table to files: in order, nothing lost."""

import json
import socket
import socketserver
import ssl
import threading
import time
from contextlib import suppress
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import delete, insert, select, text, update

from cami.audit import AuditEvent, Kind, Outcome, Record
from cami.audit.archiving import Archiving, verify_archive
from cami.audit.chain import append
from cami.audit.forwarding import Forwarding
from cami.audit.gathering import Gathering, Shipping
from cami.audit.message import message
from cami.audit.record import GENESIS, digest
from cami.audit.syslog import Collector, connect, frame
from cami.audit.verify import Fault, Finding, verify
from cami.clock import SystemClock
from cami.db import open_engine
from cami.db.tables import (
    audit_anchor,
    audit_archive,
    audit_branch,
    audit_cursor,
    audit_head,
    audit_record,
    audit_study,
)
from cami.errors import Permanent, Transient
from cami.web import Request


@pytest.fixture
def far(migrated, tmp_path):
    """The database of a proxy."""
    (tmp_path / "proxy.sqlite").write_bytes(migrated.read_bytes())
    engine = open_engine(f"sqlite:///{tmp_path}/proxy.sqlite")
    yield engine
    engine.dispose()


def fill(engine, clock, number, server="proxy-42001"):
    with engine.begin() as connection:
        events = [AuditEvent(Kind.VIEW, "rad1", studies=(f"1.2.{turn}",)) for turn in range(number)]
        append(connection, server, events, clock.now())


@pytest.fixture
def centre(engine, clock, trail):
    return Gathering(engine, clock, trail)


@pytest.fixture
def line(centre):
    """The wire between both; `line.cut` breaks it after the centre has answered."""

    class Line:
        cut = False

        def __call__(self, path, document):
            answer = centre.handlers()[path]("42001", Request("POST", path, body=json.dumps(document).encode()))
            assert answer.status == 200
            if self.cut:
                raise Transient("cut")
            return json.loads(answer.body)

    return Line()


@pytest.fixture
def shipping(far, clock, line):
    return Shipping(far, clock, "proxy-42001", line)


def ship(shipping):
    while shipping.step():
        pass


def count(engine, server):
    with engine.connect() as connection:
        return len(connection.execute(select(audit_record.c.seq).where(audit_record.c.server == server)).all())


def test_the_centre_gets_every_record_once_though_answers_are_lost(  # noqa: PLR0917
    engine, far, clock, trail, line, shipping
):
    trail.record(AuditEvent(Kind.START, "system"))
    fill(far, clock, 450)
    line.cut = True
    with pytest.raises(Transient):
        shipping.step()
    assert shipping.waiting() == 0.0  # they are of this moment
    clock.pass_(minutes=3)
    assert shipping.waiting() == 180.0
    line.cut = False
    ship(shipping)
    assert count(engine, "proxy-42001") == 450
    assert shipping.waiting() == 0.0
    report = verify(engine)
    assert report.whole
    assert [chain.server for chain in report.chains] == ["central", "proxy-42001"]
    # The proxy has noted where the centre's chain ended.
    with far.connect() as connection:
        (noted,) = connection.execute(select(audit_anchor)).all()
    assert (noted.server, noted.seq) == ("central", 1)


def test_a_centre_that_was_set_back_gets_it_again(engine, far, clock, shipping):
    fill(far, clock, 30)
    ship(shipping)
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_record_never_removed"))
        connection.execute(delete(audit_record).where(audit_record.c.seq > 10))
        connection.execute(delete(audit_study).where(audit_study.c.seq > 10))
        last = connection.scalar(select(audit_record.c.hash).where(audit_record.c.seq == 10))
        connection.execute(update(audit_head).values(seq=10, hash=last))
    fill(far, clock, 1)
    ship(shipping)
    ship(shipping)
    assert count(engine, "proxy-42001") == 31
    assert verify(engine).whole


def set_back(engine, seq, cursor):
    """What restoring a proxy's database of some time ago does."""
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER IF EXISTS audit_record_never_removed"))
        connection.execute(delete(audit_record).where(audit_record.c.seq > seq))
        connection.execute(delete(audit_study).where(audit_study.c.seq > seq))
        last = connection.scalar(select(audit_record.c.hash).where(audit_record.c.seq == seq))
        connection.execute(update(audit_head).values(seq=seq, hash=last or GENESIS))
        connection.execute(update(audit_cursor).values(seq=cursor))


@pytest.mark.parametrize(("seq", "cursor"), [(10, 10), (10, 4), (10, 0), (0, 0)])
def test_a_proxy_restored_from_a_backup_goes_on_in_a_branch(  # noqa: PLR0917
    engine, far, clock, shipping, seq, cursor
):
    fill(far, clock, 30)
    ship(shipping)
    set_back(far, seq, cursor)
    clock.pass_(minutes=5)
    fill(far, clock, 45)
    ship(shipping)
    assert count(engine, "proxy-42001") == 30, "what was here before stays"
    assert count(engine, "proxy-42001+2") == 45
    report = verify(engine)
    assert report.whole, report.findings
    assert {chain.server for chain in report.chains} == {"central", "proxy-42001", "proxy-42001+2"}
    with engine.connect() as connection:
        told = [Record.parse(each).event for each in connection.scalars(select(audit_record.c.content))]
    (alarm,) = [event for event in told if event.kind is Kind.INTEGRITY]
    assert (alarm.reason, alarm.owner, alarm.details) == (
        "restored", "42001", {"chain": "proxy-42001+2", "after": str(seq)},
    )  # fmt: skip
    # And once more, from a backup of after the first time.
    set_back(far, seq + 40, seq + 20)
    clock.pass_(minutes=5)
    fill(far, clock, 3)
    ship(shipping)
    assert [count(engine, f"proxy-42001{branch}") for branch in ("", "+2", "+3")] == [30, 45, 3]
    assert verify(engine).whole


def test_a_branch_that_parts_from_nothing_is_seen(engine, far, clock, shipping):
    fill(far, clock, 30)
    ship(shipping)
    set_back(far, 10, 10)
    clock.pass_(minutes=5)
    fill(far, clock, 5)
    ship(shipping)
    with engine.begin() as connection:
        connection.execute(update(audit_branch).values(seq=9))
    assert not verify(engine).whole


def test_a_changed_record_is_found_as_it_comes_and_told_once(engine, far, clock, shipping):
    fill(far, clock, 3)
    ship(shipping)
    with far.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_record_never_changed"))
        row = connection.execute(select(audit_record).where(audit_record.c.seq == 3)).one()
        old = Record.parse(row.content)
        forged = Record.make("proxy-42001", 3, old.at, AuditEvent(Kind.VIEW, "somebody"), old.previous)
        connection.execute(
            update(audit_record).where(audit_record.c.seq == 3).values(content=forged.content, hash=forged.hash)
        )
        connection.execute(update(audit_head).values(hash=forged.hash))
    fill(far, clock, 2)
    for _ in range(2):
        with pytest.raises(Transient, match="record 4 of proxy-42001 does not follow"):
            shipping.step()
    assert count(engine, "proxy-42001") == 3
    with engine.connect() as connection:
        (alarm,) = [
            Record.parse(c).event
            for c in connection.scalars(select(audit_record.c.content).where(audit_record.c.server == "central"))
        ]
    assert (alarm.kind, alarm.outcome, alarm.owner) == (Kind.INTEGRITY, Outcome.FAILURE, "42001")


def test_a_proxy_writes_no_journal_but_its_own(engine, centre, clock):
    record = Record.make("proxy-42002", 1, clock.now(), AuditEvent(Kind.VIEW, "x"), GENESIS)
    body = json.dumps({"records": [record.content]}).encode()
    answer = centre.handlers()["/audit"]("42001", Request("POST", "/audit", body=body))
    assert "broken" in json.loads(answer.body)
    assert count(engine, "proxy-42002") == 0


# The collector.


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "collector.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return pem


class Listener:
    """A syslog server over TLS (RFC 5425), as small as can be."""

    def __init__(self, pem, port=0):
        self.got = []
        self.connections = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        listener = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                try:
                    stream = context.wrap_socket(self.request, server_side=True)
                except OSError:
                    return
                listener.connections.append(stream)
                file = stream.makefile("rb")
                try:
                    while size := _number(file):
                        listener.got.append(file.read(size))
                except OSError:
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        for stream in self.connections:
            with suppress(OSError):
                socket.socket.shutdown(stream, socket.SHUT_RDWR)
            stream.close()
        self.thread.join()

    def records(self):
        return [_seq(message) for message in self.got]


def _number(file):
    digits = b""
    while (byte := file.read(1)) and byte != b" ":
        digits += byte
    return int(digits or 0)


def _seq(message):
    body = message.partition(b"\xef\xbb\xbf")[2]
    return ET.fromstring(body).find("ParticipantObjectIdentification[last()]").get("ParticipantObjectID")


def until(holds, seconds=10.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_collector_over_tls_gets_all_in_order_also_after_an_outage(engine, clock, tmp_path):
    pem = certificate(tmp_path)
    listener = Listener(pem)
    now = [0.0]
    collector = Collector("localhost", listener.port, "tls", pem)
    forwarding = Forwarding(engine, clock, collector, monotonic=lambda: now[0])
    fill(engine, clock, 3, "central")
    fill(engine, clock, 2)
    assert forwarding.step() == 1.0
    until(lambda: len(listener.got) == 5)
    assert listener.records() == ["central/1", "central/2", "central/3", "proxy-42001/1", "proxy-42001/2"]
    # It does not count as arrived before the connection has stood for a while.
    with engine.connect() as connection:
        assert connection.execute(select(audit_cursor)).all() == []
    now[0] += 3
    until(lambda: forwarding.step() and forwarding.waiting() == 0.0)
    # The collector goes away, with what was sent at the last moment.
    fill(engine, clock, 1, "central")
    forwarding.step()
    listener.stop()
    clock.pass_(minutes=10)
    fill(engine, clock, 1, "central")

    def fails():
        try:
            forwarding.step()
        except Transient:
            return True
        return False

    until(fails)
    with pytest.raises(Transient, match="cannot be reached"):
        forwarding.step()
    assert forwarding.waiting() == 600.0
    again = Listener(pem, listener.port)
    forwarding.step()
    until(lambda: len(again.got) == 2)
    assert again.records() == ["central/4", "central/5"]
    now[0] += 3
    until(lambda: forwarding.step() and forwarding.waiting() == 0.0)
    forwarding.close()
    again.stop()


def test_a_collector_that_cannot_prove_who_it_is_gets_nothing(engine, clock, tmp_path):
    listener = Listener(certificate(tmp_path))
    (tmp_path / "other").mkdir()
    other = certificate(tmp_path / "other")
    fill(engine, clock, 1, "central")
    for ca in (other, None):
        forwarding = Forwarding(engine, clock, Collector("localhost", listener.port, "tls", ca))
        with pytest.raises(Transient, match="prove"):
            forwarding.step()
    assert listener.got == []
    listener.stop()


def test_a_datagram_is_a_message(engine, clock):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        forwarding = Forwarding(engine, clock, Collector("127.0.0.1", udp.getsockname()[1], "udp"))
        fill(engine, clock, 1, "central")
        forwarding.step()
        got = udp.recv(65536)
        forwarding.close()
    assert got.startswith(b"<85>1 2026-01-01T00:00:00.000000Z central cami - DICOM+RFC3881 - \xef\xbb\xbf<?xml")
    assert forwarding.waiting() == 0.0


def test_a_connection_knows_what_was_not_acknowledged(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        way = connect(Collector("127.0.0.1", server.getsockname()[1], "tcp"))
        peer, _ = server.accept()
        way.send(b"x" * 10)
        until(lambda: way.unacknowledged() == 0)
        assert peer.recv(100) == b"10 xxxxxxxxxx"
        peer.close()
        until(lambda: _closed(way))
        way.close()


def _closed(way):
    try:
        way.unacknowledged()
    except Transient:
        return True
    return False


# The message.

_ATTRIBUTES = {
    "EventIdentification": {"EventActionCode", "EventDateTime", "EventOutcomeIndicator"},
    "EventID": {"csd-code", "codeSystemName", "originalText"},
    "EventTypeCode": {"csd-code", "codeSystemName", "originalText"},
    "EventOutcomeDescription": set(),
    "ActiveParticipant": {"UserID", "UserIsRequestor", "NetworkAccessPointID", "NetworkAccessPointTypeCode"},
    "RoleIDCode": {"csd-code", "codeSystemName", "originalText"},
    "AuditSourceIdentification": {"AuditSourceID", "AuditEnterpriseSiteID"},
    "AuditSourceTypeCode": {"csd-code"},
    "ParticipantObjectIdentification": {
        "ParticipantObjectID",
        "ParticipantObjectTypeCode",
        "ParticipantObjectTypeCodeRole",
    },
    "ParticipantObjectIDTypeCode": {"csd-code", "codeSystemName", "originalText"},
    "ParticipantObjectName": set(),
    "ParticipantObjectQuery": set(),
    "ParticipantObjectDetail": {"type", "value"},
}
_ORDER = [
    "EventIdentification",
    "ActiveParticipant",
    "AuditSourceIdentification",
    "ParticipantObjectIdentification",
]


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_is_a_message_by_the_schema(kind, clock):
    """PS3.15 A.5.1: elements, their attributes, and their order at the top."""
    event = AuditEvent(
        kind, "rad1", "radiologist", "42001", "10.0.0.7", studies=("1.2", "1.3"), patient="p", owner="42001",
        subject="s", reason="why", details={"by": "PatientID"},
    )  # fmt: skip
    record = Record.make("central", 7, clock.now(), event, GENESIS)
    root = ET.fromstring(message(record))
    assert root.tag == "AuditMessage"
    names = [child.tag for child in root]
    assert names == sorted(names, key=_ORDER.index)
    for element in root.iter():
        if element is not root:
            assert set(element.attrib) <= _ATTRIBUTES[element.tag]
    assert root.find("EventIdentification").get("EventOutcomeIndicator") == "0"
    assert [each.get("UserIsRequestor") for each in root.iter("ActiveParticipant")] == ["true", "false"]
    assert root.find("EventIdentification").findall("EventTypeCode")[-1].get("csd-code") == kind
    assert b"rad1" in frame(record, message(record))


# Files.


@pytest.fixture
def archiving(engine, clock, trail, tmp_path):
    return Archiving(engine, clock, trail, tmp_path / "audit", keep=timedelta(days=100), part=4)


def test_old_parts_go_to_files_and_the_chain_stays_whole(engine, clock, archiving, tmp_path):
    fill(engine, clock, 10, "central")
    clock.pass_(days=99)
    assert archiving.step() == 0
    fill(engine, clock, 3, "central")
    clock.pass_(days=2)
    assert [archiving.step() for _ in range(4)] == [4, 4, 2, 0]
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == [
        "central-000000000001-000000000004.jsonl",
        "central-000000000005-000000000008.jsonl",
        "central-000000000009-000000000010.jsonl",
    ]
    report = verify(engine)
    assert report.whole
    # Three that are young, and three that say what was put away.
    assert (report.chains[0].first, report.chains[0].records) == (11, 6)
    assert list(verify_archive(engine, tmp_path / "audit")) == []
    line = (tmp_path / "audit" / "central-000000000001-000000000004.jsonl").read_text().splitlines()[0]
    assert Record.parse(line).hash == digest(line)


def test_what_was_not_handed_on_stays(engine, clock, archiving):
    fill(engine, clock, 3, "central")
    with engine.begin() as connection:
        connection.execute(
            insert(audit_cursor).values(reader="collector", server="central", seq=2, moved_at=clock.now())
        )
    clock.pass_(days=101)
    assert archiving.step() == 2
    assert archiving.step() == 0


def test_what_is_not_whole_is_not_put_away(engine, clock, archiving):
    fill(engine, clock, 5, "central")
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_record_never_removed"))
        connection.execute(delete(audit_record).where(audit_record.c.seq == 2))
    clock.pass_(days=101)
    with pytest.raises(Permanent, match="record 3"):
        archiving.step()


def test_a_file_that_was_touched_is_found(engine, clock, archiving, tmp_path):
    fill(engine, clock, 8, "central")
    clock.pass_(days=101)
    archiving.step()
    archiving.step()
    folder = tmp_path / "audit"
    first, second = sorted(folder.iterdir())
    first.write_text(first.read_text().replace("rad1", "rad2"))
    assert list(verify_archive(engine, folder)) == [Finding("central", 1, Fault.CHANGED, 4)]
    second.unlink()
    assert Finding("central", 5, Fault.REMOVED, 8) in list(verify_archive(engine, folder))
    with engine.begin() as connection:
        connection.execute(delete(audit_archive))
    assert verify(engine).findings == [Finding("central", 1, Fault.REMOVED, 8)]
