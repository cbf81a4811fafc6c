"""The route table and the hygiene before it, with no archive and no account behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cami.access.hygiene import acceptable_body, acceptable_headers, clean_path, forged
from cami.access.route_table import MB, TABLE, Rule
from cami.access.routes import Purpose, match

ID = "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd"
WEB = "/dicom-web/studies"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        # Orthanc's own, out of the list in reference/orthanc.md §2.4.
        ("DELETE", f"/studies/{ID}"),
        ("DELETE", WEB),
        ("POST", f"{WEB}/1.2/series"),
        ("PUT", "/instances"),
        ("GET", "/tools/create-archive"),
        ("GET", f"/studies/{ID}x"),
        ("GET", f"/studies/{ID[:-1]}"),
        ("GET", f"/studies/{ID.upper()}"),
        ("GET", f"{WEB}/x"),
        ("GET", f"{WEB}/1.2/series/1/instances/1/frames/1/../../"),
        ("GET", "/studiesx"),
        ("GET", "/unheard-of"),
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
        "/jobs/x",
        "/jobs/x/archive",
        "/modalities",
        "/peers",
        "/queries",
        "/plugins",
        "/tools",
        "/tools/labels",
        "/tools/metrics",
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
        f"/studies/{ID}/attachments",
        f"/instances/{ID}/metadata/RemoteIP",
        f"/instances/{ID}/frames/0/raw",
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
    open_paths = {path for row in TABLE if row.rule in (Rule.PUBLIC, Rule.SELF) for path in row.paths}
    ours = {"/cami/health", "/cami/wire/{rest}", "/cami", "/cami/{rest}", "/ohif", "/ohif/{rest}"}
    assert open_paths == ours | {"/", "/favicon.ico", "/IHEInvokeImageDisplay"}


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


JOB = "0123abcd-0123-4567-89ab-0123456789ab"


@pytest.mark.parametrize(
    ("method", "path", "rule", "purpose"),
    [
        ("POST", "/instances", Rule.STORE, Purpose.STORE),
        ("POST", WEB, Rule.STORE, Purpose.STORE),
        ("POST", f"{WEB}/1.2", Rule.STORE, Purpose.STORE),
        ("GET", "/statistics", Rule.SCOPED, Purpose.SEARCH),
        ("GET", "/jobs", Rule.SCOPED, Purpose.SEARCH),
        ("GET", f"/jobs/{JOB}/archive", Rule.OWN_JOB, Purpose.EXPORT),
        ("POST", f"/jobs/{JOB}/cancel", Rule.OWN_JOB, Purpose.NONE),
        ("GET", f"/studies/{ID}/archive", Rule.RESOURCE, Purpose.EXPORT),
        ("GET", f"/series/{ID}/media", Rule.RESOURCE, Purpose.EXPORT),
        ("GET", f"/instances/{ID}/attachments/dicom/data", Rule.RESOURCE, Purpose.EXPORT),
        ("GET", f"/instances/{ID}/preview", Rule.RESOURCE, Purpose.VIEW),
        ("GET", f"{WEB}/1.2/series", Rule.SCOPED, Purpose.SEARCH),
        ("GET", f"{WEB}/1.2/metadata", Rule.SCOPED, Purpose.VIEW),
        ("GET", f"{WEB}/1.2/series/1.3/instances/1.4/frames/1", Rule.SCOPED, Purpose.VIEW),
        ("GET", "/system", Rule.SIGNED_IN, Purpose.NONE),
    ],
)
def test_what_people_do_with_a_route(method, path, rule, purpose):
    found = match(method, path, {})
    assert (found.rule, found.purpose) == (rule, purpose)


def test_a_row_that_lets_in_comes_before_each_row_that_refuses():
    """No row is dead: some path of each of its methods is decided by it and by no row above."""
    from cami.access.routes import decide

    fill = {"id": ID, "job": JOB, "uid": "1.2", "frame": "1", "frames": "1", "tags": "7fe00010", "any": "x"}
    fill |= {"file": "x.js", "rest": "x"}
    for row in TABLE:
        for method in row.methods:
            reached = set()
            for path in row.paths:
                concrete = "/".join(part.split("|")[-1] for part in path.split("/"))
                for place, value in fill.items():
                    concrete = concrete.replace("{" + place + "}", value)
                decided = decide(method, concrete or "/")
                assert decided is not None, (method, path)
                reached.add(decided[0] is row)
            assert True in reached, (method, row.paths)


@pytest.mark.parametrize(
    ("headers", "fits"),
    [
        ({}, True),
        ({"content-length": "1024"}, True),
        ({"content-length": str(MB + 1)}, False),
        ({"content-length": "-1"}, False),
        ({"content-length": "1e3"}, False),
        ({"content-length": "\u0661"}, False),
        ({"transfer-encoding": "chunked"}, False),
        ({"transfer-encoding": "chunked", "content-length": "1"}, False),
    ],
)
def test_bodies_have_a_length_and_a_limit(headers, fits):
    assert acceptable_body("POST", headers, MB) is fits


def test_what_takes_no_body_gets_none():
    assert match("GET", "/studies", {}).body == 0
    assert match("POST", f"/jobs/{JOB}/cancel", {}).body < MB < match("POST", "/instances", {}).body
