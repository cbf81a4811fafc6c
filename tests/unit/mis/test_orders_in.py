"""Orders by FHIR: what comes of them, what refuses them, and that nothing is half done."""

import copy
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from cami.db.tables import imaging_order, mis_resource, patient
from cami.mis.problems import CODES
from cami.mis.validation import model
from cami_cli.mis.messages import ORDER_SYSTEM, PATIENT_SYSTEM, merge_parameters, patient_resource
from tests.unit.mis.conftest import PATIENT, Client, bundle


def kinds(centre):
    return [event.kind for event in centre.events.after(0, (), 1000)]


def rows(centre, table):
    with centre.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def resource(answer, type_):
    return next(e["resource"] for e in answer.json["entry"] if e.get("resource", {}).get("resourceType") == type_)


def placed(client, **more):
    answer = client.call("POST", "", bundle(**more))
    assert answer.status == 200, answer.body.decode()
    return resource(answer, "ServiceRequest")


def test_an_order_gets_its_numbers_and_is_an_order(centre, client):
    request = placed(client)
    numbers = {each["system"]: each["value"] for each in request["identifier"]}
    (open_,) = centre.orders.open_for("42001")
    order = open_.order
    assert numbers["urn:cami:accession"] == order.accession
    assert numbers["urn:dicom:uid"] == f"urn:oid:{order.study_uid}"
    assert (order.mo, order.device_aet, order.modality, order.priority) == ("42001", "CT42001", "CT", "urgent")
    assert (order.requester, order.requester_snils, order.requesting_mo) == (
        "Образцов Илья Сергеевич", "70012345719", "42001",
    )  # fmt: skip
    assert (order.diagnosis_code, order.reason) == ("K85.8", "Исключить панкреонекроз")
    assert order.due_at.isoformat() == "2026-01-02T06:05:11+00:00"
    assert open_.patient.person.family == "Тестова"
    assert kinds(centre) == ["order.accepted"]


def test_what_we_answer_is_fhir(client):
    answer = client.call("POST", "", bundle())
    model("Bundle").model_validate(answer.json)
    for address in ("/ServiceRequest/sr-1", "/Task/t-1", "/metadata"):
        found = client.call("GET", address).json
        model(found["resourceType"]).model_validate(found)
    model("Bundle").model_validate(client.call("GET", "/Task", query={"_count": "1"}).json)
    model("OperationOutcome").model_validate(client.call("GET", "/Task/t-9").json)


def test_the_same_key_is_the_same_answer(centre, client):
    first = client.call("POST", "", bundle(), key="k1")
    again = client.call("POST", "", bundle("2"), key="k1")
    assert again.codes == [("CAMI-0045",)]
    body = json.dumps(bundle()).encode()
    one, two = client.call("POST", "", body, key="k2"), client.call("POST", "", body, key="k2")
    assert (two.status, two.body) == (one.status, one.body)
    assert two.headers["Idempotency-Replayed"] == "true"
    assert rows(centre, imaging_order) == 1
    assert first.status == 200
    assert client.call("POST", "", bundle(), key=False).codes == [("CAMI-0046",)]


def test_the_same_number_with_another_key_is_the_same_order(centre, client):
    one, two = placed(client), placed(client)
    assert two == one
    answer = client.call("POST", "", bundle())
    assert [e["response"]["status"][:3] for e in answer.json["entry"]][-2:] == ["200", "200"]
    assert kinds(centre) == ["order.accepted"]


@pytest.mark.parametrize(
    ("index", "field", "code", "place"),
    [
        (0, "identifier", "CAMI-0012", "Bundle.entry[0].resource.identifier"),
        (0, "birthDate", "CAMI-0013", "Bundle.entry[0].resource"),
        (4, "identifier", "CAMI-0011", "Bundle.entry[4].resource.identifier"),
        (4, "code", "CAMI-0014", "Bundle.entry[4].resource.code"),
        (4, "performer", "CAMI-0016", "Bundle.entry[4].resource.performer"),
        (4, "priority", "CAMI-0019", "Bundle.entry[4].resource.priority"),
        (4, "requester", "CAMI-0017", "Bundle.entry[4].resource.requester"),
        (4, "reasonCode", "CAMI-0018", "Bundle.entry[4].resource.reasonCode"),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_kept(centre, index, field, code, place):
    client = centre.client
    message = bundle()
    del message["entry"][index]["resource"][field]
    if field == "identifier":
        message["entry"][index]["request"] = {
            "method": "POST",
            "url": message["entry"][index]["resource"]["resourceType"],
        }
    answer = client.call("POST", "", message)
    assert answer.status == 422
    assert (code, place) in answer.codes
    assert (rows(centre, patient), rows(centre, imaging_order), rows(centre, mis_resource)) == (0, 0, 0)
    assert kinds(centre) == []


def test_modality_follows_from_the_method(centre, client):
    message = bundle()
    message["entry"][4]["resource"]["orderDetail"] = []
    del message["entry"][4]["resource"]["orderDetail"]
    assert client.call("POST", "", message).status == 200
    assert centre.orders.get(1).modality == "CT"


def test_unknown_organization_and_device_are_named(client):
    assert client.call("POST", "", bundle(oid="1.2.643.5.1.13.13.12.2.42.1")).codes == [
        ("CAMI-0031", "Bundle.entry[4].resource.performer[0]")
    ]
    assert client.call("POST", "", bundle(oid="1.2.643.5.1.13.13.12.2.42.9900", aet="")).codes == [
        ("CAMI-0033", "Bundle.entry[4].resource.performer[0]")
    ]
    assert client.call("POST", "", bundle(aet="CT42002")).codes == [
        ("CAMI-0032", "Bundle.entry[4].resource.locationReference[0]")
    ]


def test_check_digits_warn_and_do_not_refuse(client):
    answer = client.call("POST", "", bundle(patient=replace(PATIENT, snils="70012345600")))
    assert answer.status == 200
    warned = answer.json["entry"][0]["response"]["outcome"]["issue"][0]
    assert (warned["severity"], warned["details"]["coding"][0]["code"]) == ("warning", "CAMI-0021")


def test_what_is_no_fhir_is_refused_with_its_place(client):
    message = bundle()
    message["entry"][4]["resource"]["nonsense"] = 1
    message["entry"][0]["resource"]["birthDate"] = "14.03.1961"
    answer = client.call("POST", "", message)
    assert answer.status == 422
    assert set(answer.codes) == {
        ("CAMI-0020", "Bundle.entry[0].resource.birthDate"),
        ("CAMI-0020", "Bundle.entry[4].resource.nonsense"),
    }
    assert client.call("POST", "", b"{not json").codes == [("CAMI-0091",)]
    assert client.call("POST", "", b"[]").status == 400
    assert client.call("POST", "", bundle(), content_type="text/xml").status == 415


def test_no_answer_to_what_is_wrong_repeats_the_patient(client):
    message = bundle()
    message["entry"][0]["resource"]["gender"] = "Тестова"
    message["entry"][4]["resource"]["reasonCode"] = [{"text": 5}]
    answer = client.call("POST", "", message)
    text = answer.body.decode()
    assert answer.status == 422
    assert not any(word in text for word in ("Тестова", "4512207", "70012345618", "1961"))


def test_a_reference_that_leads_nowhere_is_refused(client):
    message = bundle()
    message["entry"][4]["resource"]["subject"] = {"reference": "urn:uuid:00000000-0000-4000-8000-0000000000ff"}
    assert client.call("POST", "", message).codes == [("CAMI-0030", "Bundle.entry[4].resource")]
    message["entry"][4]["resource"]["subject"] = {"reference": "Patient/nobody"}
    assert client.call("POST", "", message).codes == [("CAMI-0030", "Bundle.entry[4].resource.subject")]


def test_the_order_of_the_entries_does_not_matter(client):
    message = bundle()
    message["entry"].reverse()
    answer = client.call("POST", "", message)
    assert answer.status == 200
    assert answer.json["entry"][0]["response"]["location"].startswith("Task/t-1/")


def changed(client, version="1", **values):
    sent = client.call("GET", "/ServiceRequest/sr-1").json
    return client.call(
        "PUT", "/ServiceRequest/sr-1", {**sent, **values}, headers={"if-match": f'W/"{version}"'} if version else {}
    )


def test_a_change_needs_the_version_that_it_is_of(centre, client):
    placed(client)
    answer = changed(client, priority="stat")
    assert (answer.status, answer.headers["ETag"]) == (200, 'W/"2"')
    assert centre.orders.get(1).priority == "stat"
    stale = changed(client, priority="routine")
    assert (stale.status, stale.codes) == (412, [("CAMI-0040", "ServiceRequest")])
    assert changed(client, version="", priority="routine").codes == [("CAMI-0047",)]
    assert kinds(centre) == ["order.accepted", "order.changed"]


def start(centre, number=1):
    with centre.engine.begin() as connection:
        centre.orders.started(connection, number, by="system")


def cancel(client, version="1", reason="patient-refused"):
    sent = client.call("GET", "/Task/t-1").json
    coding = {"system": "urn:cami:cancel-reason", "code": reason}
    body = {**sent, "status": "cancelled", "statusReason": {"coding": [coding], "text": "Отказ пациента"}}
    return client.call("PUT", "/Task/t-1", body, headers={"if-match": f'W/"{version}"'})


def test_after_the_start_the_images_are_not_to_be_changed(centre, client):
    placed(client)
    start(centre)
    assert changed(client, "2", bodySite=[{"text": "Голова"}]).codes == [("CAMI-0041", "ServiceRequest")]
    assert changed(client, "2", priority="stat").status == 200
    assert cancel(client, "3").codes == [("CAMI-0041", "Task.status")]
    assert client.call("GET", "/Task/t-1").json["status"] == "in-progress"


def test_a_cancelled_order_is_off_the_worklist(centre, client):
    placed(client)
    assert cancel(client, reason="whatever").codes == [("CAMI-0010", "Task.statusReason")]
    answer = cancel(client)
    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert centre.orders.open_for("42001") == []
    assert client.call("GET", "/ServiceRequest/sr-1").json["status"] == "revoked"
    assert changed(client, "2", priority="stat").status == 422
    assert kinds(centre) == ["order.accepted", "order.cancelled"]


def test_another_mis_sees_and_touches_nothing(centre, client):
    placed(client)
    other = Client(centre.service, centre.service.tokens.issue("other"))
    assert other.call("GET", "/ServiceRequest/sr-1").status == 404
    assert other.call("GET", "/Task", query={}).json.get("entry") is None
    body = client.call("GET", "/Task/t-1").json
    assert other.call("PUT", "/Task/t-1", body, headers={"if-match": 'W/"1"'}).status == 404
    assert other.call("POST", "", bundle()).status == 404


def test_patients_change_merge_and_come_apart(centre, client):
    placed(client)
    other = client.call("POST", "/Patient", patient_resource(replace(PATIENT, number="3300518", snils="", enp="")))
    assert other.status == 201
    parameters = merge_parameters("4512207", "3300518")
    preview = copy.deepcopy(parameters)
    preview["parameter"].append({"name": "preview", "valueBoolean": True})
    assert client.call("POST", "/Patient/$merge", preview).status == 200
    assert "patient.merged" not in kinds(centre)
    assert client.call("POST", "/Patient/$merge", parameters).status == 200
    assert client.call("POST", "/Patient/$merge", parameters).codes == [("CAMI-0044",)]
    (shown,) = centre.orders.open_for("42001")
    assert shown.patient.key == other.json["id"]
    found = client.call("GET", "/Task", query={"patient.identifier": f"{PATIENT_SYSTEM}|3300518"}).json
    assert [each["resource"]["id"] for each in found["entry"]] == ["t-1"]
    source = client.call("GET", "/Patient", query={"identifier": f"{PATIENT_SYSTEM}|4512207"}).json["entry"][0][
        "resource"
    ]
    assert (source["active"], source["link"][0]["type"]) == (False, "replaced-by")
    assert client.call("PUT", f"/Patient/{source['id']}", patient_resource(PATIENT)).codes == [("CAMI-0042", "Patient")]
    undo = {"resourceType": "Parameters", "parameter": parameters["parameter"][:1]}
    assert client.call("POST", "/Patient/$unmerge", undo).status == 200
    assert centre.orders.open_for("42001")[0].patient.key == source["id"]
    assert kinds(centre) == ["order.accepted", "patient.merged", "patient.unmerged"]


def test_searches_come_in_pages(client):
    for number in range(5):
        placed(client, number=str(number))
    seen, query = [], {"_count": "2", "_sort": "-_lastUpdated"}
    while query:
        page = client.call("GET", "/ServiceRequest", query=query).json
        seen += [each["resource"]["id"] for each in page.get("entry", [])]
        following = next((each["url"] for each in page["link"] if each["relation"] == "next"), "")
        from urllib.parse import parse_qsl, urlsplit

        query = dict(parse_qsl(urlsplit(following).query))
    assert seen == ["sr-5", "sr-4", "sr-3", "sr-2", "sr-1"]
    by_number = client.call("GET", "/Task", query={"identifier": f"{ORDER_SYSTEM}|3"}).json
    assert [each["resource"]["id"] for each in by_number["entry"]] == ["t-4"]
    assert client.call("GET", "/Task", query={"colour": "red"}).codes == [("CAMI-0026", "colour")]


def test_who_has_no_token_gets_nothing(centre, client):
    for token in ("", "nonsense"):
        answer = Client(centre.service, token).call("GET", "/Task/t-1")
        assert (answer.status, answer.codes) == (401, [("CAMI-0060",)])
    assert Client(centre.service, "").call("GET", "/metadata").status == 200
    centre.clock.pass_(minutes=11)
    assert client.call("GET", "/Task").status == 401


def test_everything_is_in_the_journal(centre, client):
    placed(client)
    client.call("GET", "/Task/t-1")
    from cami.db.tables import audit_record

    with centre.engine.connect() as connection:
        found = [(row.kind, row.actor, row.subject) for row in connection.execute(select(audit_record))]
    assert ("order", "mis:kuzdrav", "order K2601010000001") in found
    assert ("view", "mis:kuzdrav", "Task/t-1") in found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_message_breaks_the_face(centre, client, data):
    """Any part of an order replaced by any JSON is refused or taken, never a failure, and never half."""
    message = bundle()
    node, depth = message, data.draw(st.integers(1, 6))
    for _ in range(depth):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key]:
            break
        parent, node = node, node[key]
        last = key
    else:
        parent[last] = data.draw(JSON)
    answer = client.call("POST", "", message)
    assert answer.status in (200, 400, 404, 412, 422), answer.body
    assert all(code in CODES for code, *_ in answer.codes)


def test_what_is_wrong_is_named_by_its_place_in_the_bundle(client):
    """The entries of a plain Bundle are judged one by one; a Bundle with more around them as a whole: both agree."""
    wrong = bundle()
    wrong["entry"][0]["resource"]["birthDate"] = "вчера"
    wrong["entry"][4]["resource"]["priority"] = 5
    answers = [client.call("POST", "", {**wrong, **more}) for more in ({}, {"total": 6})]
    assert [answer.status for answer in answers] == [422, 422]
    assert answers[0].codes == answers[1].codes
    assert [place for _, place in answers[0].codes] == [
        "Bundle.entry[0].resource.birthDate",
        "Bundle.entry[4].resource.priority",
    ]


@pytest.mark.parametrize("request_", [None, {}, {"method": "PUT"}, {"method": ["PUT"], "url": "Patient"}, "PUT"])
def test_an_entry_without_a_right_request_is_refused(client, request_):
    wrong = bundle()
    wrong["entry"][0]["request"] = request_
    assert client.call("POST", "", wrong).status == 422
