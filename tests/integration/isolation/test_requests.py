"""Tricks with the request itself: case 9 and the crash of 15."""

import contextlib
import http.client
from urllib.parse import urlsplit

import pytest
import requests

from tests.integration.isolation.sides import unhurt


def raw(server, method, target, headers, version=11):
    """Send a request as it stands: no client tidies the target up."""
    place = urlsplit(server)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    connection._http_vsn, connection._http_vsn_str = version, f"HTTP/{version // 10}.{version % 10}"
    connection._validate_path = lambda _: None
    with contextlib.closing(connection):
        connection.putrequest(method, target, skip_host=version == 10, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        try:
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (http.client.HTTPException, ConnectionError):
            return 0, b""


TARGETS = [
    "/studies/{v}/",
    "//studies/{v}",
    "/./studies/{v}",
    "/studies/{v}//",
    "/studies//{v}",
    "/app/../studies/{v}",
    "/app/%2e%2e/studies/{v}",
    "/app/..%2fstudies/{v}",
    "/app/..%5cstudies/{v}",
    "/ohif/../studies/{v}",
    "/cami/../studies/{v}",
    "/cami/%2e%2e/studies/{v}",
    "/cami/health/../../studies/{v}",
    "/cami/health%2f..%2f..%2fstudies/{v}",
    "/%73tudies/{v}",
    "/%2573tudies/{v}",
    "/studies/{v}%00",
    "/studies/{v}%0a",
    "/studies/{v}%0d%0aX:1",
    "/studies/{v};x=1",
    "/studies/{v}%3bx",
    "/studies/{v}%20",
    "/cami%00/../studies/{v}",
    "/cami/%00/../../studies/{v}",
    "/STUDIES/{v}",
    "/studies/{v}?_method=DELETE",
    "/studies/{v}?_method=GET",
    "http://cami/studies/{v}",
    "*",
    "/studies/{v}#/cami/health",
    "/cami/..;/studies/{v}",
]


@pytest.mark.parametrize("target", TARGETS)
def test_crooked_addresses(victim, thief, region, target):
    prepared = requests.Request("GET", region.central, auth=thief.doctor.auth).prepare()
    signed = {"Authorization": prepared.headers["Authorization"]}
    for headers in ({}, signed):
        for method in ("GET", "HEAD", "OPTIONS", "PROPFIND", "POST", "DELETE", "TRACE"):
            for version in (10, 11):
                status, content = raw(region.central, method, target.format(v=victim.study), headers, version)
                assert not victim.betrayed_by(content), (method, headers)
                assert status != 200 or target.startswith(("/cami", "*")) or method == "OPTIONS", (method, status)
    assert victim.get(f"/studies/{victim.study}").status_code == 200


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Http-Method-Override"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_method_override(victim, thief, header, method):
    for person in (victim, thief):
        for fake in ("DELETE", "PUT", "GET"):
            url = f"{person.central}/studies/{person.study}"
            answer = person.doctor.request(method, url, headers={header: fake}, timeout=30)
            assert answer.status_code in (400, 403)  # Orthanc itself knows no "GET" to fake
    unhurt(victim)


def test_the_region_administrator_reads_but_does_not_run_code(region, victim, admin):
    assert admin.get(region.central + "/changes?limit=1", timeout=30).status_code == 200
    assert admin.get(f"{region.central}/studies/{victim.study}/patient", timeout=30).status_code == 200
    for path in ("/tools/execute-script", "/tools/reset", "/tools/shutdown", "/webdav", "/webdav/by-patients"):
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = admin.request(method, region.central + path, data=b"print(1)", timeout=30)
            assert answer.status_code == 403
    crash = f"{region.central}/instances/{victim.instance}/file?transcode=1.2.840.10008.1.2.4.80"
    assert admin.get(crash, timeout=30).status_code == 403
    assert admin.get(region.central + "/system", timeout=30).status_code == 200
