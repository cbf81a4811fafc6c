"""One click: a code for a minute and one use, a session that sees these studies and nothing else."""

from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from cami.access import Action, Role, allowed
from cami.access.owners import CentralOwners
from cami.db.tables import audit_record, study_grant
from cami.mis.problems import CODES
from tests.unit.mis.conftest import DOCTOR, Client, bundle
from tests.unit.mis.test_telling import image

SNILS = "urn:oid:1.2.643.100.3"
FRMO = "urn:oid:1.2.643.5.1.13.13.11.1461"


def launch(client, uid, oid=DOCTOR.oid, *, priors=False, **more):
    parameters = [
        {"name": "user", "valueIdentifier": {"system": SNILS, "value": "700-123-457 19"}},
        {"name": "userName", "valueString": "Образцов И.С."},
        {"name": "organization", "valueIdentifier": {"system": FRMO, "value": oid}},
        {"name": "withPriors", "valueBoolean": priors},
    ]
    wanted = more or {"study": ("urn:dicom:uid", f"urn:oid:{uid}")}
    for name, (system, value) in wanted.items():
        parameters.append({"name": name, "valueIdentifier": {"system": system, "value": value}})
    return client.call("POST", "/ImagingStudy/$viewer-launch", {"resourceType": "Parameters", "parameter": parameters})


def code_of(answer):
    assert answer.status == 200, answer.body.decode()
    url = next(each["valueUrl"] for each in answer.json["parameter"] if each["name"] == "url")
    assert url.startswith("https://cami.example/cami/launch?code=")
    return parse_qs(urlsplit(url).query)["code"][0]


@pytest.fixture
def made(centre):
    """Two studies of one patient at 42001 and one of somebody else."""
    from dataclasses import replace

    from tests.unit.mis.conftest import PATIENT

    centre.client.call("POST", "", bundle("1"))
    centre.client.call("POST", "", bundle("2"))
    centre.client.call("POST", "", bundle("3", patient=replace(PATIENT, number="77", snils="", enp="")))
    for number in (1, 2, 3):
        image(centre, number, study_id=f"study-{number}", confirmed=True)
        centre.clock.pass_(minutes=1)
    uids = [centre.orders.get(number).study_uid for number in (1, 2, 3)]
    return SimpleNamespace(uids=uids, owners=CentralOwners(centre.engine, centre.clock))


def seen(made, identity):
    return set(made.owners.visible(identity, ["study-1", "study-2", "study-3"]))


def test_a_code_opens_that_study_once(centre, made):
    code = code_of(launch(centre.client, made.uids[0]))
    opened = centre.service.launches.use(code, "10.0.0.1")
    assert opened.study_uid == made.uids[0]
    assert centre.service.launches.use(code, "10.0.0.1") is None
    identity = centre.service.guests.identify(opened.token)
    assert (identity.name, identity.role, identity.mo) == ("Образцов И.С.", Role.GUEST, "")
    assert seen(made, identity) == {"study-1"}
    assert list(made.owners.newest(identity)) == ["study-1"]


def test_with_priors_the_patients_other_studies_open_too_and_nobody_elses(centre, made):
    opened = centre.service.launches.use(code_of(launch(centre.client, made.uids[0], priors=True)), "")
    assert seen(made, centre.service.guests.identify(opened.token)) == {"study-1", "study-2"}


def test_another_launch_of_the_same_doctor_does_not_widen_the_first(centre, made):
    first = centre.service.launches.use(code_of(launch(centre.client, made.uids[0])), "")
    centre.service.launches.use(code_of(launch(centre.client, made.uids[2])), "")
    assert seen(made, centre.service.guests.identify(first.token)) == {"study-1"}


def test_a_code_ends_after_a_minute_and_a_session_when_idle(centre, made):
    code = code_of(launch(centre.client, made.uids[0]))
    centre.clock.pass_(seconds=61)
    assert centre.service.launches.use(code, "") is None
    assert centre.service.launches.use("nonsense", "") is None
    opened = centre.service.launches.use(code_of(launch(centre.client, made.uids[0])), "")
    identity = centre.service.guests.identify(opened.token)
    centre.clock.pass_(minutes=31)
    assert centre.service.guests.identify(opened.token) is None
    centre.clock.pass_(hours=12)
    assert seen(made, identity) == set()


def test_who_signs_out_is_out(centre, made):
    opened = centre.service.launches.use(code_of(launch(centre.client, made.uids[0])), "")
    centre.service.guests.close(opened.token)
    assert centre.service.guests.identify(opened.token) is None


def test_what_is_not_for_the_doctors_organization_does_not_exist(centre, made):
    assert launch(centre.client, made.uids[0], oid="1.2.643.5.1.13.13.12.2.42.9902").status == 404
    assert launch(centre.client, "1.2.3").status == 404
    assert launch(centre.client, made.uids[0], oid="1.2.3").codes[0][0] == "CAMI-0031"
    other = Client(centre.service, centre.service.tokens.issue("other"))
    assert launch(other, made.uids[0]).status == 404
    with centre.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(study_grant)) == 0


def test_the_accession_number_will_do(centre, made):
    order = centre.orders.get(2)
    answer = launch(centre.client, "", accession=("urn:cami:accession", order.accession))
    opened = centre.service.launches.use(code_of(answer), "")
    assert opened.study_uid == made.uids[1]


def test_both_sides_of_a_launch_are_in_the_journal(centre, made):
    code = code_of(launch(centre.client, made.uids[0]))
    centre.service.launches.use(code, "10.42.17.23")
    with centre.engine.connect() as connection:
        found = [
            (row.kind, row.actor.startswith("mis.kuzdrav.70012345719."), row.source)
            for row in connection.execute(select(audit_record))
        ]
    assert ("sign-in", True, "10.42.17.23") in found
    assert any(kind == "grant" for kind, *_ in found)


def test_whom_the_mis_sends_can_do_nothing_but_look():
    assert [action for action in Action if allowed(Role.GUEST, action, "central")] == [Action.STUDIES_READ]
    assert not any(allowed(Role.GUEST, action, "proxy") for action in Action)
    assert "CAMI-0061" in CODES
