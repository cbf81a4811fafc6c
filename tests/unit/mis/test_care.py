"""An order lets an МО see the patient's earlier studies of other МО, for a set time."""

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import insert

from cami.access import Identity, Role
from cami.access.owners import CentralOwners
from cami.db.tables import indexed_name, indexed_study, study, study_claim
from cami.index.folding import latin
from tests.unit.mis.conftest import PATIENT, bundle
from tests.unit.mis.test_telling import image

DOCTOR = Identity("doc.42002", "Врач", Role.CLINICIAN, "42002")
ELSEWHERE = {"oid": "1.2.643.5.1.13.13.12.2.42.9902", "aet": "CT42002"}


def seen(centre, who=DOCTOR):
    return set(CentralOwners(centre.engine, centre.clock).visible(who, ["study-1", "study-2"]))


def test_an_order_opens_the_patients_earlier_studies_and_nobody_elses(centre, client):
    client.call("POST", "", bundle("1"))
    client.call("POST", "", bundle("2", patient=replace(PATIENT, number="77", snils="", enp="")))
    image(centre, 1, study_id="study-1", confirmed=True)
    image(centre, 2, study_id="study-2", confirmed=True)
    centre.service.care.step()
    assert seen(centre) == set()
    client.call("POST", "", bundle("3", **ELSEWHERE))
    centre.service.care.step()
    assert seen(centre) == {"study-1"}
    centre.clock.pass_(days=31)
    assert seen(centre) == set()


def unordered(centre, number, patient_id, born="19610314", owner="42001", *, name="тестова анна "):
    """A study that nobody ordered, in the tables of owners and in the index."""
    uid, now = f"7.7.{number}", centre.clock.now()
    here = {"study_id": f"study-{number}", "study_uid": uid, "owner": owner}
    with centre.engine.begin() as connection:
        connection.execute(insert(study_claim).values(study_uid=uid, owner=owner, claimed_at=now))
        connection.execute(insert(study).values(**here, claimed_at=now, labelled=True, first_stored_at=now))
        connection.execute(
            insert(indexed_name).values(name_id=number, owner=owner, folded=name, latin=latin(name), cyrillic=True)
        )
        empty = dict.fromkeys(
            ["patient_key", "sex", "study_date", "study_time", "accession", "study_number", "description",
             "institution", "referrer", "modalities", "last_update", "tags"], "",
        )  # fmt: skip
        values = {"patient_id": patient_id, "name_id": number, "birth_date": born, "series": 1, "instances": 1}
        connection.execute(insert(indexed_study).values(**here, **empty, **values, read_at=now))


@pytest.mark.parametrize(
    ("patient_id", "born", "name", "opened"),
    [
        (PATIENT.number, "19610314", "тестова анна ", True),
        (PATIENT.number, "19610314", "testova anna ", True),
        ("700-123-456 18", "19610314", "другова анна ", True),
        ("70012345618", "19610314", "", True),
        ("70012345618", "19610315", "тестова анна ", False),
        (PATIENT.number, "19610315", "тестова анна ", False),
        (PATIENT.number, "", "тестова анна ", False),
        (PATIENT.number, "19610314", "тестовая анна ", False),
        ("4512208", "19610314", "тестова анна ", False),
    ],
)
def test_what_nobody_ordered_is_opened_if_its_number_is_this_persons_alone(  # noqa: PLR0917
    centre, client, patient_id, born, name, opened
):
    unordered(centre, 1, patient_id, born, name=name)
    client.call("POST", "", bundle("3", **ELSEWHERE))
    centre.service.care.step()
    assert (seen(centre) == {"study-1"}) is opened


def test_a_person_is_found_by_numbers_that_stand_in_no_image(centre, client):
    client.call("POST", "", bundle("1"))
    image(centre, 1, study_id="study-1", confirmed=True)
    unordered(centre, 2, PATIENT.number)
    born = date(1961, 3, 14)
    for number in (PATIENT.snils, "700-123-456 18", PATIENT.enp, PATIENT.number):
        assert len(centre.service.care.known_by(number, born)) == 2, number
    assert centre.service.care.known_by(PATIENT.snils, date(1961, 3, 15)) == []
    assert centre.service.care.known_by("70012345719", born) == []


def test_a_withdrawn_order_closes_them(centre, client):
    client.call("POST", "", bundle("1"))
    image(centre, 1, study_id="study-1", confirmed=True)
    centre.service.care.step()
    client.call("POST", "", bundle("2", **ELSEWHERE))
    centre.service.care.step()
    assert seen(centre) == {"study-1"}
    sent = client.call("GET", "/Task/t-2").json
    reason = {"coding": [{"system": "urn:cami:cancel-reason", "code": "duplicate"}]}
    body = {**sent, "status": "cancelled", "statusReason": reason}
    assert client.call("PUT", "/Task/t-2", body, headers={"if-match": 'W/"1"'}).status == 200
    centre.service.care.step()
    assert seen(centre) == set()
