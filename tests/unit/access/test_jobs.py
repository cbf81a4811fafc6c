"""Archives in the background: one's own only, and only as long as one sees the study."""

import pytest
from sqlalchemy import delete

from cami.access import Identity, OwnJobs, Role, overrides
from cami.db.tables import received_instance, stored_content, study
from cami.web import Request
from tests.unit.access.conftest import basic

JOBS = [f"0123abcd-0123-4567-89ab-00000000000{n}" for n in range(4)]
RAD1 = Identity("rad1", "", Role.RADIOLOGIST, "42001")


@pytest.fixture
def jobs(engine, archive, visibility, clock, monkeypatch):
    numbers = iter(JOBS)
    archive.posted = []

    def post(uri, body):
        archive.posted.append((uri, body))
        return {"ID": next(numbers), "Path": "x"}

    known = {
        "ID": JOBS[0],
        "State": "Success",
        "Progress": 100,
        "Content": {"ParentResources": ["x"]},
        "Type": "Archive",
    }
    get = archive.get
    monkeypatch.setattr(archive, "post", post, raising=False)
    monkeypatch.setattr(archive, "get", lambda uri: known if uri.startswith("/jobs") else get(uri))
    return OwnJobs(engine, archive, visibility.sight, clock)


@pytest.fixture
def call(authenticator, visibility, archive, jobs):
    endpoints = overrides(authenticator, visibility, archive, jobs=jobs)

    def ask(method, path, who, body=b"", query=None):
        import re

        for endpoint in endpoints:
            if found := re.fullmatch(endpoint.pattern, path):
                headers = basic(who) if who else {"host": "cami"}
                return endpoint.handler(Request(method, path, headers, query or {}, body=body, groups=found.groups()))
        raise AssertionError(path)

    return ask


def start(call, who, study_id, kind="archive"):
    return call(
        "POST", "/cami/api/archives", who, b'{"study_id":"%s","kind":"%s"}' % (study_id.encode(), kind.encode())
    )


def test_one_starts_an_archive_and_it_is_ones_own(call, archive, gate, first):
    answer = start(call, "rad1", first.id)
    assert (answer.status, answer.body) == (200, b'{"ID":"%s","Path":"/jobs/%s"}' % ((JOBS[0].encode(),) * 2))
    assert archive.posted == [(f"/studies/{first.id}/archive", {"Asynchronous": True, "Synchronous": False})]
    for method, path in (
        ("GET", f"/jobs/{JOBS[0]}"),
        ("GET", f"/jobs/{JOBS[0]}/archive"),
        ("POST", f"/jobs/{JOBS[0]}/cancel"),
    ):
        allowed = {who for who in ("rad1", "clin1", "rad2", "root") if gate.allows(method, path, {}, basic(who))}
        assert allowed == {"rad1", "root"} - ({"root"} if method == "POST" else set()), path
        assert not gate.allows(method, path, {}, {"host": "cami"})
    assert call("GET", "/jobs", "rad1").body == b'["%s"]' % JOBS[0].encode()
    assert call("GET", "/jobs", "clin1").body == b"[]"
    told = call("GET", f"/jobs/{JOBS[0]}", "rad1").body
    assert b"Success" in told
    assert b"ParentResources" not in told
    assert call("GET", f"/jobs/{JOBS[0]}", "clin1").status == 404


def test_what_is_foreign_and_what_is_not_there_start_nothing_alike(call, archive, second):
    nothing = "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd"
    one, other = start(call, "rad1", second.id), start(call, "rad1", nothing)
    assert (one.status, one.body) == (other.status, other.body) == (404, b"")
    assert archive.posted == []


def test_a_job_is_lost_with_the_sight_of_its_study(call, gate, engine, first):
    start(call, "rad1", first.id)
    path = f"/jobs/{JOBS[0]}/archive"
    assert gate.allows("GET", path, {}, basic("rad1"))
    with engine.begin() as connection:
        for table in (stored_content, received_instance, study):
            connection.execute(delete(table))
    assert not gate.allows("GET", path, {}, basic("rad1"))
    assert call("GET", "/jobs", "rad1").body == b"[]"


def test_jobs_of_nobody_are_nobodys(gate, first):
    assert not gate.allows("GET", f"/jobs/{JOBS[3]}/archive", {}, basic("rad1"))
    assert gate.allows("GET", f"/jobs/{JOBS[3]}/archive", {}, basic("root"))


def test_old_jobs_are_forgotten(jobs, engine, clock, first, monkeypatch):
    monkeypatch.setattr("cami.access.jobs._MOST", 2)
    for _ in range(3):
        jobs.start(RAD1, "studies", first.id, "archive")
        clock.pass_(seconds=1)
    assert jobs.listing(RAD1) == [JOBS[2], JOBS[1]]
    assert not jobs.mine(RAD1, JOBS[0])


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"study_id": 1}', b'{"study_id":"x","kind":"archive"}', b"1", b"\xff"]
)
def test_crooked_wishes(call, body):
    assert call("POST", "/cami/api/archives", "rad1", body).status == 400


@pytest.mark.parametrize("who", ["adm1", "aud", ""])
def test_who_sees_nothing_starts_nothing(call, first, who):
    assert start(call, who, first.id).status == (404 if who else 401)
