"""The route table and the hygiene before it, with no archive and no account behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cami.access.hygiene import acceptable_headers, clean_path, forged
from cami.access.routes import ROUTES, Rule, match

ID = "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd"
WEB = "/dicom-web/studies"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        # Orthanc's own, out of the list in reference/orthanc.md §2.4.
        ("DELETE", f"/studies/{ID}"),
        ("POST", "/instances"),
        ("POST", WEB),
        ("POST", f"{WEB}/1.2"),
        ("DELETE", "/changes"),
        ("DELETE", "/exports"),
        ("PUT", f"/studies/{ID}/labels/mo-42002"),
        ("DELETE", f"/studies/{ID}/labels/mo-42001"),
        ("PUT", f"/studies/{ID}/metadata/CamiOwner"),
        ("PUT", f"/studies/{ID}/attachments/1024"),
        ("POST", f"/studies/{ID}/archive"),
        ("POST", f"/studies/{ID}/modify"),
        ("POST", f"/studies/{ID}/anonymize"),
        ("POST", f"/studies/{ID}/merge"),
        ("POST", f"/studies/{ID}/split"),
        ("POST", f"/instances/{ID}/reconstruct"),
        ("POST", "/tools/create-dicom"),
        ("POST", "/tools/create-archive"),
        ("POST", "/tools/bulk-content"),
        ("POST", "/tools/bulk-delete"),
        ("POST", "/tools/dicom-echo"),
        ("POST", "/modalities/x/store"),
        ("PUT", "/modalities/x"),
        ("POST", "/peers/x/store"),
        ("POST", "/jobs/x/resubmit"),
        ("POST", "/queries/x/retrieve"),
        ("PUT", "/tools/default-encoding"),
        ("PUT", "/tools/log-level"),
        ("POST", "/dicom-web/servers/x/stow"),
        ("PUT", "/webdav/uploads/x.dcm"),
        ("GET", "/webdav"),
        ("GET", "/webdav/by-patients"),
        ("POST", "/tools/execute-script"),
        ("GET", "/tools/execute-script"),
        ("POST", "/tools/reset"),
        ("POST", "/tools/shutdown"),
        ("PROPFIND", "/studies"),
        ("", "/studies"),
        ("get", "/studies"),
    ],
)
def test_changes_and_dangers_are_for_nobody(method, path):
    assert match(method, path, {}).rule is Rule.NOBODY


@pytest.mark.parametrize(
    "path",
    [
        "/changes",
        "/exports",
        "/jobs",
        "/jobs/x/archive",
        "/modalities",
        "/peers",
        "/queries",
        "/plugins",
        "/statistics",
        "/tools",
        "/tools/labels",
        "/tools/metrics",
        "/tools/create-archive",
        "/wado",
        "/dicom-web",
        "/dicom-web/servers",
        "/dicom-web/info",
        f"/patients/{ID}/archive",
        f"/patients/{ID}/series",
        f"/patients/{ID}/protected",
        f"/studies/{ID}/patient",
        f"/studies/{ID}/labels",
        f"/studies/{ID}/metadata",
        f"/studies/{ID}/media",
        f"/studies/{ID}/attachments",
        f"/instances/{ID}/metadata/RemoteIP",
        f"/instances/{ID}/attachments/dicom/data",
        f"/instances/{ID}/frames/0/raw",
        f"/studies/{ID}x",
        f"/studies/{ID[:-1]}",
        f"/studies/{ID.upper()}",
        f"{WEB}/x",
        f"{WEB}/1.2/series/1/instances/1/frames/1/../../",
        "/studiesx",
        "/unheard-of",
    ],
)
def test_the_rest_is_for_the_region_administrator_to_read(path):
    assert match("GET", path, {}).rule is Rule.ADMIN_READ
    for method in ("POST", "PUT", "DELETE"):
        assert match(method, path, {}).rule is Rule.NOBODY


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
def test_resources_are_named_with_their_level(level):
    found = match("GET", f"/{level}/{ID}", {"full": "", "_": "1"})
    assert (found.rule, found.level, found.resource) == (Rule.RESOURCE, level, ID)


@pytest.mark.parametrize("argument", ["transcode", "lossy-quality"])
@pytest.mark.parametrize("path", [f"/instances/{ID}/file", f"/studies/{ID}/archive", "/unheard-of", "/cami/health"])
def test_transcoding_is_for_nobody(path, argument):
    assert match("GET", path, {argument: "1.2.840.10008.1.2.4.80"}).rule is Rule.NOBODY


@pytest.mark.parametrize(
    ("path", "argument"),
    [
        (f"/studies/{ID}", "requestedTags"),
        (f"/studies/{ID}", "requested-tags"),
        (f"/studies/{ID}/archive", "filename"),
        (f"/instances/{ID}/tags", "ignore-length"),
        ("/studies", "requestedTags"),
    ],
)
def test_arguments_that_no_viewer_needs_are_not_for_people(path, argument):
    assert match("GET", path, {argument: "x"}).rule is Rule.ADMIN_READ


def test_only_ours_is_open_to_strangers():
    for route in ROUTES:
        if route.rule in (Rule.PUBLIC, Rule.SELF):
            assert route.pattern.pattern in ("/cami/health", "/cami(/.*)?", "/ohif(/.*)?", "/|/favicon\\.ico")


@pytest.mark.parametrize(
    ("path", "clean"),
    [("/", "/"), ("/studies/", "/studies"), ("/ohif/a@b~1.js", "/ohif/a@b~1.js"), ("/a/frames/1,2", "/a/frames/1,2")],
)
def test_clean_paths(path, clean):
    assert clean_path(path) == clean


@pytest.mark.parametrize(
    "path",
    [
        "",
        "studies",
        "//studies",
        "/studies//",
        "/cami/../studies",
        "/cami/./x",
        "/..",
        "/a\n",
        "/a\nb",
        "/a\0",
        "/a;b",
        "/a%2fb",
        "/%73tudies",
        "/a\\b",
        "/a b",
        "/исследования",
        "/a?b",
        "/" + "a" * 3000,
    ],
)
def test_dirty_paths(path):
    assert clean_path(path) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": " Multipart/Form-Data"},
        {"host": "x", "x-http-method-override": "GET"},
    ],
)
def test_unacceptable_headers(headers):
    assert not acceptable_headers(headers)


COOKIE = {"host": "cami.example:8042", "cookie": "cami_session=x"}


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        (COOKIE, True),
        (COOKIE | {"sec-fetch-site": "same-origin"}, False),
        (COOKIE | {"sec-fetch-site": "cross-site"}, True),
        (COOKIE | {"sec-fetch-site": "same-site"}, True),
        (COOKIE | {"sec-fetch-site": "none"}, True),
        (COOKIE | {"origin": "http://cami.example:8042"}, False),
        (COOKIE | {"origin": "http://evil.example"}, True),
        (COOKIE | {"origin": "http://cami.example:8042.evil.example"}, True),
        (COOKIE | {"origin": "null"}, True),
        (COOKIE | {"origin": "http://[bad"}, True),
        (COOKIE | {"sec-fetch-site": "cross-site", "origin": "http://cami.example:8042"}, True),
        (COOKIE | {"x-cami-csrf": "1"}, False),
        ({"host": "x", "authorization": "Basic eDp5"}, False),
        ({"host": "x", "authorization": "Basic eDp5", "sec-fetch-site": "cross-site"}, True),
        ({"host": "x", "authorization": "Basic eDp5", "origin": "http://evil.example"}, True),
        ({"origin": "http://x"}, True),
    ],
)
def test_forged_changes(headers, refused):
    assert forged("POST", headers) is refused
    assert forged("DELETE", headers) is refused
    assert not forged("GET", headers)


SEGMENTS = st.sampled_from(
    [
        "studies",
        "series",
        "instances",
        "patients",
        "tools",
        "find",
        "dicom-web",
        "cami",
        "ohif",
        "app",
        "jobs",
        "changes",
        "webdav",
        "system",
        "plugins",
        "archive",
        "file",
        "metadata",
        "labels",
        "..",
        ".",
        "",
        ID,
        "1.2.3",
        "%2e",
        "cami;x",
    ]
)
PATHS = st.one_of(st.lists(SEGMENTS, max_size=6).map(lambda parts: "/" + "/".join(parts)), st.text(max_size=60))


@given(method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "", "HEAD"]), path=PATHS)
def test_no_path_but_ours_is_open(method, path):
    clean = clean_path(path)
    if clean is not None and match(method, clean, {}).rule in (Rule.PUBLIC, Rule.SELF):
        assert clean.split("/")[1] in ("", "cami", "ohif", "favicon.ico")
        assert ".." not in clean.split("/")


def test_figures_are_for_those_who_watch_over_the_running():
    assert match("GET", "/tools/metrics-prometheus", {}).rule is Rule.FIGURES
    assert match("POST", "/tools/metrics-prometheus", {}).rule is Rule.NOBODY
    assert match("GET", "/tools/metrics-prometheus", {"x": "1"}).rule is Rule.ADMIN_READ
