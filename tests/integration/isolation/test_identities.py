"""Who somebody is: roles, forged identities, cookies, people at a proxy; cases 13 and 15."""

import pytest
import requests

from tests.integration.isolation.sides import JSON, OPEN_POSTS, ROUTES, named, unhurt
from tests.live import wait_until


@pytest.mark.parametrize("role", ["mo_admin", "operator", "dispatcher", "auditor"])
def test_roles_without_images(region, victim, role):
    person = region.session(role, "42001" if role == "mo_admin" else "")
    assert person.get(region.central + "/cami/whoami", timeout=30).status_code == 200
    for route in ROUTES:
        answer = person.get(region.central + named(route, victim.ids), timeout=30)
        assert not victim.betrayed_by(answer.content), route
    one = f"{victim.web}/series/{victim.uid}.1/instances/{victim.uid}.1.1"
    for path in ("/dicom-web/studies", f"{one}/frames/1", f"{one}/rendered", f"{victim.web}/metadata"):
        assert person.get(region.central + path, timeout=30).status_code == 403
    answer = person.post(region.central + "/tools/find", json={"Level": "Study", "Query": {}}, timeout=30)
    assert answer.status_code == 403
    assert not victim.betrayed_by(person.get(region.central + "/cami/", timeout=30).content)


def test_a_consultant_without_a_grant_sees_nothing(region, victim, thief):
    person = region.session("consultant", "42900")
    for route in ROUTES:
        answer = person.get(region.central + named(route, victim.ids), timeout=30)
        assert not victim.betrayed_by(answer.content), route
    for path in ("/dicom-web/studies", "/dicom-web/series", "/dicom-web/instances", "/studies", "/instances"):
        answer = person.get(region.central + path, timeout=30)
        assert (answer.status_code, answer.json()) == (200, []), path
    for side in (victim, thief):
        assert person.get(f"{region.central}/studies/{side.study}", timeout=30).status_code == 403
        assert person.get(f"{region.central}{side.web}/metadata", timeout=30).status_code == 404
        for level in ("Study", "Series", "Instance"):
            question = {"Level": level, "Query": {}, "ParentStudy": side.study}
            assert person.post(region.central + "/tools/find", json=question, timeout=30).json() == []
            counted = person.post(region.central + "/tools/count-resources", json=question, timeout=30)
            assert counted.json() == {"Count": 0}
    assert person.get(region.central + "/statistics", timeout=30).json()["CountStudies"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic cm9vdDpyb290"},
        {"Authorization": "Basic YWRtaW46"},
        {"Authorization": "Bearer 00000000-0000-0000-0000-000000000000"},
        {"Authorization": "Bearer"},
        {"Cookie": "cami_session=x"},
        {"Cookie": "cami_session="},
        {"X-Remote-User": "admin", "Remote-User": "admin", "X-Forwarded-User": "admin", "X-Forwarded-For": "127.0.0.1"},
        {"X-Cami-Token": "x", "X-Cami-Csrf": "1"},
    ],
)
def test_forged_identities(region, victim, headers):
    # Four: the fifth wrong password would lock the administrator's account.
    for path in (f"/studies/{victim.study}", "/dicom-web/studies", "/system", "/changes"):
        answer = requests.get(region.central + path, headers=headers, timeout=30)
        assert (answer.status_code, answer.content) == (403, b"")


def cookie_of(region, role, mo):
    """Sign in on the login page and return the session."""
    account = next(each for each in region.about["accounts"] if (each["role"], each["mo"]) == (role, mo))
    browser = requests.Session()
    form = {"login": account["login"], "password": account["password"]}
    same = {"Origin": region.central}
    browser.post(region.central + "/cami/login", data=form, headers=same, timeout=30, allow_redirects=False)
    assert "cami_session" in browser.cookies
    return browser


def test_another_site_does_nothing_with_a_cookie(region, victim):
    browser = cookie_of(region, "radiologist", "42001")
    url = f"{region.central}/studies/{victim.study}"
    question = {"Level": "Study", "Query": {}}
    for headers in ({}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = browser.post(region.central + "/tools/find", json=question, headers=headers, timeout=30)
        assert answer.status_code == 403
        assert browser.get(url + "?_method=DELETE", headers=headers, timeout=30).status_code == 403
    same = browser.post(region.central + "/tools/find", json=question, headers={"Origin": region.central}, timeout=30)
    assert same.json() == [victim.study]
    unhurt(victim)


def test_sign_out_closes_at_once(region, victim):
    browser = cookie_of(region, "radiologist", "42001")
    url = f"{region.central}/studies/{victim.study}"
    assert browser.get(url, timeout=30).status_code == 200
    stolen = dict(browser.cookies)
    browser.post(region.central + "/cami/logout", headers={"Origin": region.central}, timeout=30)
    assert requests.get(url, cookies=stolen, timeout=30).status_code == 403


def test_the_proxy_serves_its_own_mo_only(region, victim, thief):
    mine, theirs = region.proxy("42002")["url"], region.proxy("42001")["url"]
    question = {"Level": "Study", "Query": {}}

    def own():
        answer = thief.doctor.post(mine + "/tools/find", json=question, timeout=30)
        return answer.status_code == 200 and thief.study in answer.json()

    wait_until("the proxy knows its people", own, 60)
    for path in (f"/studies/{victim.study}", "/dicom-web/studies", "/system", "/studies", f"{victim.web}/metadata"):
        assert thief.get(path).content is not None
        answer = thief.doctor.get(theirs + path, timeout=30)
        assert (answer.status_code, answer.content) == (403, b"")
    assert thief.doctor.post(theirs + "/tools/find", json=question, timeout=30).status_code == 403
    for person in (region.session("mo_admin", "42001"), region.session("region_admin"), region.session("operator")):
        assert person.get(f"{theirs}/studies/{victim.study}", timeout=30).status_code == 403
    for route in ROUTES:
        for method in ("POST", "PUT", "DELETE"):
            if method == "POST" and route in OPEN_POSTS:
                continue
            answer = victim.doctor.request(method, theirs + named(route, victim.ids), data=b"", timeout=30)
            assert answer.status_code == 403, (method, route)
    assert victim.doctor.get(f"{theirs}{victim.web}/metadata", headers=JSON, timeout=30).status_code == 200
