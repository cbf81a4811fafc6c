"""What people and programs call, and what is heard at the gate."""

import json
import re
from types import SimpleNamespace

import pytest

from cami.access import Role
from cami.archive import orthanc_id
from cami.errors import Transient
from cami.retrieval import Openings, central_endpoints, proxy_endpoints
from cami.web import Request
from tests.unit.fakes import Hands
from tests.unit.retrieval.conftest import delivered, fill, person

PEOPLE = {
    "rad": person(),
    "lab": person(Role.TECHNOLOGIST),
    "adm": person(Role.MO_ADMIN),
    "aud": person(Role.AUDITOR, ""),
    "operator": person(Role.OPERATOR, ""),
    "stranger": person(mo="42002"),
}


def identify(headers):
    return PEOPLE.get(headers.get("who", ""))


AUTHENTICATOR = SimpleNamespace(identify=identify)


def call(endpoints, method, path, who="", body=None):
    endpoint = next(found for found in endpoints if re.fullmatch(found.pattern, path))
    response = endpoint.handler(
        Request(method, path, {"who": who}, body=b"" if body is None else json.dumps(body).encode())
    )
    return response.status, json.loads(response.body) if response.status == 200 else response.body.decode()


@pytest.fixture
def centre(country, hospital):
    return central_endpoints(AUTHENTICATOR, country.requests, country.book)


@pytest.fixture
def proxy(hospital):
    hospital.woken = 0

    def wake():
        hospital.woken += 1

    return proxy_endpoints("42001", AUTHENTICATOR, hospital.returns, hospital.schedule, wake)


PATH = "/cami/api/retrieval"


def test_asking_the_mo(country, hospital, centre):
    one = fill(hospital)
    hospital.arrive()
    status, answer = call(centre, "POST", PATH, "rad", {"study_uid": "1.1"})
    assert status == 200
    (study,) = answer["studies"]
    assert (study["study_id"], study["received"], study["expected"], study["whole"]) == (one, 0, 3, False)
    hospital.runner.step()
    (entry,) = call(centre, "GET", PATH, "adm")[1]["requests"]
    assert (entry["kind"], entry["asked_by"], entry["outcome"]) == ("send", "radiologist.42001", "done")
    assert call(centre, "GET", PATH, "stranger")[1] == {"requests": []}
    assert len(call(centre, "GET", PATH, "operator")[1]["requests"]) == 1


def test_what_is_another_mos_does_not_exist(country, hospital, centre):
    one = fill(hospital)
    hospital.arrive()
    bodies = ({"study_uid": "1.1"}, {"study_uid": "9"}, {"study_id": one}, {"study_id": orthanc_id("x")})
    assert {call(centre, "POST", PATH, "stranger", body) for body in bodies} == {(404, "no such study")}


@pytest.mark.parametrize(("who", "status"), [("", 401), ("aud", 403)])
def test_not_for_everybody(centre, proxy, who, status):
    for endpoints in (centre, proxy):
        assert call(endpoints, "GET", PATH, who)[0] == status
        assert call(endpoints, "POST", PATH, who, {"study_uid": "1"})[0] == status


@pytest.mark.parametrize(
    "body", [None, [], {}, {"study_uid": "*"}, {"study_uid": 1}, {"study_id": "x"}, {"study_id": "", "study_uid": ""}]
)
def test_names_that_are_none(centre, proxy, body):
    for endpoints in (centre, proxy):
        assert call(endpoints, "POST", PATH, "rad", body)[0] == 400
        assert call(endpoints, "PUT", PATH, "rad", body)[0] == 405


def test_bringing_back(country, hospital, proxy):
    (one,) = delivered(hospital, "1.1")
    assert call(proxy, "POST", PATH, "rad", {"study_id": one})[1]["studies"][0]["under_way"] is True
    hospital.fetch_all()
    (study,) = call(proxy, "GET", PATH, "lab")[1]["studies"]
    assert (study["received"], study["total"], study["under_way"], study["reason"]) == (3, 3, False, "")
    assert (study["cause"], study["asked_by"]) == ("asked", "radiologist.42001")
    assert call(proxy, "POST", PATH, "rad", {"study_uid": "9.9"})[0] == 404
    hospital.line.faults = ["cut"]
    assert call(proxy, "POST", PATH, "rad", {"study_uid": "9.9"})[0] == 503
    assert call(proxy, "POST", PATH, "stranger", {"study_id": one})[0] == 403


VISIT = {"patient_id": " P1 ", "date": "2026-01-05", "modality": "ct", "body_part": "chest"}


def test_expecting_a_patient(country, hospital, proxy):
    status, answer = call(proxy, "POST", "/cami/api/prefetch", "lab", VISIT)
    assert (status, answer) == (200, {"due_at": "2026-01-04T13:00:00.000Z"})
    assert hospital.woken == 1
    country.clock.pass_(days=9)
    (visit,) = hospital.schedule.due(9)
    assert (visit.patient, visit.modality, visit.body_part) == (orthanc_id("P1"), "CT", "CHEST")
    with hospital.engine.connect() as connection:
        rows = connection.exec_driver_sql("select * from schedule").all()
    assert "P1" not in str(rows), "the number of a patient is not kept"


@pytest.mark.parametrize(
    "change",
    [
        {"patient_id": ""},
        {"patient_id": 5},
        {"date": "tomorrow"},
        {"date": None},
        {"modality": "x" * 65},
        {"issuer": []},
    ],
)
def test_visits_that_are_none(proxy, change):
    assert call(proxy, "POST", "/cami/api/prefetch", "lab", VISIT | change)[0] == 400


def test_who_expects_patients(proxy):
    for who, status in (("adm", 200), ("rad", 403), ("stranger", 403), ("", 401)):
        assert call(proxy, "POST", "/cami/api/prefetch", who, VISIT)[0] == status
    assert call(proxy, "GET", "/cami/api/prefetch", "lab")[0] == 405


class Ear:
    """Hears of openings."""

    def __init__(self):
        self.clock = Hands()
        self.seen = []
        self.woken = 0
        self.failing = False
        self.openings = Openings(identify, self.act, self.clock, self.wake)

    def wake(self):
        self.woken += 1

    def act(self, opening):
        if self.failing:
            raise Transient("locked")
        self.seen.append((opening.identity.login, opening.study_uid))

    def ask(self, path, who="rad", method="GET"):
        self.openings.note(method, path, {"who": who})


def test_a_viewer_that_asks_a_hundred_times_has_opened_once():
    ear = Ear()
    for number in range(100):
        ear.ask(f"/dicom-web/studies/1.2.3/series/1.{number}/metadata")
    ear.ask("/dicom-web/studies/1.2.3/metadata", "lab")
    assert ear.openings.act() == 2
    assert sorted(ear.seen) == [("radiologist.42001", "1.2.3"), ("technologist.42001", "1.2.3")]
    assert ear.woken == 2
    ear.clock.pass_(seconds=61)
    ear.ask("/dicom-web/studies/1.2.3/metadata")
    assert ear.openings.act() == 1


@pytest.mark.parametrize(
    "path", ["/dicom-web/studies", "/dicom-web/studies/1.2.3", "/dicom-web/series", "/studies/1.2.3/x", "/cami"]
)
def test_a_list_is_no_opening(path):
    ear = Ear()
    ear.ask(path)
    ear.ask("/dicom-web/studies/1.2.3/metadata", method="POST")
    ear.ask("/dicom-web/studies/1.2.3/metadata", who="nobody")
    assert ear.openings.act() == 0


def test_what_could_not_be_acted_upon_is_noted_again():
    ear = Ear()
    ear.failing = True
    ear.ask("/dicom-web/studies/1.2.3/metadata")
    with pytest.raises(Transient):
        ear.openings.act()
    ear.failing = False
    ear.ask("/dicom-web/studies/1.2.3/metadata")
    assert ear.openings.act() == 1


def test_a_flood_of_openings_is_bounded():
    ear = Ear()
    for number in range(2000):
        ear.ask(f"/dicom-web/studies/1.{number}/metadata")
    assert ear.openings.act() == 1000
    ear.clock.pass_(hours=1)
    ear.openings.act()
    assert ear.openings._noted == {}
