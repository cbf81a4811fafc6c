"""A consultation that the МИС asks for is a request at the desk, in the transaction of the message (I9, I10)."""

import copy
import json
import re
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cami.access import GrantBook, Identity, Role
from cami.consultations import Drafts, Outside, RouteTable, Workflow
from cami.consultations.bindings import AuditJournal, EventOutlet, GrantRights
from cami.consultations.catalogue import Found
from cami.consultations.request import ChosenStudy, Person, load
from cami.consultations.states import Command
from cami.consultations.workflow import Change
from cami.db.tables import consultation, mis_consultation, mis_resource
from cami.edge.mis_consultations import MisConsultations
from cami.mis.validation import model
from cami.retrieval.columns import Columns
from tests.unit.mis.conftest import Client, bundle, make
from tests.unit.mis.test_telling import Receiver, image, subscribe, tell

EXAMPLE = json.loads(
    re.search(r"## 9\..*?```json\n(.*?)```", Path("docs/mis-contract.md").read_text("utf-8"), re.DOTALL)[1]
)
CONSULTANT = Identity("con.42900", "Мнениев Б. Я.", Role.CONSULTANT, "42900")
CENTRE_OID = "1.2.643.5.1.13.13.12.2.42.9900"


class Shelf:
    """The studies of МО 42001."""

    def __init__(self, centre):
        self.centre = centre

    def find(self, mo, study_uid):
        if mo != "42001":
            return None
        columns = Columns("Тестова^Анна", "4512207", "19610314", "F", "20260101", "0305", "A1", "CT", "КТ ОБП")
        return Found(ChosenStudy(study_uid, f"id-{study_uid}", mo, modalities="CT"), columns)


@pytest.fixture
def centre(tmp_path):
    desk, receiver = MisConsultations(), Receiver()
    made = make(tmp_path / "centre.sqlite", post=receiver, desk=desk)
    made.receiver = receiver
    routes, journal = RouteTable(made.region), AuditJournal(made.trail)
    made.workflow = Workflow(
        made.clock, routes, rights=GrantRights(GrantBook(made.clock)), journal=journal,
        outlet=EventOutlet(made.events),
    )  # fmt: skip
    drafts = Drafts(made.engine, made.clock, routes, Shelf(made), journal)
    desk.desk = Outside(made.clock, routes, drafts, made.workflow)
    assert made.client.call("POST", "", bundle()).status == 200
    image(made, 1, confirmed=True)
    yield made
    made.trail.close()
    made.engine.dispose()


def asking(centre, **inputs):
    """The example of the contract, for the patient and the study that are there; inputs changed, None: left out."""
    asked = copy.deepcopy(EXAMPLE)
    patient = centre.client.call("GET", "/ServiceRequest/sr-1").json["subject"]
    role = centre.client.call("GET", "/ServiceRequest/sr-1").json["requester"]
    condition = centre.client.call("GET", "/ServiceRequest/sr-1").json["reasonReference"]
    request, task = (each["resource"] for each in asked["entry"])
    request |= {"subject": patient, "requester": role, "reasonReference": condition}
    task |= {"for": patient, "requester": role}
    kept = []
    for each in task["input"]:
        code = each["type"]["coding"][0]["code"]
        if code in inputs:
            if inputs[code] is None:
                continue
            name = next(name for name in each if name.startswith("value"))
            each[name] = inputs[code]
        kept.append(each)
    task["input"] = kept
    return asked


def rows(centre, table):
    with centre.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def case(centre, number=1):
    with centre.engine.connect() as connection:
        return load(connection, number)


def test_it_is_a_request_at_the_desk(centre):
    answer = centre.client.call("POST", "", asking(centre))
    assert answer.status == 200, answer.body.decode()
    task = answer.json["entry"][1]["resource"]
    model("Task").model_validate(task)
    assert (task["status"], task["businessStatus"]["coding"][0]["code"]) == ("requested", "sent")
    assert {"system": "urn:cami:consultation", "value": "1"} in task["identifier"]
    found = case(centre)
    request = found.request
    assert (request.mo, request.asker, request.asker_name) == ("42001", "mis:kuzdrav", "Образцов Илья Сергеевич")
    assert (request.urgency, request.profile, request.route) == ("stat", "radiology", "radiology-centre")
    assert (request.diagnosis, request.inpatient, request.consent) == ("K85.8", True, True)
    assert request.question == "Имеется ли панкреонекроз? Показан ли перевод?"
    assert "ОРИТ" in request.history
    assert found.offers == {"42900"}
    assert [study.study_uid for study in found.studies] == [centre.orders.get(1).study_uid]
    again = centre.client.call("GET", f"/Task/{task['id']}").json
    assert again == task
    number = "identifier=urn:oid:1.2.643.5.1.13.13.12.2.42.9999.100.1.1.59|TMK-2026-001877".partition("=")[2]
    assert centre.client.call("GET", "/Task", query={"identifier": number}).json["entry"][0]["resource"] == task


def test_the_same_request_again_is_that_one(centre):
    asked = asking(centre)
    one, two = centre.client.call("POST", "", asked), centre.client.call("POST", "", asked)
    assert (one.status, two.status) == (200, 200)
    assert two.json["entry"][1]["resource"] == one.json["entry"][1]["resource"]
    assert two.json["entry"][1]["response"]["status"] == "200 OK"
    assert rows(centre, consultation) == rows(centre, mis_consultation) == 1


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"phone": None}, "CAMI-0082"),
        ({"consent": None, "form": {"coding": [{"code": "urgent"}]}}, "CAMI-0083"),
        ({"profile": {"text": "Астрология"}}, "CAMI-0084"),
        ({"study": {"reference": "ImagingStudy/none"}}, "CAMI-0081"),
        ({"form": {"coding": [{"code": "whenever"}]}}, "CAMI-0086"),
        ({"mode": {"coding": [{"code": "telepathy"}]}}, "CAMI-0086"),
        ({"question": None}, "CAMI-0010"),
    ],
)
def test_what_does_not_fit_is_refused_whole(centre, inputs, code):
    before = rows(centre, mis_resource)
    answer = centre.client.call("POST", "", asking(centre, **inputs))
    assert (answer.status, answer.codes[0][0]) == (422, code), answer.body.decode()
    assert (rows(centre, consultation), rows(centre, mis_resource)) == (0, before)


def test_no_route_leads_there(centre):
    asked = asking(centre)
    asked["entry"][1]["resource"]["owner"]["identifier"]["value"] = "1.2.643.5.1.13.13.12.2.42.9902"
    assert centre.client.call("POST", "", asked).codes[0][0] == "CAMI-0080"
    asked["entry"][1]["resource"]["owner"]["identifier"]["value"] = "1.2.3"
    assert centre.client.call("POST", "", asked).codes[0][0] == "CAMI-0031"


def test_it_is_told_how_it_goes_and_may_withdraw(centre):
    subscribe(centre.client, "Task?")
    task = centre.client.call("POST", "", asking(centre)).json["entry"][1]["resource"]
    with centre.engine.begin() as connection:
        centre.workflow.move(connection, load(connection, 1), Change(Command.TAKE, Person.of(CONSULTANT)))
    tell(centre)
    states = [
        (told["id"], told["status"]) for told in centre.receiver.resources() if told["resourceType"] == "Task"
    ]  # fmt: skip
    assert states == [(task["id"], "requested"), (task["id"], "in-progress")]
    now = centre.client.call("GET", f"/Task/{task['id']}").json
    assert now["executionPeriod"]["start"]
    gone = {**now, "status": "cancelled", "statusReason": {"text": "Пациент переведён"}}
    stale = centre.client.call("PUT", f"/Task/{task['id']}", gone, headers={"if-match": 'W/"1"'})
    assert stale.codes[0][0] == "CAMI-0040"
    other = Client(centre.service, centre.service.tokens.issue("other"))
    etag = {"if-match": f'W/"{now["meta"]["versionId"]}"'}
    assert other.call("PUT", f"/Task/{task['id']}", gone, headers=etag).status == 404
    assert other.call("GET", f"/Task/{task['id']}").status == 404
    done = centre.client.call("PUT", f"/Task/{task['id']}", gone, headers=etag)
    assert (done.status, done.json["status"]) == (200, "cancelled"), done.body.decode()
    assert (case(centre).request.state, case(centre).request.reason_text) == ("cancelled", "Пациент переведён")
    late = centre.client.call(
        "PUT", f"/Task/{task['id']}", {**gone, "status": "in-progress"}, headers={"if-match": done.headers["ETag"]}
    )
    assert late.codes[0][0] == "CAMI-0043"


def test_another_mis_cannot_ask_about_the_study(centre):
    other = Client(centre.service, centre.service.tokens.issue("other"))
    assert other.call("POST", "", asking(centre)).codes[0][0] == "CAMI-0081"
