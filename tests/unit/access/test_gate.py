"""The gate with real accounts behind it: strangers, other roles, other МО, and failures."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from cami.access import Gate, Role
from tests.unit.access.conftest import PEOPLE, basic
from tests.unit.access.test_routes import ID, PATHS

STRANGER = {"host": "cami"}
READS = [
    "/studies/{s.id}",
    "/studies/{s.id}/",
    "/studies/{s.id}/series",
    "/studies/{s.id}/archive",
    "/series/{s.series}",
    "/series/{s.series}/instances",
    "/series/{s.series}/archive",
    "/instances/{s.instance}",
    "/instances/{s.instance}/tags",
    "/instances/{s.instance}/header",
    "/instances/{s.instance}/metadata",
    "/instances/{s.instance}/file",
    "/instances/{s.instance}/pdf",
    "/instances/{s.instance}/frames",
    "/instances/{s.instance}/preview",
    "/instances/{s.instance}/frames/0/preview",
]
CONFUSED = [
    "/studies/{s.series}",
    "/studies/{s.instance}",
    "/series/{s.id}",
    "/instances/{s.series}",
    "/studies/{s.patient}",
]
SCOPED = [
    ("POST", "/tools/find"),
    ("POST", "/tools/count-resources"),
    ("POST", "/tools/lookup"),
    ("GET", "/studies"),
    ("GET", "/patients"),
    ("GET", "/dicom-web/studies"),
    ("GET", "/dicom-web/series"),
    ("GET", "/dicom-web/studies/1.2.1/series/1.2.1.1/instances/1.2.1.1.1/frames/1"),
    ("GET", "/dicom-web/studies/1.2.1/series/1.2.1.1/instances/1.2.1.1.1/bulk/00420011"),
]


@pytest.mark.parametrize("read", READS)
def test_own_reads(gate, first, second, read):
    path = read.format(s=first)
    for login in ("rad1", "clin1", "tech1", "root"):
        assert gate.allows("GET", path, {}, basic(login))
    for login in ("rad2", "adm1", "cons", "oper", "disp", "aud", "mis"):
        assert not gate.allows("GET", path, {}, basic(login))
    assert not gate.allows("GET", path, {}, STRANGER)


@pytest.mark.parametrize("read", READS)
def test_what_does_not_exist_is_refused_like_what_is_foreign(gate, second, read):
    from dataclasses import replace

    nothing = replace(second, id=ID, series=ID, instance=ID)
    assert gate.allows("GET", read.format(s=second), {}, basic("rad2"))
    assert not gate.allows("GET", read.format(s=second), {}, basic("rad1"))
    assert not gate.allows("GET", read.format(s=nothing), {}, basic("rad1"))


@pytest.mark.parametrize("read", CONFUSED)
@pytest.mark.parametrize("place", ["gate", "proxy_gate"])
def test_levels_are_not_confused(request, first, place, read):
    assert not request.getfixturevalue(place).allows("GET", read.format(s=first), {}, basic("rad1"))


def test_label_without_a_row_of_ownership_opens_nothing(gate, archive, orphan):
    archive.resources[orphan.id]["Labels"] = ["mo-42001"]
    assert not gate.allows("GET", f"/studies/{orphan.id}", {}, basic("rad1"))
    assert gate.allows("GET", f"/studies/{orphan.id}", {}, basic("root"))


@pytest.mark.parametrize(("method", "path"), SCOPED)
def test_searches_need_the_right_to_read(gate, first, method, path):
    allowed = {login for login, _, _ in PEOPLE if gate.allows(method, path, {}, basic(login))}
    assert allowed == {"rad1", "clin1", "tech1", "rad2", "cons", "root"}
    assert not gate.allows(method, path, {}, STRANGER)


def test_signed_in_is_enough_for_what_is_harmless(gate):
    for path in ("/system", "/app/explorer.html", "/app/libs/jquery.min.js", "/plugins/explorer.js", "/tools/now"):
        assert all(gate.allows("GET", path, {}, basic(login)) for login, _, _ in PEOPLE)
        assert not gate.allows("GET", path, {}, STRANGER)


def test_the_unlisted_is_read_by_the_region_administrator_alone(gate):
    allowed = {login for login, _, _ in PEOPLE if gate.allows("GET", "/changes", {}, basic(login))}
    assert allowed == {"root"}
    assert not gate.allows("DELETE", "/changes", {}, basic("root"))
    assert not gate.allows("GET", "/unheard-of", {}, basic("root"))


def test_ours_decides_by_itself(gate):
    for path in ("/", "/cami", "/cami/", "/cami/login", "/cami/health", "/ohif/viewer", "/ohif/app.bundle.js"):
        assert gate.allows("GET", path, {}, STRANGER)
    assert gate.allows("POST", "/cami/login", {}, STRANGER)
    assert not gate.allows("POST", "/ohif/viewer", {}, STRANGER)


def test_change_from_another_site_stops_at_the_door(gate):
    forged = {"host": "cami", "cookie": "cami_session=x", "origin": "http://evil"}
    assert not gate.allows("POST", "/cami/logout", {}, forged)
    assert not gate.allows("POST", "/tools/find", {}, basic("rad1") | {"sec-fetch-site": "cross-site"})
    assert gate.allows("POST", "/cami/logout", {}, forged | {"origin": "http://cami"})


def test_internal_looking_request_is_refused(gate):
    assert not gate.allows("GET", "/cami/health", {}, {})


def test_people_of_the_mo_see_all_at_their_proxy(proxy_gate, first, orphan):
    for study in (first, orphan):
        assert proxy_gate.allows("GET", f"/studies/{study.id}", {}, basic("rad1"))
        assert not proxy_gate.allows("GET", f"/studies/{study.id}", {}, basic("rad2"))
        assert not proxy_gate.allows("GET", f"/studies/{study.id}", {}, basic("adm1"))
    assert not proxy_gate.allows("GET", f"/studies/{ID}", {}, basic("rad1"))


def test_the_archive_is_not_asked_whose_something_is(gate, archive, engine, first):
    path = f"/instances/{first.instance}"
    assert gate.allows("GET", path, {}, basic("rad1"))
    archive.failing = True
    assert gate.allows("GET", path, {}, basic("rad1"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE study SET owner = '42099'"))
    assert not gate.allows("GET", path, {}, basic("rad1"))


class Broken:
    def __getattr__(self, name):
        raise RuntimeError("ИВАНОВ^ИВАН")


def test_whatever_fails_is_a_refusal_without_a_name_in_the_log(authenticator, archive, engine, first, caplog):
    archive.failing = True
    path = f"/studies/{first.id}"
    assert not Gate("central", "", authenticator, archive, engine).allows("GET", path, {}, basic("root"))
    assert not Gate("proxy", "42001", authenticator, archive, engine).allows("GET", path, {}, basic("rad1"))
    assert not Gate("central", "", Broken(), archive, engine).allows("GET", path, {}, basic("rad1"))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE account"))
    assert not Gate("central", "", authenticator, archive, engine).allows("GET", path, {}, basic("rad2"))
    assert not Gate("central", "", authenticator, archive, engine).allows("GET", path, None, basic("rad1"))
    assert len(caplog.records) >= 3
    assert "ИВАНОВ" not in caplog.text
    assert first.id not in caplog.text
    assert "rad" not in caplog.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", ""]),
    path=PATHS,
    headers=st.dictionaries(
        st.sampled_from(
            ["host", "cookie", "authorization", "origin", "x-forwarded-user", "x-cami-csrf", "remote-user"]
        ),
        st.sampled_from(["cami", "cami_session=x", "Basic eDp5", "rad1", "root", "Bearer root", ""]),
    ),
)
def test_a_stranger_is_let_into_nothing_but_our_own_pages(gate, method, path, headers):
    if gate.allows(method, path, {}, headers):
        assert path.strip("/").split("/")[0] in ("", "cami", "ohif", "favicon.ico", "IHEInvokeImageDisplay")


def test_people_cover_all_roles():
    assert {role for _, role, _ in PEOPLE} | {Role.GUEST} == set(Role)  # whom the МИС sends has no account
