"""Every route of the core against another МО's study: cases 5, 6, 7, 10 and 11."""

import pytest
import requests

from tests.integration.isolation.sides import OPEN_POSTS, ROUTES, named, unhurt


@pytest.mark.parametrize("confused", [False, True], ids=["right level", "wrong level"])
def test_no_route_of_the_core_reads_for_another_mo(victim, thief, confused):
    ids = victim.ids
    if confused:
        ids = dict(zip(ids, [*list(ids.values())[1:], ids["studies"]], strict=True))
    read = 0
    for route in ROUTES:
        path = named(route, ids)
        for suffix in ("", "?expand", f"?resources={victim.study}", f"?resources={thief.study},{victim.study}"):
            answer = thief.get(path + suffix)
            assert not victim.betrayed_by(answer.content), (path, suffix)
            if answer.status_code == 200:
                read += 1
                assert "{id}" not in route or route.startswith("/patients/{id}"), (path, suffix)
            else:
                assert answer.status_code in (400, 403, 404), (path, answer.status_code)
    assert 10 < read < 60


def bodies(victim, thief):
    """Bodies that make the core's dangerous routes do harm, if one lets them."""
    both = [thief.study, victim.study]
    return [
        {"Resources": both, "Level": "Study", "Synchronous": True},
        {"Resources": [victim.series], "KeepSource": False, "Synchronous": True},
        {"Replace": {"StudyInstanceUID": victim.uid}, "Force": True, "KeepSource": False, "Synchronous": True},
        {"Parent": victim.study, "Tags": {"PatientName": "X"}},
    ]


def test_no_route_of_the_core_changes_anything_for_anybody(region, victim, thief, admin):
    people = {"stranger": requests.Session(), "thief": thief.doctor, "owner": victim.doctor, "administrator": admin}
    for who, person in people.items():
        for route in ROUTES:
            for ids in (victim.ids, thief.ids):
                path = region.central + named(route, ids)
                for method in ("POST", "PUT", "DELETE"):
                    if method == "POST" and route in OPEN_POSTS and who != "stranger":
                        continue
                    answer = person.request(method, path, data=b"", timeout=60)
                    assert answer.status_code == 403, (who, method, path)
                    assert answer.content == b""
    for path in ("/tools/bulk-content", "/tools/create-archive", "/tools/create-dicom", "/tools/bulk-delete"):
        for body in bodies(victim, thief):
            assert thief.doctor.post(region.central + path, json=body, timeout=60).status_code == 403
    for path in (f"/studies/{thief.study}/merge", f"/series/{thief.series}/modify", f"/studies/{thief.study}/archive"):
        for body in bodies(victim, thief):
            assert thief.doctor.post(region.central + path, json=body, timeout=60).status_code == 403
    unhurt(victim)


def test_a_stranger_reads_nothing(region, victim):
    stranger = requests.Session()
    for route in ROUTES:
        answer = stranger.get(region.central + named(route, victim.ids), timeout=60)
        assert (answer.status_code, answer.content) == (403, b""), route
    for path in ("/cami/", "/ohif/", "/ohif/viewer", "/cami/health", "/cami/whoami", f"/cami/studies/{victim.study}"):
        answer = stranger.get(region.central + path, timeout=60)
        # The way back after signing in is in the page, no more.
        assert not victim.betrayed_by(answer.content.replace(victim.study.encode(), b"")), path
    for path in ("/cami/api/studies", "/cami/api/delivery", "/cami/wire/v1/directory", "/cami/wire/v1/ping"):
        assert stranger.get(region.central + path, timeout=60).status_code in (401, 403, 404), path


def test_our_own_lists_are_scoped_too(victim, thief):
    for path in ("/cami/api/studies", "/cami/", "/cami/whoami", "/cami/api/delivery"):
        assert not victim.betrayed_by(thief.get(path).content), path
    for path in (f"/cami/studies/{victim.study}", f"/ohif/viewer?StudyInstanceUIDs={victim.uid}"):
        content = thief.get(path).content
        assert victim.name.encode() not in content
        assert victim.study.encode() not in content.replace(path.encode(), b"")
