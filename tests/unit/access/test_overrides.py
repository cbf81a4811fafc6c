"""Our answers instead of Orthanc's, called as Orthanc calls them."""

import json
import re

import pytest

from cami.web import Request
from tests.unit.access.conftest import basic


@pytest.fixture
def ask(endpoints):
    def ask(login, method, uri, body=b""):
        path, _, arguments = uri.partition("?")
        query = dict(part.partition("=")[::2] for part in arguments.split("&") if part)
        for endpoint in endpoints:
            found = re.fullmatch(endpoint.pattern, path)
            if found:
                headers = basic(login) if login else {}
                payload = body if isinstance(body, bytes) else json.dumps(body).encode()
                answer = endpoint.handler(Request(method, path, headers, query, payload, found.groups()))
                return answer.status, json.loads(answer.body) if answer.status == 200 else answer.body
        raise AssertionError(f"{path} is not overridden")

    return ask


STUDIES = {"Level": "Study", "Query": {}}


def test_find_gives_each_its_own_and_a_stranger_an_empty_list(ask, first, second):
    assert ask("rad1", "POST", "/tools/find", STUDIES) == (200, [first.id])
    assert ask("rad2", "POST", "/tools/find", STUDIES) == (200, [second.id])
    assert ask("oper", "POST", "/tools/find", STUDIES) == (200, [])
    assert ask("", "POST", "/tools/find", STUDIES) == (200, [])
    assert ask("root", "POST", "/tools/find", STUDIES) == (200, [first.id, second.id])


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"\xff", {"Level": "X"}])
def test_bad_questions(ask, body):
    assert ask("rad1", "POST", "/tools/find", body)[0] == 400
    assert ask("rad1", "POST", "/tools/count-resources", body)[0] == 400


def test_counts(ask, first, second):
    assert ask("rad1", "POST", "/tools/count-resources", STUDIES) == (200, {"Count": 1})
    assert ask("rad1", "POST", "/tools/count-resources", {"Level": "Patient", "Query": {}}) == (200, {"Count": 0})
    assert ask("", "POST", "/tools/count-resources", STUDIES)[0] == 403


def test_lookup(ask, first, second):
    assert ask("rad1", "POST", "/tools/lookup", second.uid.encode()) == (200, [])
    assert ask("rad1", "POST", "/tools/lookup", b"SHARED") == (200, [])
    assert ask("rad1", "POST", "/tools/lookup", b"*") == (200, [])
    found = {"ID": first.id, "Path": f"/studies/{first.id}", "Type": "Study"}
    assert ask("rad1", "POST", "/tools/lookup", first.uid.encode()) == (200, [found])
    found = {"ID": first.instance, "Path": f"/instances/{first.instance}", "Type": "Instance"}
    assert ask("rad1", "POST", "/tools/lookup", f"{first.uid}.1.1".encode()) == (200, [found])


@pytest.mark.parametrize("login", ["", "rad1", "root"])
@pytest.mark.parametrize("path", ["/instances", "/studies"])
def test_nobody_uploads(ask, login, path):
    assert ask(login, "POST", path, b"DICM")[0] == 403


def test_lists(ask, first, second, archive):
    assert ask("rad1", "GET", "/studies") == (200, [first.id])
    assert ask("rad1", "GET", "/series")[1] == archive.resources[first.id]["Series"]
    assert len(ask("rad1", "GET", "/instances")[1]) == 4
    assert len(ask("rad1", "GET", "/instances?since=1&limit=2")[1]) == 2
    assert ask("rad1", "GET", "/instances?limit=2")[0] == 400
    assert ask("rad1", "GET", "/instances?since=x&limit=2")[0] == 400
    [study] = ask("rad1", "GET", "/studies?expand&since=0&limit=101&full&_=17")[1]
    assert (study["ID"], study["Labels"]) == (first.id, [])
    assert ask("oper", "GET", "/studies")[0] == 403
    assert ask("", "GET", "/studies")[0] == 403
    assert ask("root", "GET", "/studies") == (200, [first.id, second.id])


def test_one_resource(ask, first, second):
    for path in (f"/studies/{second.id}", f"/series/{second.series}", f"/instances/{second.instance}"):
        assert ask("rad1", "GET", path) == (404, b"")
        assert ask("", "GET", path) == (403, b"")
        assert ask("rad2", "DELETE", path) == (403, b"")
        assert ask("rad2", "GET", path)[1]["Labels"] == []
    assert ask("root", "GET", f"/studies/{second.id}")[1]["Labels"] == ["mo-42002"]
    assert len(ask("rad1", "GET", f"/studies/{first.id}/series?full")[1]) == 2
    assert len(ask("rad1", "GET", f"/series/{first.series}/instances?full")[1]) == 2
    assert ask("rad1", "GET", f"/studies/{second.id}/series") == (404, b"")
    assert ask("rad1", "GET", f"/studies/{first.series}/series") == (404, b"")


def test_format_of_a_resource_is_handed_on(ask, archive, first):
    ask("rad1", "GET", f"/studies/{first.id}?full&_=17&requestedTags=NumberOfPatientRelatedStudies")
    assert archive.gets[-1] == f"/studies/{first.id}?full="


def test_metadata_tells_no_addresses(ask, first, second):
    path = f"/instances/{first.instance}/metadata"
    assert ask("rad1", "GET", f"{path}?expand") == (200, {"TransferSyntax": "1.2.840.10008.1.2"})
    assert ask("rad1", "GET", path) == (200, ["TransferSyntax"])
    assert ask("rad1", "GET", f"/instances/{second.instance}/metadata?expand")[0] == 404
    assert ask("root", "GET", f"{path}?expand")[1]["RemoteIP"] == "10.0.0.1"


def test_a_shared_patient_is_each_ones_own(ask, deliver, first, second):
    another = deliver("42002", "1.2.8", name="BETA^B")
    status, patient = ask("rad2", "GET", f"/patients/{first.patient}?full")
    assert status == 200
    assert patient["MainDicomTags"]["PatientName"] == "BETA^B"
    assert set(patient["Studies"]) == {second.id, another.id}
    assert "ALPHA" not in json.dumps(patient)
    status, patient = ask("rad1", "GET", f"/patients/{first.patient}")
    assert patient["MainDicomTags"]["PatientName"] == "ALPHA^A"
    assert patient["Studies"] == [first.id]
    assert [study["ID"] for study in ask("rad1", "GET", f"/patients/{first.patient}/studies?full")[1]] == [first.id]


def test_the_region_administrator_has_patients_though_the_core_has_none(ask, first, second):
    patient = ask("root", "GET", f"/patients/{first.patient}?full")[1]
    assert patient["Studies"] == [first.id, second.id]
    assert ask("root", "GET", "/patients") == (200, [first.patient])
    assert len(ask("root", "GET", f"/patients/{first.patient}/studies")[1]) == 2


def test_a_patient_without_own_studies_does_not_exist(ask, deliver, first):
    foreign = deliver("42002", "1.2.7", patient="ONLY2")
    for login, path in (("rad1", foreign.patient), ("rad2", first.patient), ("rad1", first.id)):
        assert ask(login, "GET", f"/patients/{path}") == (404, b"")
        assert ask(login, "GET", f"/patients/{path}/studies") == (404, b"")
    assert ask("oper", "GET", f"/patients/{first.patient}")[0] == 403


def test_list_of_patients(ask, deliver, first, second):
    ids = [deliver("42001", f"1.4.{number}", patient=f"P{number}").patient for number in "123"]
    everyone = [first.patient, *ids]
    assert ask("rad1", "GET", "/patients") == (200, everyone)
    assert ask("rad2", "GET", "/patients") == (200, [first.patient])
    assert ask("rad1", "GET", "/patients?since=1&limit=2") == (200, everyone[1:3])
    expanded = ask("rad1", "GET", "/patients?expand&since=0&limit=101&full")[1]
    assert [patient["ID"] for patient in expanded] == everyone
    assert expanded[0]["Studies"] == [first.id]
    assert ask("oper", "GET", "/patients")[0] == 403
    assert ask("", "GET", "/patients")[0] == 403


def test_system(ask):
    assert ask("rad1", "GET", "/system") == (200, {"Name": "ЦАМИ", "Version": "1.13.0", "HasLabels": False})
    assert ask("root", "GET", "/system")[1]["DicomAet"] == "CAMI"
    assert ask("", "GET", "/system")[0] == 403
