"""The journal on real Orthancs: all that is done is on record before it is answered; a kill leaves a whole chain."""

import json
import sqlite3
from contextlib import closing

import pytest
import requests

from cami.audit import Kind, Outcome, Record
from tests.live import cami, wait_until

MO, OTHER = "42001", "42002"

#: The first test pays for a region and its studies.
pytestmark = pytest.mark.timeout(400)


def journal(region, server="central", after=0):
    """Read the chain of a server in its own database, past the server."""
    path = region.state / "servers" / server / "data" / "cami.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT content FROM audit_record WHERE server = ? AND seq > ? ORDER BY seq", (server, after)
        )
        return [Record.parse(content) for (content,) in rows]


def end(region, server="central"):
    found = journal(region, server)
    return found[-1].seq if found else 0


def events(region, after, server="central"):
    return [record.event for record in journal(region, server, after)]


@pytest.fixture(scope="module")
def studies(region, phantoms):
    """A study of each МО at the centre: its ids and UID, by МО."""
    found = {}
    for mo in (MO, OTHER):
        folder = phantoms / mo
        region.send(folder, mo)
    for mo in (MO, OTHER):
        number = wait_until("all is queued", lambda mo=mo: sum(region.delivery(mo)["queue"].values()))
        region.settle(mo, number)
    for study in region.studies():
        found.setdefault(study["owner"], study)
    return found


@pytest.fixture(scope="module")
def doctor(region):
    return region.session("radiologist", MO)


def test_a_device_and_a_proxy_are_on_record_at_both_sides(region, studies):
    came = [event for event in events(region, 0, f"proxy-{MO}") if event.kind is Kind.IMPORT]
    assert {event.actor.partition(":")[0] for event in came} == {"device"}
    uids = [event.studies[0] for event in came]
    assert len(uids) == len(set(uids))  # a study, not an image
    delivered = [event for event in events(region, 0) if event.actor == f"proxy-{MO}"]
    assert {event.details["stage"] for event in delivered} == {"began", "whole"}
    assert {event.studies[0] for event in delivered} == set(uids)


def test_a_doctor_opens_a_study(region, studies, doctor):
    study, before = studies[MO], end(region)
    web = f"{region.central}/dicom-web"
    assert doctor.get(f"{web}/studies?limit=5", timeout=30).ok
    sought = events(region, before)[-1]
    assert (sought.kind, sought.actor, sought.source) == (Kind.SEARCH, sought.actor, "127.0.0.1")
    assert sought.role == "radiologist"
    metadata = doctor.get(f"{web}/studies/{study['study_uid']}/metadata", timeout=30)
    assert metadata.ok
    viewed = events(region, before)[-1]
    assert (viewed.kind, viewed.studies, viewed.owner) == (Kind.VIEW, (study["study_uid"],), MO)
    place = end(region)
    for tags in metadata.json()[:3]:
        series, instance = (tags[name]["Value"][0] for name in ("0020000E", "00080018"))
        address = f"{web}/studies/{study['study_uid']}/series/{series}/instances/{instance}/metadata"
        assert doctor.get(address, timeout=30).ok
    assert doctor.get(f"{region.central}/studies/{study['study_id']}", timeout=30).ok
    assert events(region, place) == []


def test_an_export_and_a_foreign_study(region, studies, doctor):
    before = end(region)
    assert doctor.get(f"{region.central}/studies/{studies[MO]['study_id']}/archive", timeout=60).ok
    (export,) = events(region, before)
    assert (export.kind, export.studies) == (Kind.EXPORT, (studies[MO]["study_uid"],))
    foreign, before = studies[OTHER], end(region)
    assert doctor.get(f"{region.central}/studies/{foreign['study_id']}", timeout=30).status_code == 403
    assert doctor.get(f"{region.central}/dicom-web/studies/{foreign['study_uid']}/metadata", timeout=30).status_code
    refused = events(region, before)
    assert [(event.kind, event.studies, event.owner) for event in refused] == [
        (Kind.REFUSAL, (foreign["study_uid"],), OTHER)
    ] * 2


def test_signing_in_and_out(region, doctor):
    before = end(region)
    login, password = doctor.auth
    page = f"{region.central}/cami/login"
    same = {"Origin": region.central}
    requests.post(page, data={"login": login, "password": "wrong"}, headers=same, timeout=30, allow_redirects=False)
    with requests.Session() as browser:
        browser.post(page, data={"login": login, "password": password}, headers=same, timeout=30)
        browser.post(f"{region.central}/cami/logout", headers=same, timeout=30, allow_redirects=False)
    found = [(event.kind, event.outcome, event.reason) for event in events(region, before)]
    assert found[0] == (Kind.SIGN_IN, Outcome.FAILURE, "wrong")
    assert (Kind.SIGN_IN, Outcome.SUCCESS, "") in found
    assert found[-1] == (Kind.SIGN_OUT, Outcome.SUCCESS, "")


def test_the_region_administrator_is_on_record_too(region, studies):
    before = end(region)
    admin = region.session("region_admin")
    assert admin.get(f"{region.central}/studies/{studies[OTHER]['study_id']}", timeout=30).ok
    assert admin.get(f"{region.central}/changes?limit=1", timeout=30).ok
    found = [event for event in events(region, before) if event.kind is Kind.VIEW]
    assert [event.studies for event in found] == [(studies[OTHER]["study_uid"],), ()]
    assert found[1].details["route"] == "/changes"


def test_proxies_journals_come_to_the_centre(region, studies):
    def all_there():
        own = journal(region, f"proxy-{MO}")
        path = region.state / "servers" / "central" / "data" / "cami.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT hash FROM audit_record WHERE server = ? ORDER BY seq", (f"proxy-{MO}",))
            return [row[0] for row in rows] == [record.hash for record in own]

    wait_until("the proxy's journal is at the centre", all_there, 30)


def test_nothing_names_a_patient(region, studies):
    for server in ("central", f"proxy-{MO}"):
        for record in journal(region, server):
            assert "^" not in record.content


def test_a_kill_leaves_a_whole_chain(region, studies, doctor):
    for number in range(20):
        doctor.get(f"{region.central}/dicom-web/studies?PatientID={number}", timeout=30)
    before = end(region)
    region.server("kill", "central")
    assert end(region) == before
    region.server("start", "central")
    wait_until("the centre answers", lambda: _answers(region), 60)
    started = journal(region, after=before)[0]
    assert started.event.kind is Kind.START
    said = cami("audit", "verify", "--state", region.state)
    assert "the journal is whole" in said.stdout


def _answers(region):
    try:
        return requests.get(f"{region.central}/cami/health", timeout=5).ok
    except requests.RequestException:
        return False


def test_without_a_journal_nothing_is_shown(region, studies, doctor):
    path = region.state / "servers" / "central" / "data" / "cami.sqlite"
    assert doctor.get(f"{region.central}/dicom-web/studies?PatientID=signed-in", timeout=60).ok
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE audit_head RENAME TO elsewhere")
        try:
            # Orthanc's filter can say no (403) and nothing (500).
            assert doctor.get(f"{region.central}/dicom-web/studies?PatientID=journal", timeout=60).status_code == 500
            answer = doctor.post(f"{region.central}/cami/api/retrieval", json={"study_uid": "1.2"}, timeout=60)
            assert answer.status_code == 503
        finally:
            connection.execute("ALTER TABLE elsewhere RENAME TO audit_head")
    assert doctor.get(f"{region.central}/dicom-web/studies?PatientID=journal", timeout=60).ok


def test_verify_and_export(region, studies, tmp_path):
    said = cami("audit", "verify", "--state", region.state)
    assert "the journal is whole" in said.stdout
    cami("audit", "export", "--state", region.state, "--format", "jsonl", "--output", tmp_path / "journal.jsonl")
    lines = (tmp_path / "journal.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["server"] for line in lines} >= {"central", f"proxy-{MO}"}
    assert events(region, 0)[-1].kind is Kind.JOURNAL
    # A copy that somebody has touched.
    copy = tmp_path / "copy.sqlite"
    path = region.state / "servers" / "central" / "data" / "cami.sqlite"
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("DROP TRIGGER audit_record_never_changed")
        target.execute("UPDATE audit_record SET actor = 'nobody' WHERE server = 'central' AND seq = 3")
        target.commit()
    found = cami("audit", "verify", "--database", copy, check=False)
    assert found.returncode == 2
    assert "central: record 3: changed" in found.stderr
