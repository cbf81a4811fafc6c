"""What became of orders, told by HL7 v2 over real sockets: in order, acknowledged, never lost."""

import base64
import socket
import threading
import time
from contextlib import suppress

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from cami.events import NewEvent
from cami.hl7v2 import Posting
from cami.hl7v2.answers import Answer, Header, written
from cami.hl7v2.framing import Framing, framed
from cami.hl7v2.message import read
from cami.mis import Hooks, Signature, SignedReport
from tests.unit.hl7v2.conftest import HOME, MERGE, OMI, ORM, SYSTEM, edit, hl7_over, registry
from tests.unit.mis import conftest as mis
from tests.unit.mis.test_telling import do, image

PDF = b"%PDF-1.4 \x00\xff of the doctor"


class Receiver:
    """A МИС that listens."""

    def __init__(self):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.got = []
        self.verdict = "AA"
        self.silent = False
        self._open = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection):
        framing = Framing(10**7)
        with suppress(OSError):
            while data := connection.recv(65536):
                for each in framing.feed(data):
                    self.got.append(each)
                    if self.silent:
                        connection.close()
                        return
                    message = read(each)
                    header = Header.of(message)
                    answer = Answer(self.verdict)
                    connection.sendall(framed(written(answer, header, control="X1", now=mis.Hands().now())))

    def kinds(self):
        return ["^".join(read(each).kind) for each in self.got]

    def drop(self):
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self):
        self._listening.close()
        self.drop()


class Reports:
    report_ = None

    def report(self, payload):
        return self.report_


def build(tmp_path, receiver, **system):
    hl7 = {"systems": [{**SYSTEM, "send": {"host": "127.0.0.1", "port": receiver.port, "tls": False}, **system}]}
    region = registry(tmp_path, hl7)
    posting, reports = Posting(Hooks()), Reports()
    made = mis.make(tmp_path / "centre.sqlite", post=posting.post, reports=reports)
    made.hl7 = hl7_over(made, region, tmp_path)
    posting.sender = made.hl7.sender
    made.hl7.subscribe()
    made.receiver, made.reports = receiver, reports

    def place(message=OMI):
        made.hl7.intake.take(message.encode(), HOME)
        with made.engine.connect() as connection:
            return made.orders.of_placer_in(connection, f"urn:oid:{SYSTEM['oid']}.59", "2611-0004512")

    made.place = place
    return made


def tell(made):
    while made.service.announcer.step():
        pass
    while made.service.sender.step():
        pass


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def centre(tmp_path, receiver):
    made = build(tmp_path, receiver)
    yield made
    made.hl7.sender.close()
    made.trail.close()
    made.engine.dispose()


def valid(data):
    """Hold a message against the standard, as another implementation has it."""
    text = data.decode().replace("99.2.166", "L")
    message = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    message.validate()
    return message


def report(order, version=1):
    return SignedReport(
        number="C-7",
        version=version,
        study_uids=(order.study_uid,),
        issued=mis.Hands().now(),
        author="Снимков Пётр Ильич",
        author_snils="",
        author_login="rad",
        mo="42001",
        title="Протокол",
        pdf=PDF,
        findings="Печень | не увеличена\nЖелчный пузырь",
        conclusion="КТ-картина острого панкреатита",
        signatures=(Signature(b"cms-bytes", "author", mis.Hands().now()),),
    )


def test_the_life_of_an_order_reaches_the_mis(centre):
    order = centre.place()
    do(centre, "started", order.number)
    tell(centre)
    image(centre, order.number, confirmed=True)
    do(centre, "completed", order.number)
    centre.reports.report_ = report(order)
    with centre.engine.begin() as connection:
        event = NewEvent("report.signed", order.study_uid, {"number": 7, "studies": [order.study_uid]})
        centre.events.append(connection, event)
    tell(centre)
    assert centre.receiver.kinds() == ["OMI^O23", "ORU^R01", "OMI^O23", "ORU^R01"]
    started, study, completed, protocol = map(read, centre.receiver.got)
    assert [each.first("ORC").text(5) for each in (started, completed)] == ["IP", "CM"]
    assert started.first("ORC").text(3) == order.accession
    assert started.first("IPC").text(3) == order.study_uid
    assert study.first("OBX").text(5, 2) == order.study_uid
    assert protocol.first("PID").text(3) == "4512207"
    assert protocol.first("OBR").text(25) == "F"
    boxes = [each for each in protocol.segments if each.name == "OBX"]
    assert [(each.text(2), each.text(3)) for each in boxes] == [
        ("TX", "1805"), ("TX", "1806"), ("ED", "PDF"), ("ED", "SIGNATURE"), ("HD", "113014"), ("RP", "LINK"),
    ]  # fmt: skip
    assert boxes[0].text(5) == "Печень | не увеличена\nЖелчный пузырь"
    assert [base64.b64decode(each.text(5, 5)) for each in boxes[2:4]] == [PDF, b"cms-bytes"]
    assert boxes[-1].text(5) == f"{mis.BASE}/cami/s/{order.study_uid}"
    for each in centre.receiver.got:
        assert len(read(each).control) == 20
        valid(each)


def test_a_system_of_version_2_3_1_hears_orm(tmp_path, receiver):
    made = build(tmp_path, receiver, version="2.3.1", character_set="CP1251")
    order = made.place()
    do(made, "started", order.number)
    tell(made)
    message = read(receiver.got[0])
    assert (message.kind, message.header.text(12), message.header.text(18)) == (("ORM", "O01"), "2.3.1", "CP1251")
    assert "Тестова" in receiver.got[0].decode("cp1251")
    assert message.first("ZDS").text(1) == order.study_uid
    made.hl7.sender.close()
    made.trail.close()
    made.engine.dispose()


def test_away_for_a_while_loses_nothing_and_keeps_the_order(centre):
    order = centre.place()
    centre.receiver.silent = True
    do(centre, "started", order.number)
    tell(centre)
    do(centre, "completed", order.number)
    tell(centre)
    assert len(centre.receiver.got) == 1
    centre.receiver.silent = False
    centre.clock.pass_(minutes=2)
    time.sleep(1.1)  # those of one batch do not wait for a silent line again
    tell(centre)
    controls = [read(each).control for each in centre.receiver.got]
    assert controls[0] == controls[1]  # the same message again has the same number
    assert [read(each).first("ORC").text(5) for each in centre.receiver.got] == ["IP", "IP", "CM"]


def test_a_connection_that_was_closed_in_between_is_no_failure(centre):
    order = centre.place()
    do(centre, "started", order.number)
    tell(centre)
    centre.receiver.drop()
    time.sleep(0.1)
    do(centre, "completed", order.number)
    tell(centre)
    assert [read(each).first("ORC").text(5) for each in centre.receiver.got] == ["IP", "CM"]


@pytest.mark.parametrize(("verdict", "state"), [("AE", "parked"), ("CE", "parked"), ("AR", "queued"), ("CA", "")])
def test_what_an_answer_means(centre, verdict, state):
    centre.receiver.verdict = verdict
    order = centre.place()
    do(centre, "started", order.number)
    tell(centre)
    waiting = centre.service.messages.listed(["parked", "queued"], 10)
    assert [each.state for each in waiting] == ([state] if state else [])
    if state == "parked":
        centre.receiver.verdict = "AA"
        centre.service.messages.repeat()
        tell(centre)
        assert centre.service.messages.listed(["parked", "queued"], 10) == []


def test_a_message_carried_out_by_hand_is_told_of(centre):
    """Who sent it was told AE: that it went well after all is an event."""
    cancel = edit(OMI, "M1", ORC_1="CA")
    centre.hl7.intake.take(cancel.encode(), HOME)
    centre.place()
    centre.hl7.repeat(None, "operator")
    tell(centre)
    assert [read(each).first("ORC").text(5) for each in centre.receiver.got] == ["CA"]


def test_who_is_taken_out_of_the_registry_is_told_no_more(centre):
    centre.service.subscriptions.configure("mllp://", [])
    order = centre.place()
    do(centre, "started", order.number)
    tell(centre)
    assert centre.receiver.got == []
    assert centre.service.messages.counts() == {}


@pytest.mark.parametrize("message", [OMI, MERGE])
def test_the_examples_and_our_answers_are_of_the_standard(centre, message):
    valid(message.encode())
    replies = centre.hl7.intake.take(message.encode(), HOME)
    for each in replies:
        valid(next(iter(Framing(10**6).feed(each))))
    wrong = centre.hl7.intake.take(edit(message, "V2", PID_3="").encode(), HOME)
    valid(next(iter(Framing(10**6).feed(wrong[0]))))


def test_the_older_example_is_read(centre):
    replies = centre.hl7.intake.take(ORM.encode(), HOME)
    assert read(next(iter(Framing(10**6).feed(replies[0])))).kind == ("ORR", "O02")
