"""What the МИС is told: at least once, in order for each patient, none twice by id unless a sender died."""

import json
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import insert, select, update

from cami.db.tables import indexed_name, indexed_study, mis_message, study, study_claim, study_match
from cami.events import NewEvent
from cami.matching import OrderedStudies
from cami.mis.messages import GIVE_UP, LEASE, Messages
from cami.mis.ports import Signature, SignedReport
from cami.mis.sender import Sender, Sent
from cami.mis.tidings import StudyWatch
from cami.mis.validation import model
from cami.web import Request
from cami_cli.mis.messages import merge_parameters
from tests.unit.mis.conftest import PATIENT, SECRET, Client, bundle, make


class Receiver:
    """The other side of the web hook."""

    def __init__(self):
        self.got = []
        self.status = 200
        self.dies = False

    def __call__(self, subscription, message):
        if self.status == 0:
            return Sent(0, "no-answer")
        if self.status >= 400:
            return Sent(self.status, f"http-{self.status}")
        self.got.append(message)
        if self.dies:
            raise KeyboardInterrupt  # the process is killed before it could write down the answer
        return Sent(200)

    def abouts(self, kind=""):
        return [(message.kind, message.about) for message in self.got if message.kind.startswith(kind)]

    def resources(self):
        return [json.loads(message.body) for message in self.got]


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def centre(tmp_path, receiver):
    made = make(tmp_path / "centre.sqlite", post=receiver)
    yield made
    made.trail.close()
    made.engine.dispose()


def subscribe(client, criteria, *, endpoint="https://mis.example/hook", **more):
    channel = {"type": "rest-hook" if endpoint else "message", "payload": "application/fhir+json"}
    if endpoint:
        channel |= {"endpoint": endpoint, "header": ["Authorization: Bearer secret"]}
    body = {"resourceType": "Subscription", "status": "requested", "reason": "МИС", "criteria": criteria}
    return client.call("POST", "/Subscription", {**body, "channel": channel, **more})


def do(centre, name, *arguments, **more):
    with centre.engine.begin() as connection:
        return getattr(centre.orders, name)(connection, *arguments, by="system", **more)


def tell(centre):
    while centre.service.announcer.step():
        pass
    while centre.service.sender.step():
        pass


def image(centre, order, *, study_id="study-1", confirmed=False):
    """Put a linked study of an order into the tables, as delivery, the index and matching do."""
    now = centre.clock.now()
    uid = centre.orders.get(order).study_uid
    with centre.engine.begin() as connection:
        connection.execute(insert(study_claim).values(study_uid=uid, owner="42001", claimed_at=now))
        connection.execute(
            insert(study).values(
                study_id=study_id,
                study_uid=uid,
                owner="42001",
                modality="CT",
                claimed_at=now,
                labelled=True,
                first_stored_at=now,
                last_stored_at=now,
                confirmed_at=now if confirmed else None,
            )
        )
        connection.execute(
            insert(study_match).values(
                study_id=study_id,
                owner="42001",
                study_uid=uid,
                state="linked",
                order_number=order,
                findings="[]",
                candidates="[]",
                facts="{}",
                study_day="20260101",
                began_at=now,
                decided_by="system",
                judged_at=now,
            )
        )
        payload = {"order": order, "mo": "42001", "study_id": study_id, "study_uid": uid}
        centre.events.append(connection, NewEvent("study.matched", uid, payload))


def confirm(centre, study_id="study-1"):
    centre.clock.pass_(seconds=30)
    with centre.engine.begin() as connection:
        now = centre.clock.now()
        connection.execute(
            update(study).where(study.c.study_id == study_id).values(last_stored_at=now, confirmed_at=now)
        )


def test_an_order_is_followed_to_its_end(centre, receiver):
    for criteria in ("Task?", "ImagingStudy?"):
        assert subscribe(centre.client, criteria).status == 201
    centre.client.call("POST", "", bundle())
    tell(centre)
    assert receiver.got == []  # what the МИС did itself it is not told
    do(centre, "started", 1)
    image(centre, 1)
    tell(centre)
    confirm(centre)
    do(centre, "completed", 1)
    centre.service.watch.step()
    tell(centre)
    assert receiver.abouts() == [
        ("order.started", "Task/t-1"),
        ("study.matched", "ImagingStudy/study-1"),
        ("order.completed", "Task/t-1"),
        ("order.completed", "ImagingStudy/study-1"),
    ]
    started, registered, completed, available = receiver.resources()
    for resource in receiver.resources():
        model(resource["resourceType"]).model_validate(resource)
    assert (started["status"], completed["status"]) == ("in-progress", "completed")
    assert (registered["status"], available["status"]) == ("registered", "available")
    assert available["meta"]["versionId"] == "2"
    assert available["basedOn"][0]["identifier"]["value"] == "2611-0004512"
    assert available["subject"]["identifier"]["value"] == PATIENT.number
    link = next(each["valueUrl"] for each in available["extension"] if each["url"] == "urn:cami:viewer-link")
    assert link.startswith("https://cami.example/cami/s/2.25.")
    assert centre.client.call("GET", "/ImagingStudy/study-1").json["status"] == "available"
    found = centre.client.call("GET", "/ImagingStudy", query={"based-on": "ServiceRequest/sr-1"}).json
    assert [each["resource"]["id"] for each in found["entry"]] == ["study-1"]


def test_more_images_are_told_of_again(centre, receiver):
    subscribe(centre.client, "ImagingStudy?")
    centre.client.call("POST", "", bundle())
    image(centre, 1, confirmed=True)
    tell(centre)
    confirm(centre)
    with centre.engine.begin() as connection:
        connection.execute(insert(indexed_name).values(name_id=1, owner="42001", folded="", latin="", cyrillic=False))
        connection.execute(
            insert(indexed_study).values(
                study_id="study-1",
                owner="42001",
                study_uid="1",
                patient_key="",
                patient_id="",
                name_id=1,
                birth_date="",
                sex="",
                study_date="20260101",
                study_time="143802.5",
                accession="",
                study_number="",
                description="",
                institution="",
                referrer="",
                modalities="\\CT\\SR\\",
                series=2,
                instances=5,
                last_update="",
                tags="{}",
                read_at=centre.clock.now(),
            )
        )
    assert centre.service.watch.step()
    assert not centre.service.watch.step()
    tell(centre)
    first, second = receiver.resources()
    assert (first["numberOfInstances"], second["numberOfInstances"]) == (0, 5)
    assert [each["code"] for each in second["modality"]] == ["CT", "SR"]
    assert second["started"] == "2026-01-01T14:38:02+07:00"


def test_a_receiver_that_is_away_gets_everything_in_order(centre, receiver):
    subscribe(centre.client, "Task?")
    centre.client.call("POST", "", bundle())
    receiver.status = 0
    for step in ("started", "completed", "released", "started"):
        do(centre, step, 1)
    tell(centre)
    centre.clock.pass_(hours=1)
    tell(centre)
    assert receiver.got == []
    receiver.status = 200
    centre.clock.pass_(minutes=1)
    tell(centre)
    kinds = [message.kind for message in receiver.got]
    assert kinds == ["order.started", "order.completed", "order.released", "order.started"]
    numbers = [message.number for message in receiver.got]
    assert numbers == sorted(numbers)
    assert len({message.event_id for message in receiver.got}) == 4


def test_a_message_that_is_refused_waits_longer_each_time_and_is_parked(centre, receiver):
    subscribe(centre.client, "Task?")
    centre.client.call("POST", "", bundle())
    do(centre, "started", 1)
    receiver.status = 500
    tell(centre)

    def row():
        with centre.engine.connect() as connection:
            return connection.execute(select(mis_message)).first()

    began = centre.clock.now()
    assert 48 <= (row().not_before - began).total_seconds() <= 72
    for _ in range(40):
        if row().state == "parked":
            break
        centre.clock.time = row().not_before
        tell(centre)
    assert row().state == "parked"
    assert GIVE_UP <= centre.clock.now() - began <= GIVE_UP * 1.2
    assert row().reason == "http-500"
    receiver.status = 200
    tell(centre)
    assert receiver.got == []
    assert centre.service.messages.repeat() == 1
    tell(centre)
    assert receiver.abouts() == [("order.started", "Task/t-1")]
    assert row().body == ""


def test_what_is_parked_lets_others_pass(centre, receiver):
    subscribe(centre.client, "Task?")
    centre.client.call("POST", "", bundle())
    do(centre, "started", 1)
    receiver.status = 422
    tell(centre)
    receiver.status = 200
    do(centre, "completed", 1)
    tell(centre)
    assert receiver.abouts() == [("order.completed", "Task/t-1")]
    counts = next(iter(centre.service.messages.counts().values()))
    assert (counts.queued, counts.parked, counts.delivered) == (0, 1, 1)


def test_two_replicas_do_not_send_the_same(centre, receiver):
    subscribe(centre.client, "Task?")
    centre.client.call("POST", "", bundle())
    do(centre, "started", 1)
    do(centre, "completed", 1)
    centre.service.announcer.step()
    (subscription,) = centre.service.subscriptions.active()
    one, two = (Messages(centre.engine, centre.clock) for _ in range(2))
    (held,) = one.claim("one", subscription.id, 10)
    assert two.claim("two", subscription.id, 10) == []  # neither the same nor the next of that patient
    centre.clock.pass_(seconds=LEASE.total_seconds() + 1)
    (again,) = two.claim("two", subscription.id, 10)
    assert again.event_id == held.event_id
    with centre.engine.begin() as connection:
        one.delivered(connection, held, "one")  # too late: it has lost the lease
    assert one.counts()[subscription.id].queued == 2


def test_a_mis_is_told_of_its_own_orders_alone(centre, receiver):
    other = Client(centre.service, centre.service.tokens.issue("other"))
    subscribe(other, "Task?")
    centre.client.call("POST", "", bundle())
    do(centre, "started", 1)
    tell(centre)
    assert receiver.got == []


def test_a_subscription_may_be_of_one_organization(centre, receiver):
    oid = "urn:oid:1.2.643.5.1.13.13.11.1461|1.2.643.5.1.13.13.12.2.42.990"
    subscribe(centre.client, f"Task?owner:identifier={oid}2")
    centre.client.call("POST", "", bundle())
    do(centre, "started", 1)
    tell(centre)
    assert receiver.got == []
    assert subscribe(centre.client, f"Task?owner:identifier={oid}5").codes == [("CAMI-0031", "Subscription.criteria")]


def test_who_asks_by_himself_finds_what_happened(centre, receiver):
    made = subscribe(centre.client, "Task?", endpoint="")
    centre.client.call("POST", "", bundle())
    do(centre, "started", 1)
    do(centre, "completed", 1)
    tell(centre)
    assert receiver.got == []
    path = f"/Subscription/{made.json['id']}/$events"
    first = centre.client.call("GET", path, query={"_count": "1"}).json
    model("Bundle").model_validate(first)
    number = first["entry"][0]["response"]["etag"][3:-1]
    rest = centre.client.call("GET", path, query={"eventsSinceNumber": number}).json
    assert [each["resource"]["status"] for each in first["entry"] + rest["entry"]][-1] == "completed"
    assert rest["total"] == 1


@pytest.mark.parametrize(
    ("endpoint", "criteria", "code"),
    [
        ("http://mis.example/hook", "Task?", "CAMI-0061"),
        ("ftp://mis.example/hook", "Task?", "CAMI-0061"),
        ("https://mis.example/hook", "Patient?", "CAMI-0026"),
        ("https://mis.example/hook", "Task?colour=red", "CAMI-0026"),
    ],
)
def test_unsafe_and_unknown_subscriptions_are_refused(centre, endpoint, criteria, code):
    answer = subscribe(centre.client, criteria, endpoint=endpoint)
    assert (answer.status, answer.codes[0][0]) == (422, code)


def test_secrets_of_a_subscription_are_not_shown(centre):
    made = subscribe(centre.client, "Task?")
    assert made.json["channel"]["header"] == ["Authorization: ***"]
    assert centre.client.call("DELETE", f"/Subscription/{made.json['id']}").status == 204
    assert centre.client.call("GET", f"/Subscription/{made.json['id']}").json["status"] == "off"


PDF, XML, SIGNED = b"%PDF-1.7\x00\xff exactly", b"<ClinicalDocument/>", bytes(range(256))


class Reports:
    def __init__(self, centre):
        self.centre = centre

    def report(self, payload):
        now = self.centre.clock.now()
        return SignedReport(
            number="R-2026-1", version=payload["version"], study_uids=tuple(payload["studies"]), issued=now,
            author="Примерова Ольга Игоревна", author_snils="70012345820", author_login="rad.42001", mo="42900",
            title="Протокол консультации", pdf=PDF, xml=XML, findings="…", conclusion="Норма",
            signatures=(Signature(SIGNED, "author", now, "application/xml"), Signature(b"mo", "organization", now)),
        )  # fmt: skip


def test_a_signed_report_arrives_byte_for_byte(tmp_path, receiver):
    import base64

    reports = Reports(None)
    centre = make(tmp_path / "reports.sqlite", post=receiver, reports=reports)
    reports.centre = centre
    subscribe(centre.client, "DiagnosticReport?")
    subscribe(centre.client, "Task?")
    centre.client.call("POST", "", bundle())
    image(centre, 1, confirmed=True)
    uid = centre.orders.get(1).study_uid
    payload = {"number": 7, "version": 1, "state": "done", "mo": "42001", "to_mo": "42900", "studies": [uid]}
    with centre.engine.begin() as connection:
        centre.events.append(connection, NewEvent("consultation.state", uid, payload))
        centre.events.append(connection, NewEvent("report.signed", uid, payload))
    tell(centre)
    found = {message.about: json.loads(message.body) for message in receiver.got}
    assert found["Task/c-7"]["status"] == "completed"
    sent = found["DiagnosticReport/R-2026-1/1"]
    for resource in found.values():
        model(resource["resourceType"]).model_validate(resource)
    by_type = {}
    for entry in sent["entry"]:
        by_type.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    assert [base64.b64decode(each["data"]) for each in by_type["Binary"]] == [PDF, XML]
    signature = by_type["Provenance"][0]["signature"][0]
    assert base64.b64decode(signature["data"]) == SIGNED
    assert by_type["DiagnosticReport"][0]["basedOn"] == [{"reference": "ServiceRequest/sr-1"}]
    # The same bundle is what the МИС may send to us: it is taken, and comes back as the same bytes.
    back = centre.client.call("POST", "", sent)
    assert back.status == 200, back.body.decode()
    report = centre.client.call("GET", "/DiagnosticReport", query={"identifier": "urn:cami:report|R-2026-1"}).json
    forms = report["entry"][0]["resource"]["presentedForm"]
    assert base64.b64decode(centre.client.call("GET", "/" + forms[0]["url"]).json["data"]) == PDF
    unsigned = {**sent, "entry": [each for each in sent["entry"] if each["resource"]["resourceType"] != "Provenance"]}
    assert centre.client.call("POST", "", unsigned).codes[0][0] == "CAMI-0051"
    centre.trail.close()
    centre.engine.dispose()


class Outgoing(RuleBasedStateMachine):
    """Events of two patients, a receiver that comes and goes, senders that die at any point."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.receiver = Receiver()
        self.centre = make(Path(self.folder.name) / "centre.sqlite", post=self.receiver)
        subscribe(self.centre.client, "Task?")
        for number, who in (("1", PATIENT), ("2", replace(PATIENT, number="77", snils="", enp=""))):
            self.centre.client.call("POST", "", bundle(number, patient=who))
        self.made = 0
        self.sender = self.centre.service.sender

    def teardown(self):
        self.receiver.status, self.receiver.dies = 200, False
        for _ in range(3):
            self.centre.clock.pass_(hours=7)
            self.centre.service.announcer.step()
            while self.sender.step():
                pass
        ids = {message.event_id for message in self.receiver.got}
        assert len(ids) == self.made, "something was lost"
        self.centre.trail.close()
        self.centre.engine.dispose()
        self.folder.cleanup()

    @rule(order=st.integers(1, 2))
    def happen(self, order):
        state = self.centre.orders.get(order).state
        do(self.centre, {"accepted": "started", "started": "completed", "completed": "released"}[state], order)
        self.made += 1

    @rule()
    def announce(self):
        self.centre.service.announcer.step()

    @rule(status=st.sampled_from([0, 200, 200, 503]))
    def answer_with(self, status):
        self.receiver.status = status

    @rule(dies=st.booleans())
    def send(self, dies):
        self.receiver.dies = dies
        with suppress(KeyboardInterrupt):
            self.sender.step()
        if dies:
            service = self.centre.service
            self.sender = Sender(
                self.centre.engine, self.centre.clock, service.subscriptions, service.messages, self.receiver
            )

    @rule(seconds=st.sampled_from([1, 70, 130, 4000]))
    def wait(self, seconds):
        self.centre.clock.pass_(seconds=seconds)

    @invariant()
    def in_order_for_each_patient(self):
        for key in {message.key for message in self.receiver.got}:
            first = list(dict.fromkeys(message.number for message in self.receiver.got if message.key == key))
            assert first == sorted(first)


TestOutgoing = Outgoing.TestCase
TestOutgoing.settings = settings(max_examples=10, stateful_step_count=25)


def test_watch_costs_nothing_without_studies(centre):
    assert not StudyWatch(centre.engine, centre.clock, centre.events).step()


def test_a_mis_that_asks_for_a_token_is_tried_at_once(centre, receiver):
    subscribe(centre.client, "Task?")
    centre.client.call("POST", "", bundle())
    do(centre, "started", 1)
    receiver.status = 0
    tell(centre)
    receiver.status = 200
    tell(centre)
    assert receiver.got == []
    token = next(each for each in centre.service.endpoints() if each.pattern == "/cami/oauth/token")
    form = f"grant_type=client_credentials&client_id=kuzdrav&client_secret={SECRET}".encode()
    assert token.handler(Request("POST", "/cami/oauth/token", {}, {}, form)).status == 200
    tell(centre)
    assert len(receiver.got) == 1


def test_the_list_of_studies_shows_the_order_and_follows_a_merge(centre):
    centre.client.call("POST", "", bundle())
    image(centre, 1, confirmed=True)
    ordered = OrderedStudies(centre.engine, centre.patients)
    (note,) = ordered.orders(["study-1", "other"]).values()
    assert (note.number, note.requester, note.merged_card) == ("2611-0004512", "Образцов Илья Сергеевич", "")
    centre.client.call("POST", "", bundle("2", patient=replace(PATIENT, number="3300518", snils="", enp="")))
    assert centre.client.call("POST", "/Patient/$merge", merge_parameters("4512207", "3300518")).status == 200
    (note,) = ordered.orders(["study-1"]).values()
    assert (note.merged_card, note.merged_name) == ("3300518", "Тестова Анна Петровна")
