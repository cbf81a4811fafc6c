"""An order lets an МО see the patient's earlier studies of other МО, for a set time."""

from dataclasses import replace

from cami.access import Identity, Role
from cami.access.owners import CentralOwners
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
