"""Grants on a real region: what is granted is seen by every way, what is not is as what does not exist, and all ends.

A rule of 42001 shares with 42002: its doctor sees the study at the centre and at the own proxy, as another МО's; taken
back, it is gone at both.
"""

import io
import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pydicom
import pytest
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, generate_uid

from tests.integration.isolation.sides import JSON, PATIENT, Side, image
from tests.live import LiveRegion, cami, wait_until

RULES = """rules:
  - name: соседям
    when: {tag: StudyDescription, matches: ROUTED}
    then: {share_with: "42002"}
"""
NOWHERE = "00000000-00000000-00000000-00000000-00000000"


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    with LiveRegion(tmp_path_factory.mktemp("region")) as live:
        yield live


@pytest.fixture(scope="module")
def own(region, tmp_path_factory):
    """A study of 42001, of which all is told here."""
    return Side(region, tmp_path_factory.mktemp("images"), "42001", "ALPHA^OWN")


@pytest.fixture(scope="module")
def neighbour(region, own, tmp_path_factory):
    """Another МО, with a study of a patient of the same number."""
    return Side(region, tmp_path_factory.mktemp("images"), "42002", "BETA^OTHER")


@pytest.fixture(scope="module")
def doctor(region):
    return region.session("radiologist", "42001")


def ways(region, session, uid, ids):
    """Ask for a study by every way; return what each way answered: status and body."""
    series, instance = f"{uid}.1", f"{uid}.1.1"
    base = f"{region.central}/dicom-web/studies"

    def get(path, **more):
        answer = session.get(path if path.startswith("http") else region.central + path, timeout=60, **more)
        return answer.status_code, answer.content

    def find(**body):
        answer = session.post(region.central + "/tools/find", json=body, timeout=60)
        return answer.status_code, answer.content

    def count(**body):
        answer = session.post(region.central + "/tools/count-resources", json=body, timeout=60)
        return answer.status_code, answer.content

    by_uid = {"StudyInstanceUID": uid}
    return {
        "find studies": find(Level="Study", Query=by_uid),
        "find series": find(Level="Series", Query=by_uid),
        "find instances": find(Level="Instance", Query=by_uid),
        "find past the index": find(Level="Study", Query=by_uid, CaseSensitive=True, Expand=True),
        "count": count(Level="Study", Query=by_uid),
        "lookup": lookup(region, session, uid),
        "qido": get(f"{base}?StudyInstanceUID={uid}", headers=JSON),
        "qido series": get(f"{base}/{uid}/series", headers=JSON),
        "qido instances": get(f"{base}/{uid}/instances", headers=JSON),
        "wado metadata": get(f"{base}/{uid}/metadata", headers=JSON),
        "wado frame": get(f"{base}/{uid}/series/{series}/instances/{instance}/frames/1"),
        "wado rendered": get(f"{base}/{uid}/series/{series}/instances/{instance}/rendered"),
        "study": get(f"/studies/{ids['studies']}"),
        "series": get(f"/series/{ids['series']}"),
        "instance": get(f"/instances/{ids['instances']}"),
        "tags": get(f"/instances/{ids['instances']}/tags"),
        "file": get(f"/instances/{ids['instances']}/file"),
        "archive": get(f"/studies/{ids['studies']}/archive"),
    }


def lookup(region, session, uid):
    answer = session.post(region.central + "/tools/lookup", data=uid, timeout=60)
    return answer.status_code, answer.content


def assert_seen(region, session, side):
    for name, (status, body) in ways(region, session, side.uid, side.ids).items():
        assert status == 200, name
        assert body not in (b"[]", b'{"Count":0}'), name
    lists = session.get(region.central + "/studies", timeout=60).json()
    assert lists.count(side.study) == 1
    qido = session.get(region.central + "/dicom-web/studies?limit=100", headers=JSON, timeout=60).json()
    assert [each["0020000D"]["Value"] for each in qido].count([side.uid]) == 1
    assert side.name.split("^")[0] in archive_page(region, session).upper()


def assert_not_there(region, session, side):
    """Each way answers exactly as for a study that does not exist, and no list holds it."""
    absent = ways(region, session, f"{side.uid}.9", dict.fromkeys(side.ids, NOWHERE))
    asked = ways(region, session, side.uid, side.ids)
    for name, (status, body) in asked.items():
        # DICOMweb repeats the UID that was asked for in the words of an error.
        plain = body.replace(side.uid.encode(), b"").replace(b".9/", b"/")
        other = absent[name][1].replace(f"{side.uid}.9".encode(), b"").replace(side.uid.encode(), b"")
        assert (status, plain) == (absent[name][0], other.replace(b".9/", b"/")), name
    assert side.study not in session.get(region.central + "/studies", timeout=60).text
    assert side.uid not in session.get(region.central + "/dicom-web/studies?limit=100", headers=JSON, timeout=60).text
    assert side.name.split("^")[0] not in archive_page(region, session).upper()


def archive_page(region, session):
    answer = session.get(region.central + "/cami/", timeout=60)
    assert answer.status_code == 200
    return answer.text


def share(region, doctor, uid, **receiver):
    until = receiver.pop("until", datetime.now(UTC) + timedelta(days=3))
    body = {"study_uid": uid, "reason": "второе мнение", "until": until.isoformat(), **receiver}
    answer = doctor.post(region.central + "/cami/api/grants", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["number"]


def end(region, doctor, number):
    body = {"reason": "больше не нужно"}
    answer = doctor.post(f"{region.central}/cami/api/grants/{number}/end", json=body, timeout=30)
    assert answer.status_code == 200, answer.text


def test_without_a_grant_there_is_nothing(region, own, neighbour):
    assert_not_there(region, neighbour.doctor, own)
    assert_not_there(region, region.session("consultant", "42900"), own)
    assert_seen(region, own.doctor, own)


def test_what_is_shared_with_an_organization_is_seen_by_it_and_nobody_else(region, own, neighbour, doctor):
    number = share(region, doctor, own.uid, mo="42002")
    try:
        assert_seen(region, neighbour.doctor, own)
        assert_seen(region, neighbour.doctor, neighbour)
        assert_not_there(region, region.session("consultant", "42900"), own)
        page = archive_page(region, neighbour.doctor)
        assert "второе мнение" in page, "who has opened it and why"
        patient = neighbour.doctor.get(f"{region.central}/patients/{own.patient}/studies", timeout=30).json()
        assert {study["ID"] for study in patient} == {own.study, neighbour.study}
    finally:
        end(region, doctor, number)
    assert_not_there(region, neighbour.doctor, own)


def test_a_consultant_sees_what_was_granted_and_nothing_else(region, own, neighbour, doctor):
    consultant = region.session("consultant", "42900")
    number = share(region, doctor, own.uid, login="con.42900")
    assert_seen(region, consultant, own)
    assert_not_there(region, consultant, neighbour)
    assert consultant.get(region.central + "/studies", timeout=30).json() == [own.study]
    end(region, doctor, number)
    assert_not_there(region, consultant, own)
    assert consultant.get(region.central + "/studies", timeout=30).json() == []


def report(uid, mo):
    """Write a text report about a study as another МО's program would: in ISO_IR 144, with its own institution."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ComprehensiveSRStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid, generate_uid()
    dataset.SpecificCharacterSet, dataset.PatientID, dataset.Modality = "ISO_IR 144", PATIENT, "SR"
    dataset.PatientName, dataset.InstitutionName = "Альфа^Своя", f"Консультант {mo}"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def test_a_consultant_stores_a_document_into_what_was_granted(region, own, doctor):
    consultant = region.session("consultant", "42900")
    document = report(own.uid, "42900")
    url = region.central + "/instances"
    assert consultant.post(url, data=document, timeout=60).status_code == 403, "nothing is granted"
    number = share(region, doctor, own.uid, login="con.42900")
    stored = consultant.post(url, data=document, timeout=60)
    assert (stored.status_code, stored.json()["ParentStudy"]) == (200, own.study)
    assert consultant.post(url, data=document, timeout=60).json()["Status"] == "AlreadyStored", "coerced to the same"
    end(region, doctor, number)
    here = stored.json()["ID"]
    assert consultant.get(f"{url}/{here}/file", timeout=60).status_code == 403
    got = pydicom.dcmread(io.BytesIO(doctor.get(f"{url}/{here}/file", timeout=60).content))
    assert got.SpecificCharacterSet == "ISO_IR 192"
    assert str(got.PatientName) == "Альфа^Своя"
    assert got.InstitutionName == "Консультант 42900", "who wrote it stays"
    assert got.IssuerOfPatientID.startswith("MO:"), "the Patient ID is the owner's"
    assert got.OriginalAttributesSequence[0].ReasonForTheAttributeModification == "COERCE"


def test_a_grant_ends_on_time_after_a_restart_too(region, own, neighbour, doctor):
    until = datetime.now(UTC) + timedelta(seconds=4)
    share(region, doctor, own.uid, mo="42002", until=until)
    by_label = {"Level": "Study", "Query": {}, "Labels": ["grant-1"]}
    assert neighbour.find("Study", {"StudyInstanceUID": own.uid}) == [own.study]
    wait_until("the end of the grant", lambda: datetime.now(UTC) >= until, 10)
    assert_not_there(region, neighbour.doctor, own)
    assert neighbour.doctor.post(region.central + "/tools/find", json=by_label, timeout=30).status_code in (200, 400)
    until = datetime.now(UTC) + timedelta(seconds=2)
    share(region, doctor, own.uid, mo="42002", until=until)
    region.server("kill", "central")
    region.server("start", "central")
    assert_not_there(region, neighbour.doctor, own)


def grants_of(region, *command, check=True):
    return cami("grants", *command, "--state", region.state, check=check)


def database(region):
    return region.state / "servers" / "central" / "data" / "cami.sqlite"


def guests(region, mo):
    """Count the images of other МО at a proxy."""
    path = region.state / "servers" / f"proxy-{mo}" / "data" / "cami.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM guest_instance").fetchone()[0]


def test_labels_follow_the_table_and_are_put_right(region, own, doctor):
    number = share(region, doctor, own.uid, mo="42002")
    wait_until("the label", lambda: grants_of(region, "check", check=False).returncode == 0, 20)
    admin = region.session("region_admin")
    assert f"grant-{number}" in admin.get(f"{region.central}/studies/{own.study}/labels", timeout=30).json()
    # The table changes behind the server's back: another grant holds now, and this one never did.
    with closing(sqlite3.connect(database(region))) as connection, connection:
        connection.execute("UPDATE study_grant SET number = number + 1000 WHERE number = ?", [number])
    told = grants_of(region, "check", check=False)
    assert told.returncode == 1
    assert f"grant-{number} is on, without a grant, study {own.study}" in told.stdout
    assert f"grant-{number + 1000} is missing on study {own.study}" in told.stdout
    assert "labels and grants agree" in grants_of(region, "repair").stdout
    assert grants_of(region, "check").returncode == 0
    end(region, doctor, number + 1000)
    wait_until("no label", lambda: "grant-" not in admin.get(f"{region.central}/tools/labels", timeout=30).text, 20)


def test_a_grant_cannot_be_given_taken_or_seen_by_others(region, own, neighbour, doctor):
    number = share(region, doctor, own.uid, login="con.42900")
    url = region.central + "/cami/api/grants"
    body = {"study_uid": own.uid, "mo": "42900", "reason": "дальше", "until": "2027-01-01T00:00:00+07:00"}
    nothing = body | {"study_uid": "1.2.3.4.5"}
    answers = [neighbour.doctor.post(url, json=each, timeout=30) for each in (body, nothing)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, "no such study")}
    for other in (number, 999_999):
        answer = neighbour.doctor.post(f"{url}/{other}/end", json={"reason": "не моё"}, timeout=30)
        assert (answer.status_code, answer.text) == (404, "no such grant")
    assert region.session("technologist", "42001").get(url, timeout=30).status_code == 403
    assert neighbour.doctor.get(url + "?direction=received", timeout=30).json()["total"] == 0
    end(region, doctor, number)


def test_emergency_access_demands_a_reason_and_tells_the_owner(region, tmp_path_factory, doctor):
    uid = generate_uid()[:50]
    path = image(tmp_path_factory.mktemp("danger"), uid, name="GAMMA^DANGER", patient="112-233-445 95")
    dataset = pydicom.dcmread(path)
    dataset.PatientBirthDate = "19570308"
    dataset.save_as(path, enforce_file_format=True)
    before = region.delivery("42002")["queue"]["confirmed"]
    region.send(path.parent, "42002")
    region.settle("42002", before + 1)
    form = {"number": "11223344595", "birth_date": "1957-03-08", "reason": "", "confirmed": "1"}
    url = region.central + "/cami/emergency"
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = doctor.post(url, data=form, headers=headers, timeout=30)
    assert "Напишите причину" in answer.text
    assert "GAMMA" not in answer.text.upper()
    answer = doctor.post(url, data=form | {"reason": "ДТП, без сознания"}, headers=headers, timeout=30)
    assert "Gamma Danger" in answer.text or "GAMMA DANGER" in answer.text
    assert doctor.get(f"{region.central}/dicom-web/studies/{uid}/metadata", headers=JSON, timeout=30).status_code == 200
    other = region.session("clinician", "42001")
    assert other.get(f"{region.central}/dicom-web/studies/{uid}/metadata", headers=JSON, timeout=30).status_code == 404
    administrator = region.session("mo_admin", "42002")
    page = administrator.get(region.central + "/cami/grants", timeout=30).text
    assert "ДТП, без сознания" in page
    assert "GAMMA" not in page.upper()
    number = re.search(r'name="grant" value="(\d+)"', page)[1]
    administrator.post(region.central + "/cami/grants/reviewed", data={"grant": number}, headers=headers, timeout=30)
    assert "Ознакомлен(а)" not in administrator.get(region.central + "/cami/grants", timeout=30).text


def test_a_study_shared_by_a_rule_reaches_the_other_organization_and_leaves(region, neighbour, tmp_path_factory):
    rules = region.session("mo_admin", "42001")
    routing = region.proxy("42001")["url"] + "/cami/api/routing"
    base = rules.get(routing, timeout=30).json()["version"]
    applied = rules.post(routing, json={"content": RULES, "base": base, "why": "проверка"}, timeout=30)
    assert applied.status_code == 200, applied.text
    folder, uid = tmp_path_factory.mktemp("routed"), generate_uid()[:50]
    for series in (1, 2):
        for number in (1, 2):
            image(folder, uid, name="ROUTED^R", series=series, number=number, patient="ROUTED-1")
    before = region.delivery("42001")["queue"]["confirmed"]
    queue = region.delivery("42002")["queue"]
    region.send(folder, "42001")
    region.settle("42001", before + 4)
    proxy = region.proxy("42002")["url"]
    local = region.session("radiologist", "42002")
    body = {"Level": "Instance", "Query": {"StudyInstanceUID": uid}}

    def at(url):
        return local.post(url + "/tools/find", json=body, timeout=30).json()

    wait_until("the study at the centre", lambda: len(at(region.central)) == 4, 30)
    wait_until("the study at the other proxy", lambda: len(at(proxy)) == 4, 60)
    here = {study["study_uid"]: study for study in region.studies("radiologist", "42002")}
    assert here[uid]["owner"] == "42001"
    page = local.get(proxy + "/cami/", timeout=30).text
    assert "Из другой МО" in page
    assert "ROUTED" in page.upper()
    assert guests(region, "42002") == 4
    frames = local.get(f"{proxy}/dicom-web/studies/{uid}/metadata", headers=JSON, timeout=30).json()
    assert len(frames) == 4

    # It is nothing for delivery: not queued, not claimed, not lost in a comparison, nowhere in quarantine.
    reconcile = region.session("mo_admin", "42002").post(proxy + "/cami/api/completeness", timeout=30)
    time.sleep(3)
    assert region.delivery("42002")["queue"] == queue, reconcile.status_code
    assert {study["owner"] for study in region.studies() if study["study_uid"] == uid} == {"42001"}

    doctor = region.session("radiologist", "42001")
    listed = doctor.get(region.central + "/cami/api/grants", timeout=30).json()["grants"]
    (number,) = [grant["number"] for grant in listed if grant["study_uid"] == uid]
    end(region, doctor, number)
    assert at(region.central) == []
    assert guests(region, "42002") in (0, 4)
    wait_until("it has left the other proxy", lambda: at(proxy) == [], 30)
    wait_until("nothing is left of it", lambda: guests(region, "42002") == 0, 30)
    assert region.delivery("42002")["queue"] == queue
    assert len(neighbour.find("Instance", {"StudyInstanceUID": neighbour.uid})) == 4


def test_a_deleted_study_leaves_its_proxy_too_when_the_line_is_back(region, tmp_path_factory):
    folder, uid = tmp_path_factory.mktemp("deleted"), generate_uid()[:50]
    image(folder, uid, name="DELTA^WRONG", patient="DELETED-1")
    before = region.delivery("42001")["queue"]["confirmed"]
    region.send(folder, "42001")
    region.settle("42001", before + 1)
    people = {role: region.session(role, "42001") for role in ("technologist", "mo_admin")}
    people["region_admin"] = region.session("region_admin")
    proxy, form = region.proxy("42001")["url"], {"Sec-Fetch-Site": "same-origin"}
    body = {"Level": "Instance", "Query": {"StudyInstanceUID": uid}}

    def do(role, what, **fields):
        answer = people[role].post(f"{region.central}/cami/removals/{what}", data=fields, headers=form, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.text

    def page(role="mo_admin"):
        return people[role].get(region.central + "/cami/removals", timeout=30).text

    def at(url):
        return len(people["technologist"].post(url + "/tools/find", json=body, timeout=30).json())

    assert at(region.central) == at(proxy) == 1
    assert "нет исследования с таким номером" in do("technologist", "new", uid="1.2.3", reason="чужой пациент")
    assert "Исследование отмечено" in do("technologist", "new", uid=uid, reason="снимок не того пациента")
    number = re.search(r'name="removal" value="(\d+)"', page())[1]
    do("mo_admin", "confirm", removal=number)
    assert at(region.central) == 1, "one is not enough"
    region.server("stop", "proxy-42001")
    do("region_admin", "confirm", removal=number)
    wait_until("it is deleted at the centre", lambda: at(region.central) == 0, 30)
    wait_until("and the page says so", lambda: "как только МО будет на связи" in page(), 30)
    region.server("start", "proxy-42001")
    wait_until("the copy at the proxy is gone", lambda: "копия в МО удалена" in page(), 60)
    assert at(proxy) == 0
    assert "DELTA" not in page()
    region.send(folder, "42001")
    wait_until("the device's copy is refused", lambda: region.delivery("42001")["queue"]["quarantined"] >= 1, 60)
    assert at(region.central) == 0
